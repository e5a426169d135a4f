"""What stands behind the mounts of the crossing's demo: real peers, started for it."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HOST = "127.0.0.1"
START = 60.0  # seconds a peer may take to come up
STOP = 15.0  # seconds it may take to end
_ORTHANC = ("/usr/sbin/Orthanc", "/usr/bin/Orthanc", "/usr/local/bin/Orthanc")
_PLUGINS = ("/usr/share/orthanc/plugins", "/usr/local/share/orthanc/plugins")
_PLUGIN = "libOrthancDicomWeb.so"


class CannotCross(Exception):
    """A peer of the demo did not come up; the text says which, and where it says why."""


@dataclass(frozen=True, slots=True)
class Far:
    """A system that speaks both DIMSE and DICOMweb.

    Attributes:
        name: for people.
        aet, port: by which it is called over DIMSE, at `HOST`.
        url: its DICOMweb root.
        knows: AE title -> port of Move Destinations that it knows itself.
    """

    name: str
    aet: str
    port: int
    url: str
    knows: Mapping[str, int]


def free_port() -> int:
    """A TCP port of this machine that nobody listens at now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


@contextmanager
def far(folder: Path, knows: Mapping[str, int]) -> Iterator[Far]:
    """An empty Orthanc where it is installed with DICOMweb; else a second Hilum.

    Raises:
        CannotCross: it does not come up.
    """
    program = next((each for each in map(Path, _ORTHANC) if each.is_file()), None)
    program = program or (Path(found) if (found := shutil.which("Orthanc")) else None)
    plugin = next((each for each in map(Path, _PLUGINS) if (each / _PLUGIN).is_file()), None)
    folder.mkdir(parents=True, exist_ok=True)
    if program is not None and plugin is not None:
        with _orthanc(program, plugin / _PLUGIN, folder, knows) as found_one:
            yield found_one
    else:
        with _second(folder, knows) as found_one:
            yield found_one


@contextmanager
def _orthanc(program: Path, plugin: Path, folder: Path, knows: Mapping[str, int]) -> Iterator[Far]:
    dimse, web = free_port(), free_port()
    allowed = {f"DicomAlwaysAllow{each}": True for each in ("Echo", "Store", "Find", "Get", "Move")}
    config = folder / "orthanc.json"
    config.write_text(
        json.dumps(
            {
                "StorageDirectory": str(folder / "db"),
                "IndexDirectory": str(folder / "db"),
                "DicomAet": "ORTHANC",
                "DicomPort": dimse,
                "DicomModalities": {name: [name, HOST, port] for name, port in knows.items()},
                **allowed,
                "HttpPort": web,
                "RemoteAccessAllowed": False,
                "AuthenticationEnabled": False,
                "Plugins": [str(plugin)],
                "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
            }
        )
    )
    with running([str(program), str(config)], folder / "orthanc.log", [dimse, web], "Orthanc"):
        yield Far("Orthanc", "ORTHANC", dimse, f"http://{HOST}:{web}/dicom-web", knows)


@contextmanager
def _second(folder: Path, knows: Mapping[str, int]) -> Iterator[Far]:
    dimse, web = free_port(), free_port()
    peers = "".join(
        f'[peers.{name}]\naet = "{name}"\nhost = "{HOST}"\nport = {port}\n'
        for name, port in knows.items()
    )
    text = (
        f"[dimse]\nport = {dimse}\naccept_unknown_callers = true\n[http]\nport = {web}\n"
        f'[mounts.FAR]\nbackend = "archive"\ndefault = true\n{peers}'
    )
    with broker(folder, text, [dimse, web], "the second Hilum"):
        yield Far("a second Hilum", "FAR", dimse, f"http://{HOST}:{web}/aets/FAR", knows)


@contextmanager
def broker(folder: Path, text: str, ports: Sequence[int], name: str) -> Iterator[Path]:
    """A broker with that configuration; gives the configuration's file.

    Raises:
        CannotCross: it does not come up.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "config.toml"
    config.write_text(text)
    command = [sys.executable, "-m", "hilum", "run", "--config", str(config)]
    with running(command, folder / "hilum.log", ports, name):
        yield config


@contextmanager
def running(command: Sequence[str], log: Path, ports: Sequence[int], name: str) -> Iterator[None]:
    """A process, from when it listens at all `ports` to its end.

    Raises:
        CannotCross: it ended, or does not listen in time.
    """
    quiet = {key: value for key, value in os.environ.items() if not key.startswith("HILUM_")}
    with log.open("wb") as out:
        process = subprocess.Popen(  # noqa: S603 - programs of our own choice, no shell
            command, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=quiet
        )
    try:
        until = time.monotonic() + START
        while not all(map(_listens, ports)):
            if process.poll() is not None or time.monotonic() > until:
                lines = log.read_text(errors="replace").splitlines()
                raise CannotCross(f"{name} did not come up: {lines[-1] if lines else command[0]}")
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        try:
            process.wait(STOP)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((HOST, port)) == 0
