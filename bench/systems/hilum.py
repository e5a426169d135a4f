"""Hilum, as an archive and as a broker."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.access import OPEN, Guard, guarded
from bench.processes import free_port, server
from bench.system import ALL, Ability, System

NAME = "Hilum"
ARCHIVE, PACS, CLOUD, DESTINATION = "ARCHIVE", "PACS", "CLOUD", "SINK"
_DURABILITY = (
    "the default, durability full: each file fdatasync and fsync of its folder before the "
    "answer; the index is made again from the files"
)


def title(workers: int) -> str:
    """Its name in the tables."""
    return NAME if workers == 1 else f"{NAME}, {workers} workers"


def guarded_title(guard: Guard) -> str:
    """Its name in the tables, with a guard."""
    return f"{NAME}, {guard.value}"


@contextmanager
def archive(
    folder: Path,
    sink: int,
    workers: int = 1,
    path: Path | None = None,
    guard: Guard | None = None,
) -> Iterator[System]:
    """The archive, with its defaults.

    Args:
        folder: for all that it keeps.
        sink: port of a Storage SCP that C-MOVE may send to.
        workers: processes.
        path: of an archive that is there already.
        guard: what is asked of who comes.
    """
    mounts = f"""[mounts.{ARCHIVE}]
backend = "archive"
default = true
{f'path = "{path}"' if path else ""}
[peers.{DESTINATION}]
aet = "{DESTINATION}"
host = "127.0.0.1"
port = {sink}
"""
    access, tables = (OPEN, "") if guard is None else guarded(folder, guard)
    tls = guard is Guard.TLS
    with _running(folder, mounts + tables, workers, tls=tls) as (dimse, web, pid):
        yield System(
            name=title(workers) if guard is None else guarded_title(guard),
            port=dimse,
            aet=ARCHIVE,
            web=f"http{'s' if tls else ''}://127.0.0.1:{web}/aets/{ARCHIVE}",
            pid=pid,
            durability=_DURABILITY,
            abilities=ALL - {Ability.GET, Ability.MOVE} if tls else ALL,  # DCMTK has no TLS there
            ours=True,
            access=access,
        )


@contextmanager
def broker(folder: Path, far: System, workers: int = 1) -> Iterator[tuple[System, System]]:
    """The broker: its mount that speaks DIMSE to `far`, and the one that speaks DICOMweb to it."""
    mounts = f"""[mounts.{PACS}]
backend = "dimse"
aet = "{far.aet}"
host = "{far.host}"
port = {far.port}
retrieve = "get"
[mounts.{CLOUD}]
backend = "dicomweb"
url = "{far.web}"
"""
    with _running(folder, mounts, workers) as (dimse, web, pid):

        def mount(name: str) -> System:
            root = f"http://127.0.0.1:{web}/aets/{name}"
            return System(name=title(workers), port=dimse, aet=name, web=root, pid=pid, ours=True)

        yield mount(PACS), mount(CLOUD)


@contextmanager
def _running(
    folder: Path, mounts: str, workers: int, *, tls: bool = False
) -> Iterator[tuple[int, int, int]]:
    """A process of Hilum: port of DIMSE, port of HTTP, process id."""
    dimse, web = free_port(), free_port()
    door = f"port = {free_port()}\ntls_port = {dimse}" if tls else f"port = {dimse}"
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "hilum.toml"
    config.write_text(
        f"""[server]
data = "{folder}/data"
{f"workers = {workers}" if workers > 1 else ""}
[dimse]
{door}
accept_unknown_callers = true
max_associations_per_peer = 100
[http]
port = {web}
{"tls = true" if tls else ""}
[logging]
level = "warning"
{mounts}"""
    )
    command = [sys.executable, "-m", "hilum", "run", "--config", str(config)]
    with server(command, (dimse, web)) as pid:
        yield dimse, web, pid
