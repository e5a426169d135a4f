"""DCMTK's servers: storescp, which only stores, and dcmqrscp, a small archive."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.access import OPEN, Access, certified
from bench.processes import free_port, server
from bench.system import Ability, System
from bench.systems.hilum import DESTINATION

STORESCP, DCMQRSCP = "storescp", "dcmqrscp"
STORESCP_TLS = f"{STORESCP}, tls"
"""What TLS costs a plain server in C: nobody can do with less."""
_PLACES = ("/usr/bin", "/usr/local/bin", "/opt/homebrew/bin")
FOLDER = next((Path(each) for each in _PLACES if Path(each, "storescu").exists()), None)
"""Where its programs are: a virtual environment has slow ones of the same names on the path."""
MISSING = "" if FOLDER else "DCMTK is not installed; on Debian: apt-get install dcmtk"
_STUDIES = 500  # the most that dcmqrscp can keep


def program(name: str) -> str:
    """One of its programs, by its whole path."""
    return str((FOLDER or Path("/usr/bin")) / name)


@contextmanager
def sink() -> Iterator[System]:
    """A storescp that forgets what it is sent: where C-MOVE goes."""
    port = free_port()
    command = [program("storescp"), "--fork", "-aet", DESTINATION, "--ignore", str(port)]
    with server(command, (port,), nodelay=True) as pid:
        abilities = frozenset({Ability.STORE})
        yield System(
            name=STORESCP, port=port, aet=DESTINATION, pid=pid, abilities=abilities,
            durability="keeps nothing",
        )  # fmt: skip


@contextmanager
def storescp(folder: Path, *, tls: bool = False) -> Iterator[System]:
    """A storescp that writes files; no index."""
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    access, options = OPEN, []
    if tls:
        certificate, key = certified(folder)
        access = Access(certificate=certificate)
        options = ["--enable-tls", str(key), str(certificate), "--ignore-peer-cert"]
    command = [program("storescp"), "--fork", *options, "-od", str(folder), str(port)]
    with server(command, (port,), nodelay=True) as pid:
        yield System(
            name=STORESCP_TLS if tls else STORESCP,
            port=port,
            aet=STORESCP.upper(),
            pid=pid,
            durability="files without fsync, no index",
            abilities=frozenset({Ability.STORE, Ability.MANY, Ability.AT_ONCE}),
            access=access,
        )


@contextmanager
def dcmqrscp(folder: Path, sink: int) -> Iterator[System]:
    """A dcmqrscp: files and an index file, over DIMSE only."""
    port = free_port()
    (folder / "db").mkdir(parents=True, exist_ok=True)
    config = folder / "dcmqrscp.cfg"
    config.write_text(
        f"""NetworkTCPPort = {port}
MaxPDUSize = 131072
MaxAssociations = 64
HostTable BEGIN
sink = ({DESTINATION}, 127.0.0.1, {sink})
HostTable END
VendorTable BEGIN
VendorTable END
AETable BEGIN
DCMQRSCP {folder}/db RW ({_STUDIES}, 1000gb) ANY
AETable END
"""
    )
    with server([program("dcmqrscp"), "-c", str(config)], (port,), nodelay=True) as pid:
        yield System(
            name=DCMQRSCP,
            port=port,
            aet="DCMQRSCP",
            pid=pid,
            durability="files and index without fsync",
            abilities=frozenset({Ability.STORE, Ability.FIND, Ability.GET, Ability.MOVE}),
        )
