"""What in the surroundings is wrong: ports that are taken, folders that cannot be written."""

import errno
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

from hilum.backends.archive.lock import Lock
from hilum.config import units
from hilum.config.mounts import DimseMount
from hilum.config.schema import Settings
from hilum.model.errors import BackendUnavailable
from hilum.net import tls

ENOUGH = 10**9  # bytes; with less free space an archive or a spool does not live long


def runs(settings: Settings) -> bool:
    """Whether a broker runs that has these folders: then its ports are taken, by itself."""
    return any(held(folder) for _, folder in _folders(settings))


def ports(settings: Settings, *, ours: bool = False) -> Iterator[str]:
    """One line for each door that could not open, beginning with the setting it is about.

    Args:
        settings: which doors.
        ours: whether those that are taken are so by the broker that is asked about.
    """
    for line, error in _ports(settings):
        if not (ours and error == errno.EADDRINUSE):
            yield line


def _ports(settings: Settings) -> Iterator[tuple[str, int | None]]:
    for name, door in settings.doors.items():
        yield from _port(name, door.bind, door.port)
    if settings.has_dimse and settings.dimse.tls_port is not None:
        yield from _port("dimse", settings.dimse.bind, settings.dimse.tls_port, "tls_port")


def certificates(settings: Settings) -> Iterator[str]:
    """One line for what is wrong with the certificate of the doors that speak TLS."""
    if settings.tls_doors:
        try:
            tls.server(settings.tls)
        except tls.CannotLoad as error:
            yield f"tls.{error}"


def _port(
    section: str, bind: str, port: int, key: str = "port"
) -> Iterator[tuple[str, int | None]]:
    try:
        places = socket.getaddrinfo(
            bind, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE | socket.AI_ADDRCONFIG
        )
    except (socket.gaierror, UnicodeError):
        yield f"{section}.bind: {bind} has no address", None
        return
    for family, kind, protocol, _name, address in dict.fromkeys(places):
        with socket.socket(family, kind, protocol) as probe:
            if os.name == "posix":  # as the server does; on Windows it would share the port
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(address)
                probe.listen(1)
            except OSError as error:
                yield _why(section, bind, port, error, key), error.errno
                return


def _why(section: str, bind: str, port: int, error: OSError, key: str) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"{section}.{key}: {bind} port {port} is taken; does a broker run already?"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{section}.bind: {bind} is no address of this machine"
    if error.errno in {errno.EACCES, errno.EPERM}:
        return f"{section}.{key}: {port} may not be opened by this user; take one from 1024 on"
    return f"{section}.{key}: {bind} port {port}: {error.strerror}"


def folders(settings: Settings, *, ours: bool = False) -> Iterator[str]:
    """One line for each folder that could not be made, written or filled, or is in use.

    What is wrong with several folders of one setting in the same way is told once.

    Args:
        settings: which folders.
        ours: whether it is the broker that is asked about which uses them.
    """
    told: set[tuple[str, str]] = set()
    for key, folder in _folders(settings):
        for about, text in _wrong(folder):
            if (key, about) not in told and not (ours and about == "held"):
                told.add((key, about))
                yield f"{key}: {text}"


def _folders(settings: Settings) -> Iterator[tuple[str, Path]]:
    """Every folder that the service writes into, by the setting that it follows from."""
    for name, mount in settings.archives.items():
        key = f"mounts.{name}.path" if mount.path is not None else "server.data"
        yield key, settings.folder(name)
    if settings.has_http:
        yield "server.data", settings.state
    yield "server.data", settings.transcoding
    for name in settings.mounts:
        if name not in settings.archives:
            yield "server.data", settings.spool(name)
    if any(isinstance(mount, DimseMount) for mount in settings.mounts.values()):
        yield "server.data", settings.spill


def _wrong(folder: Path) -> Iterator[tuple[str, str]]:
    """What is wrong with a folder: what it is about, and the text."""
    there = next(each for each in (folder, *folder.parents) if each.exists())
    if not there.is_dir():
        yield str(there), f"{there} is not a folder"
        return
    try:
        with tempfile.TemporaryFile(dir=there):
            free = shutil.disk_usage(there).free
    except OSError as error:
        yield str(there), f"{there} cannot be written: {error.strerror}"
        return
    if held(folder):
        yield "held", f"{folder} is used by another process; does a broker run already?"
    if free < ENOUGH:
        yield "free", f"only {units.spell_size(free // 10**6 * 10**6)} free at {there}"


def held(folder: Path) -> bool:
    """Whether a process uses what is in that folder now."""
    if not (folder / "lock").exists():
        return False
    try:
        Lock(folder).release()
    except BackendUnavailable:
        return True
    except OSError:
        return False
    return False
