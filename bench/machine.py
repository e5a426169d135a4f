"""On what was it measured, and what? No names of machines or folders."""

import os
import platform
import re
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bench.systems import dcmtk, orthanc

_LIBRARIES = ("uvloop", "hypercorn", "pydicom", "orjson", "sqlalchemy")


def machine() -> dict[str, str]:
    """What it is."""
    return {
        "cores": str(os.cpu_count()),
        "processor": _processor(),
        "memory": f"{_memory():.0f} GB",
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.machine()
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1] if found else platform.machine()


def _memory() -> float:
    if not hasattr(os, "sysconf"):
        return 0.0
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9


def versions() -> dict[str, str]:
    """Name of a system -> its version."""
    found = {"Hilum": _hilum()}
    if orthanc.PROGRAM:
        found[orthanc.NAME] = _said([orthanc.PROGRAM, "--version"], r"Orthanc (\S+)")
    if not dcmtk.MISSING:
        for name in (dcmtk.STORESCP, dcmtk.DCMQRSCP):
            found[name] = _said([dcmtk.program(name), "--version"], r"v(\d\S+)")
    return found


def _hilum() -> str:
    from hilum import __version__  # noqa: PLC0415 - not needed to read results

    known = []
    for name in _LIBRARIES:
        try:
            known.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    root = Path(__file__).parents[1]
    commit = _said(["git", "-C", str(root), "rev-parse", "--short", "HEAD"], r"(\w+)")
    return f"{__version__}{f' ({commit})' if commit else ''}; {', '.join(known)}"


def _said(command: list[str], pattern: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    found = re.search(pattern, done.stdout + done.stderr)
    return found[1] if found and done.returncode == 0 else ""
