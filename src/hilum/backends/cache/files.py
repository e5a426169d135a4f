"""How the instances of one retrieval lie on disk: Part 10 files in a folder of their own."""

import asyncio
import os
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar, TypeVarTuple

from hilum.backends.archive.disk import write_all
from hilum.backends.archive.files import sync_directory
from hilum.backends.archive.outlast import outlast

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

ENTRY: Final = "entry.json"
"""The file that makes a folder an entry of the cache. Written last, removed first."""
LEAST_ROOM: Final = 256 * 1024 * 1024
"""Bytes that stay free on the disk: what lies beside us must go on too."""

_BINARY = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY
_READ: Final = os.O_RDONLY | _BINARY
_SYNC: Final = os.O_RDWR | _BINARY  # Windows flushes only what is open for writing


class NoRoomError(Exception):
    """The disk is as full as it may get."""


class Threads:
    """Runs what blocks, and is never left while it does.

    A thread cannot be stopped and may have just opened a file: so who is cancelled waits for it.
    """

    def __init__(self, executor: ThreadPoolExecutor) -> None:
        self._executor = executor

    async def run(self, function: Callable[[*Ts], T], *args: *Ts) -> T:
        """The function's result.

        Raises:
            OSError: and whatever else the function raises.
        """
        future = asyncio.get_running_loop().run_in_executor(self._executor, function, *args)
        cancelled = await outlast(future)
        if cancelled is not None:
            future.exception()  # asked for: nobody else will
            raise cancelled
        return future.result()


class Growing:
    """A file being written. Its methods block."""

    def __init__(self, path: Path, head: bytes) -> None:
        self.path = path
        self._head: Sequence[bytes] = (head,)
        self._fd = -1

    def append(self, chunks: Sequence[bytes], *, last: bool = False) -> None:
        """Write, making the file first; close it behind the last.

        Raises:
            NoRoomError: nothing was written.
            OSError: it cannot be written.
        """
        if shutil.disk_usage(self.path.parent).free < LEAST_ROOM + sum(map(len, chunks)):
            raise NoRoomError
        if self._fd < 0:
            self._fd = os.open(self.path, _NEW, 0o600)
        write_all(self._fd, (*self._head, *chunks))
        self._head = ()
        if last:
            self.close()

    def close(self) -> None:
        """Close it, if it is open."""
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)

    def discard(self) -> None:
        """Close it, and take it away."""
        self.close()
        self.path.unlink(missing_ok=True)


class Opened:
    """A file being read, opened when the first bytes are asked for."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = -1

    def read(self, offset: int, length: int) -> bytes:
        """Bytes from `offset` in the file; blocks.

        Raises:
            OSError: they are not there.
        """
        if self._fd < 0:
            self._fd = os.open(self._path, _READ)
        os.lseek(self._fd, offset, os.SEEK_SET)
        pieces: list[bytes] = []
        while length:
            data = os.read(self._fd, length)
            if not data:
                raise OSError("the file is shorter than it was")
            pieces.append(data)
            length -= len(data)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def read_all(self, offset: int, length: int) -> bytes:
        """As `read`; the file is closed after it."""
        try:
            return self.read(offset, length)
        finally:
            self.close()

    def close(self) -> None:
        """Close it, if it is open."""
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)


def make(folder: Path) -> None:
    """Make a folder that only we can look into.

    Raises:
        OSError: it cannot be made.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def seal(folder: Path, files: Sequence[Path], entry: bytes) -> None:
    """Make the files durable, and then the folder an entry.

    Raises:
        OSError: the disk fails; then it is none.
    """
    for path in files:
        _sync(path)
    draft = folder / "entry.new"
    draft.write_bytes(entry)
    _sync(draft)
    draft.replace(folder / ENTRY)
    sync_directory(folder)
    sync_directory(folder.parent)


def _sync(path: Path) -> None:
    fd = os.open(path, _SYNC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def remove(folder: Path) -> None:
    """Take a folder away: first what makes it an entry, so that half of one never is.

    Raises:
        OSError: it cannot be removed.
    """
    (folder / ENTRY).unlink(missing_ok=True)
    if folder.exists():
        shutil.rmtree(folder)
