"""Where does Hilum's time go in a row? py-spy looks at its process while the row runs again."""

import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path

from bench.clients import ClientFailed, NotOffered
from bench.measure import key
from bench.processes import say
from bench.row import Contestant, Row, Stage
from bench.site import Site

_FORMATS = {"flamegraph": "svg", "raw": "txt"}
_ATTACHED = 1.0  # seconds that py-spy gets to attach
_LONG = 3.0  # seconds that a row that only reads is repeated for
_HZ = 250


def profile(rows: Sequence[Row], site: Site, folder: Path) -> None:
    """Each row once more for a flame graph and once more for the stacks behind it."""
    spy = shutil.which("py-spy", path=str(Path(sys.executable).parent)) or shutil.which("py-spy")
    if spy is None:
        say("py-spy is not installed: pip install py-spy, or the extra `test` of the project")
        return
    folder.mkdir(parents=True, exist_ok=True)
    ours = {each.pid for each in site.systems if each.ours}
    ours |= {mount.pid for mounts in site.brokers for mount in mounts}
    for row in rows:
        for kind, suffix in _FORMATS.items():
            with closing(row.contestants(site)) as contestants:
                for each in contestants:
                    if each.pid is None or each.pid not in ours:
                        continue
                    name = re.sub(r"[^\w]+", "_", f"{key(row)} {each.name}").strip("_")
                    out = folder / f"{name}.{suffix}"
                    again = row.stage is Stage.READ
                    _spied([spy, "record", "-f", kind, "-o", str(out)], each, again=again)
                    say(f"profile of {key(row)}, {each.name}: {out.name}")


def _spied(command: list[str], each: Contestant, *, again: bool) -> None:
    rate = ["--rate", str(_HZ), "--subprocesses", "--duration", "600", "--pid", str(each.pid)]
    spying = subprocess.Popen(
        [*command, *rate], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        time.sleep(_ATTACHED)
        end = time.monotonic() + _LONG
        with suppress(NotOffered, ClientFailed):
            each.run()
            while again and time.monotonic() < end:
                each.run()
    finally:
        spying.send_signal(signal.SIGINT)
        spying.wait()
