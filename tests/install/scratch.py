"""A scratch root that install-service.sh installs into, at little cost.

The wheel of Hilum is one file that points to the source tree and to the packages of this
environment; virtual environments are made without pip, which is lent from here.
"""

import os
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from tests.install.supervisor import Service
from tests.peers import free_port

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "install-service.sh"
LENT = find_spec("pip")

_PYTHON = """#!/bin/sh
case "$*" in
"-m venv "*)
    shift 2
    "{python}" -m venv --without-pip "$1"
    echo "{lent}" >"$(echo "$1"/lib/python3*/site-packages)/lent.pth"
    ;;
*) exec "{python}" "$@" ;;
esac
"""
_BROKEN = "import sys; 'run' in sys.orig_argv and sys.exit('this release is broken')\n"


class Scratch:
    """A root, with its own ports."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.wheels = folder / "wheels"
        self.root.mkdir()
        self.wheels.mkdir()
        self._bin = folder / "bin"
        lent = folder / "lent"
        for each in (self._bin, lent):
            each.mkdir()
        assert LENT is not None
        (lent / "pip").symlink_to(Path(LENT.origin or "").parent)
        self._script("python3.11", _PYTHON.format(python=sys.executable, lent=lent))
        self._script(
            "systemctl", f'#!/bin/sh\nexec "{sys.executable}" -m tests.install.supervisor "$@"\n'
        )
        self.wheel()
        self.ports = {"DIMSE": free_port(), "HTTP": free_port()}

    def _script(self, name: str, text: str) -> None:
        (self._bin / name).write_text(text)
        (self._bin / name).chmod(0o755)

    def wheel(self, *, broken: bool = False) -> None:
        """Our wheel, another one each time."""
        number = len(list(self.wheels.iterdir()))
        places = [str(ROOT / "src"), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
        info = f"hilum-0.{number}.dist-info"
        with zipfile.ZipFile(self.wheels / f"hilum-0.{number}-py3-none-any.whl", "w") as made:
            made.writestr("places.pth", "\n".join(places) + "\n" + (_BROKEN if broken else ""))
            made.writestr(
                f"{info}/METADATA", f"Metadata-Version: 2.1\nName: hilum\nVersion: 0.{number}\n"
            )
            made.writestr(
                f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            )
            names = [*made.namelist(), f"{info}/RECORD"]
            made.writestr(f"{info}/RECORD", "".join(f"{name},,\n" for name in names))

    @property
    def environ(self) -> dict[str, str]:
        """For the script, and for what it starts."""
        return {
            "PATH": f"{self._bin}:{os.defpath}:/usr/sbin:/sbin",
            "HOME": str(self.root),
            "PYTHON": str(self._bin / "python3.11"),
            "PYTHONPATH": str(ROOT),
            "SYSTEMCTL": str(self._bin / "systemctl"),
            "SCRATCH": str(self.root),
            **{f"HILUM_{door}__PORT": str(port) for door, port in self.ports.items()},
        }

    def script(self, *arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
        """`install-service.sh … --root ROOT`."""
        return subprocess.run(
            [SCRIPT, *arguments, "--root", self.root],
            env=self.environ | more,
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )

    def hilum(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """The installed program."""
        more = {
            "HILUM_CONFIG": str(self.root / "etc/hilum/config.toml"),
            "HILUM_SERVER__DATA": str(self.root / "var/lib/hilum"),
        }
        return subprocess.run(
            [self.root / "opt/hilum/current/bin/python", "-I", "-m", "hilum", *arguments],
            env=self.environ | more,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def releases(self) -> Sequence[str]:
        """Those that are there, the oldest first."""
        return sorted(each.name for each in (self.root / "opt/hilum/releases").iterdir())

    @property
    def current(self) -> str:
        """The one that is used."""
        return (self.root / "opt/hilum/current").resolve().name

    def close(self) -> None:
        """Let nothing run on."""
        if (self.root / "etc/systemd/system/hilum.service").exists():
            service = Service(self.root)
            service.stop()
            service.close()
