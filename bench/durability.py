"""What does a server do before it says that an instance is stored? Its system calls, counted."""

import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from bench import clients
from bench.copies import copies
from bench.processes import say
from bench.site import Site
from bench.system import Ability, System

_CALLS = ("fsync", "fdatasync", "sync_file_range", "msync")
_SOME = 10  # instances
_SETTLE = 0.2  # seconds for strace to attach to all threads, and for what comes after an answer


def seen(site: Site) -> dict[str, str]:
    """Name of a system -> how often it synced while it stored a few instances."""
    if shutil.which("strace") is None:
        say("strace is not installed: what a server syncs is not counted.")
        return {}
    return {
        each.name: _counted(site, each)
        for each in site.systems
        if each.pid is not None and Ability.STORE in each.abilities
    }


def _counted(site: Site, system: System) -> str:
    with (
        copies(site.corpus.ct[:_SOME], next(site.salt), site.work) as made,
        tempfile.TemporaryDirectory() as folder,
    ):
        log = Path(folder) / "calls"
        command = ["strace", "-f", "-y", "-e", f"trace={','.join(_CALLS)}", "-o", str(log)]
        with subprocess.Popen(
            [*command, "-p", str(system.pid)], stderr=subprocess.PIPE, text=True
        ) as tracing:
            try:
                if tracing.stderr is None or "attached" not in tracing.stderr.readline():
                    return "-"
                time.sleep(_SETTLE)
                clients.store(system, made)
                time.sleep(_SETTLE)
            except clients.ClientFailed as error:
                return str(error)[:100]
            finally:
                tracing.send_signal(signal.SIGINT)
        text = log.read_text() if log.exists() else ""
    names = re.findall(rf"^\d+ +({'|'.join(_CALLS)})\(", text, re.MULTILINE)
    counts = ", ".join(f"{names.count(name)} {name}" for name in _CALLS if name in names)
    return f"{counts or 'none'} for {len(made)} instances"
