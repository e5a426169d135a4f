"""Packages of npm that tests run as peers: installed once, beside the test that needs them."""

import shutil
import subprocess
from pathlib import Path

import pytest

_INSTALL = 180.0  # seconds it may take


def node(folder: Path) -> Path:
    """The program that runs what is in `folder`, whose packages are installed then.

    Skips the test, with the reason, where there is no npm, or nothing to install from.

    Args:
        folder: with a package.json and its lock file.
    """
    npm, program = shutil.which("npm"), shutil.which("node")
    if npm is None or program is None:
        pytest.skip("install npm (Debian: apt-get install npm)")
    fcntl = pytest.importorskip("fcntl")
    modules, lock = folder / "node_modules", folder / "package-lock.json"
    with (folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # tests run in several processes
        stamp = modules / ".installed"
        if not stamp.is_file() or stamp.read_bytes() != lock.read_bytes():
            command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            done = subprocess.run(
                command, cwd=folder, capture_output=True, timeout=_INSTALL, check=False
            )
            if done.returncode:
                pytest.skip(f"npm cannot install {folder.name}: is there a registry?")
            stamp.write_bytes(lock.read_bytes())
    return Path(program)
