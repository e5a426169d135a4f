"""How is a part of a file read? At once where the system has it in memory, else in a thread."""

import asyncio
import os
from collections.abc import AsyncGenerator
from typing import Final

from hilum.model.instance import CHUNK

FAULT: Final = "the file of this instance cannot be read"
READ: Final = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
"""How a file is opened that is only read."""
_AT_ONCE: Final = 4 * 1024 * 1024  # bytes; more would keep the event loop too long


def at_once(path: str, offset: int, length: int) -> bytes | None:
    """A part of a file that the system has in memory; None where it would have to be waited for.

    A hop to a thread and back costs as much as copying half a megabyte. Whether the ends are
    there tells of the rest, as the system reads ahead.
    """
    fd = ready(path, offset, length)
    if fd is None:
        return None
    try:
        data = os.pread(fd, length, offset)
    except OSError:
        return None
    finally:
        os.close(fd)
    return data if len(data) == length else None


def ready(path: str, offset: int, length: int) -> int | None:
    """The file, open, if `at_once` would give that part of it."""
    if not 0 < length <= _AT_ONCE:
        return None
    try:
        fd = os.open(path, READ)
    except OSError:
        return None
    if _is_here(fd, offset, length):
        return fd
    os.close(fd)
    return None


def at_hand(fd: int, offset: int, length: int) -> bytes | None:
    """As `at_once`, of a file that is open; at least one byte."""
    if not _is_here(fd, offset, length):
        return None
    try:
        data = os.pread(fd, length, offset)
    except OSError:
        return None
    return data if len(data) == length else None


def _is_here(fd: int, offset: int, length: int) -> bool:
    """Whether the system has both ends of a part in memory."""
    if not hasattr(os, "RWF_NOWAIT"):
        return False
    one = bytearray(1)
    try:
        return all(
            os.preadv(fd, [one], at, os.RWF_NOWAIT) == 1 for at in (offset, offset + length - 1)
        )
    except OSError:  # EAGAIN, or a file system that knows no such flag
        return False


def waited_for(path: str, offset: int, length: int) -> bytes:
    """A part of a file; blocks.

    Raises:
        OSError: it cannot be read; also when the file is shorter.
    """
    fd = os.open(path, READ)
    try:
        os.lseek(fd, offset, os.SEEK_SET)
        pieces: list[bytes] = []
        left = length
        while left:
            data = os.read(fd, left)
            if not data:
                raise OSError("the file is shorter than it was")
            pieces.append(data)
            left -= len(data)
    finally:
        os.close(fd)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


async def read(path: str, offset: int, length: int) -> bytes:
    """A part of a file.

    Raises:
        OSError: as `waited_for`.
    """
    data = at_once(path, offset, length)
    if data is not None:
        return data
    return await asyncio.get_running_loop().run_in_executor(None, waited_for, path, offset, length)


async def chunks(path: str, offset: int, length: int) -> AsyncGenerator[bytes, None]:
    """The same, a MiB at a time.

    Raises:
        OSError: as `waited_for`.
    """
    for start in range(0, length, CHUNK):
        yield await read(path, offset + start, min(CHUNK, length - start))
