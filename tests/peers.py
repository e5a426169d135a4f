"""Real peers for tests: DCMTK, Orthanc and Hilum itself, as processes on ports of their own.

Every start and stop is bounded; what a peer wrote is shown when it does not come up. The context
managers block while they wait, so in an async test open them outside the event loop's work (as a
fixture, or before anything runs beside it).
"""

import json
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pynetdicom.ae import ApplicationEntity
from pynetdicom.events import EventType
from tests import warm

HOST = "127.0.0.1"
SOURCES = Path(__file__).parents[1] / "src"
START = 60.0  # seconds a peer may take to come up (two cores, many tests at once)
STOP = 15.0  # seconds a peer may take to end
_FOLDERS = ("/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin", "/opt/homebrew/bin")
_PLUGINS = ("/usr/share/orthanc/plugins", "/usr/local/share/orthanc/plugins")
_taken: set[int] = set()


def free_port() -> int:
    """A TCP port of this machine that nobody listens at, given once.

    Below the range from which the kernel takes the ports of outgoing connections.
    """
    while True:
        port = random.randrange(15000, 32000)  # noqa: S311 - no secret
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
        if port not in _taken:
            _taken.add(port)
            return port


def tool(name: str, package: str) -> Path:
    """A program of the system, never one that a virtual environment put on the PATH.

    Skips the test, with the reason, where it is not installed.
    """
    for folder in _FOLDERS:
        path = Path(folder) / name
        if path.is_file() and os.access(path, os.X_OK):
            return path
    pytest.skip(f"install {package}")


def dcmtk(name: str) -> Path:
    """One of DCMTK's programs (pynetdicom brings slow ones of the same names)."""
    return tool(name, "dcmtk")


def run(
    command: Sequence[str | Path], *, timeout: float = 60.0, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """A program from begin to end; standard error is put into standard output."""
    return subprocess.run(
        [str(part) for part in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        errors="replace",
        timeout=timeout,
        env={**os.environ, **(env or {})},
        check=False,
    )


@dataclass(slots=True)
class Peer:
    """A process that speaks DICOM.

    Attributes:
        port: where it listens for DIMSE; 0 when it does not.
        log: what it wrote to standard output and standard error.
        folder: where it keeps what it gets.
    """

    aet: str
    port: int
    log: Path
    folder: Path
    process: subprocess.Popen[bytes] | warm.Forked
    host: str = HOST

    @property
    def said(self) -> str:
        """What it wrote so far."""
        return self.log.read_text(errors="replace")

    def files(self) -> list[Path]:
        """What it keeps, as far as it keeps it in files here."""
        return sorted(path for path in self.folder.rglob("*") if path.is_file())

    def stop(self, timeout: float = STOP) -> int:
        """End it in order (SIGTERM); its exit code."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout)
            except subprocess.TimeoutExpired:
                self.process.kill()
        return self.process.wait(STOP)

    def kill(self) -> None:
        """End it at once (SIGKILL)."""
        self.process.kill()
        self.process.wait(STOP)


def listens(port: int) -> bool:
    """Whether somebody accepts connections there."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((HOST, port)) == 0


@contextmanager
def running(  # noqa: PLR0913 - a process has that many sides
    command: Sequence[str | Path],
    *,
    aet: str,
    port: int,
    folder: Path,
    ready: Callable[[Peer], bool] | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float = START,
    start: Callable[..., subprocess.Popen[bytes] | warm.Forked] = subprocess.Popen,
) -> Iterator[Peer]:
    """A process, from when it is `ready` (else: listens at `port`) to its end.

    Args:
        command: its command line.
        aet: its AE title.
        port: where it listens.
        folder: where it works.
        ready: whether it can be used.
        env: more of the environment.
        timeout: seconds it may take until then.
        start: what starts it, with the command and these arguments of `subprocess.Popen`.

    Raises:
        AssertionError: it ended, or was not ready in time; with what it wrote.
    """
    folder.mkdir(parents=True, exist_ok=True)
    number = len(list(folder.parent.glob(f"{folder.name}*.log")))
    log = folder.parent / f"{folder.name}{number}.log"
    with log.open("wb") as out:
        process = start(
            [str(part) for part in command],
            stdout=out,
            stderr=out,
            stdin=subprocess.DEVNULL,
            cwd=folder,
            env={**os.environ, **(env or {})},
        )
    peer = Peer(aet, port, log, folder, process)
    try:
        _await(peer, ready or (lambda one: listens(one.port)), timeout)
        yield peer
    finally:
        peer.stop()


def _await(peer: Peer, ready: Callable[[Peer], bool], timeout: float) -> None:
    until = time.monotonic() + timeout
    while not ready(peer):
        assert peer.process.poll() is None, f"{peer.aet} ended:\n{peer.said}"
        assert time.monotonic() < until, f"{peer.aet} was not ready in time:\n{peer.said}"
        time.sleep(0.02)


@contextmanager
def storescp(
    folder: Path,
    *,
    aet: str = "STORESCP",
    port: int | None = None,
    options: Sequence[str] = (),
    accepts: Sequence[str] = ("--accept-all",),
) -> Iterator[Peer]:
    """DCMTK's storescp, which writes files into `folder`; by default it takes every syntax."""
    port = port or free_port()
    command: list[str | Path] = [
        dcmtk("storescp"), "--aetitle", aet, "--output-directory", folder,
        *accepts, *options, str(port),
    ]  # fmt: skip
    with running(command, aet=aet, port=port, folder=folder) as peer:
        yield peer


@contextmanager
def dcmqrscp(
    folder: Path,
    *,
    aet: str = "DCMQRSCP",
    moves: Mapping[str, int] | None = None,
    options: Sequence[str] = (),
) -> Iterator[Peer]:
    """DCMTK's dcmqrscp with an empty archive in `folder`.

    Args:
        folder: of the archive.
        aet: its AE title.
        moves: AE title -> port on this machine, for C-MOVE.
        options: more of the command line.
    """
    port = free_port()
    program = dcmtk("dcmqrscp")
    folder.mkdir(parents=True, exist_ok=True)
    hosts = "\n".join(
        f"h{at} = ({name}, {HOST}, {to})" for at, (name, to) in enumerate((moves or {}).items())
    )
    config = folder.parent / f"{folder.name}.cfg"
    config.write_text(
        f"NetworkTCPPort = {port}\nMaxPDUSize = 131072\nMaxAssociations = 32\n"
        f"HostTable BEGIN\n{hosts}\nHostTable END\n"
        "VendorTable BEGIN\nVendorTable END\n"
        f"AETable BEGIN\n{aet} {folder} RW (500, 1024mb) ANY\nAETable END\n"
    )
    command: list[str | Path] = [program, "--config", config, *options, str(port)]
    with running(command, aet=aet, port=port, folder=folder) as peer:
        yield peer


@dataclass(slots=True)
class Orthanc(Peer):
    """An Orthanc with its REST API and, where the plugin is installed, DICOMweb."""

    url: str = ""
    dicomweb: str | None = None

    def ask(self, path: str, body: object = None, *, timeout: float = 60.0) -> object:
        """GET, or POST when there is a body, of the REST API; its JSON answer."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        with urllib.request.urlopen(self.url + path, data=data, timeout=timeout) as answer:  # noqa: S310 - our own URL
            text = answer.read()
        return json.loads(text) if text else None

    def delete(self, path: str) -> None:
        """DELETE of the REST API."""
        request = urllib.request.Request(self.url + path, method="DELETE")  # noqa: S310 - our own URL
        with urllib.request.urlopen(request, timeout=60):  # noqa: S310 - our own URL
            pass

    def counts(self) -> tuple[int, int]:
        """Studies and instances that it holds."""
        found = self.ask("/statistics")
        assert isinstance(found, dict)
        return int(found["CountStudies"]), int(found["CountInstances"])


@contextmanager
def orthanc(
    folder: Path,
    *,
    aet: str = "ORTHANC",
    modalities: Mapping[str, tuple[str, int]] | None = None,
    options: Mapping[str, object] | None = None,
) -> Iterator[Orthanc]:
    """An empty Orthanc that lets everybody in.

    Args:
        folder: of its storage.
        aet: its AE title.
        modalities: name in its REST API -> AE title and port on this machine.
        options: more of its configuration.
    """
    program = tool("Orthanc", "orthanc")
    folder.mkdir(parents=True, exist_ok=True)
    dimse, http = free_port(), free_port()
    plugins = [Path(each) / "libOrthancDicomWeb.so" for each in _PLUGINS]
    plugins = [path for path in plugins if path.is_file()]
    allow = {f"DicomAlwaysAllow{each}": True for each in ("Echo", "Store", "Find", "Get", "Move")}
    config = folder.parent / f"{folder.name}.json"
    config.write_text(
        json.dumps(
            {
                "Name": aet,
                "StorageDirectory": str(folder),
                "IndexDirectory": str(folder),
                "DicomAet": aet,
                "DicomPort": dimse,
                "DicomCheckCalledAet": False,
                "DicomModalities": {
                    name: [title, HOST, port] for name, (title, port) in (modalities or {}).items()
                },
                **allow,
                "UnknownSopClassAccepted": True,
                "HttpPort": http,
                "RemoteAccessAllowed": False,
                "AuthenticationEnabled": False,
                "Plugins": [str(path) for path in plugins],
                "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
                "DefaultEncoding": "Utf8",
                "OverwriteInstances": True,
                "StableAge": 1,
                **(options or {}),
            }
        )
    )
    url = f"http://{HOST}:{http}"

    def ready(peer: Peer) -> bool:
        return listens(http) and listens(peer.port)

    with running([program, config], aet=aet, port=dimse, folder=folder, ready=ready) as peer:
        yield Orthanc(
            aet, dimse, peer.log, folder, peer.process,
            url=url, dicomweb=f"{url}/dicom-web" if plugins else None,
        )  # fmt: skip


@dataclass(slots=True)
class Hilum(Peer):
    """A running broker.

    Attributes:
        dicomweb: root of the default mount; "" where the HTTP door is closed.
        root: what all its HTTP paths begin with.
        config: the file that it runs with.
        data: its data folder, as `configuration` names it.
    """

    dicomweb: str = ""
    config: Path = field(default_factory=Path)

    @property
    def root(self) -> str:
        return self.dicomweb.removesuffix("/dicomweb")

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def memory(self) -> int:
        """The most bytes of memory that it held so far (Linux)."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) * 1024


def configuration(  # noqa: PLR0913 - one for each section
    *,
    peers: Mapping[str, int] | None = None,
    mount: str = "ARCHIVE",
    more: str = "",
    dimse: str = "",
    http: str = "",
    archive: str = "",
) -> str:
    """A configuration on free ports.

    Args:
        peers: AE title -> port on this machine.
        mount: name of the archive.
        more: further sections.
        dimse: further lines of [dimse]; `http` and `archive` likewise.
    """
    text = (
        f'[server]\naet = "HILUM"\ndata = "./data"\n'
        f'[dimse]\nbind = "{HOST}"\nport = 0\n{dimse}\n'
        f'[http]\nbind = "{HOST}"\nport = 0\n{http}\n'
        f'[mounts.{mount}]\nbackend = "archive"\ndefault = true\n{archive}\n'
    )
    for aet, port in (peers or {}).items():
        text += f'[peers.{aet}]\naet = "{aet}"\nhost = "{HOST}"\nport = {port}\n'
    return text + more


@contextmanager
def hilum(  # noqa: PLR0913 - as above
    folder: Path,
    config: str | None = None,
    *,
    env: Mapping[str, str] | None = None,
    prefix: Sequence[str | Path] = (),
    timeout: float = START,
    cold: bool = False,
) -> Iterator[Hilum]:
    """The broker, started as a user starts it; from "Hilum is ready" to its end.

    Args:
        folder: of its configuration and data; may be that of a run before.
        config: text of the configuration; None: what the run before left there, else a plain one.
        env: more of the environment.
        prefix: a program that starts it (strace).
        timeout: seconds it may take until it is ready.
        cold: start it from nothing, not from where all is imported.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "config.toml"
    if config is not None or not file.exists():
        file.write_text(config if config is not None else configuration())
    command = [*prefix, sys.executable, "-m", "hilum", "run", "--config", file]
    from_nothing = cold or prefix or not warm.POSSIBLE
    environment = {"PYTHONPATH": str(SOURCES), "PYTHONUNBUFFERED": "1", **(env or {})}

    def ready(peer: Peer) -> bool:
        return "Hilum is ready" in peer.said

    with running(
        command, aet="HILUM", port=0, folder=folder, ready=ready, env=environment, timeout=timeout,
        start=subprocess.Popen if from_nothing else warm.start,
    ) as peer:  # fmt: skip
        said = peer.said
        dimse = re.search(r"^  DIMSE +\S+:(\d+)$", said, re.MULTILINE)
        web = re.search(r"^  DICOMweb +(http\S+)$", said, re.MULTILINE)
        yield Hilum(
            "HILUM", int(dimse[1]) if dimse else 0, peer.log, folder, peer.process,
            dicomweb=web[1] if web else "", config=file,
        )  # fmt: skip


@contextmanager
def pynetdicom(
    handlers: Mapping[EventType, Callable[..., object]],
    contexts: Sequence[tuple[str, Sequence[str]]],
    *,
    aet: str = "PYNETDICOM",
) -> Iterator[int]:
    """The port of an SCP made of pynetdicom, in threads of this process.

    Args:
        handlers: event -> handler.
        contexts: SOP Class UID and transfer syntaxes; every role is taken.
        aet: its AE title.
    """
    ae = ApplicationEntity(aet)
    for uid, syntaxes in contexts:
        ae.add_supported_context(uid, list(syntaxes), scu_role=True, scp_role=True)
    server = ae.start_server((HOST, 0), block=False, evt_handlers=list(handlers.items()))
    assert server is not None
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()


def command(*arguments: str | Path, **options: float) -> subprocess.CompletedProcess[str]:
    """`hilum …`, as a user calls it; `timeout` may be among the options."""
    env = {"PYTHONPATH": str(SOURCES), "NO_COLOR": "1", "COLUMNS": "200"}
    if warm.POSSIBLE:
        return warm.run(arguments, env={**os.environ, **env}, apart=False, **options)
    return run([sys.executable, "-m", "hilum", *arguments], env=env, **options)


def clear(folder: Path) -> None:
    """Empty a folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
