"""Where does an instance lie while it is worked on? In memory if it is small, else in a file."""

import os
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final, TypeVar

import anyio
import anyio.to_thread

from hilum.model.errors import OutOfResources
from hilum.model.instance import CHUNK

SMALL: Final = 1024 * 1024  # bytes that wait in memory
LEAST_ROOM: Final = 256 * 1024 * 1024
"""Bytes that stay free on the disk: what lies beside us must go on too."""
_THREADS: Final = 4
_FLAGS = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)

T = TypeVar("T")


class Room:
    """A folder for files that are there for a moment, and how much may lie in it.

    Args:
        folder: for nobody else; what is in it is removed when the first file is made.
        most: bytes in all files together.

    Attributes:
        left: bytes that may still be written.
    """

    def __init__(self, folder: Path, most: int) -> None:
        self._folder = folder
        self.left = most
        self._made = 0
        self._threads = anyio.CapacityLimiter(_THREADS)

    async def file(self) -> "SpoolFile":
        """A new and empty one.

        Raises:
            OutOfResources: it cannot be made.
        """
        self._made += 1
        name, is_first = str(self._made), self._made == 1
        return await self.run(lambda: SpoolFile(self, self._path(name, is_first=is_first)))

    def _path(self, name: str, *, is_first: bool) -> Path:
        if is_first:
            shutil.rmtree(self._folder, ignore_errors=True)  # of a broker that crashed
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self._folder / name

    def free(self) -> int:
        """Bytes that may be written here now; blocks.

        Raises:
            OSError: the disk does not say.
        """
        return min(self.left, shutil.disk_usage(self._folder).free - LEAST_ROOM)

    async def run(self, work: Callable[[], T]) -> T:
        """What blocks, in a thread; waited for even by who is cancelled.

        Raises:
            OutOfResources: the disk is full, or cannot be written.
        """
        try:
            return await anyio.to_thread.run_sync(work, limiter=self._threads)
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise OutOfResources(f"an instance cannot be put away: {why}") from error


class SpoolFile:
    """One file; made, and removed by `close`. Its methods block, but those that are awaited.

    Attributes:
        size: bytes reckoned for it.
    """

    def __init__(self, room: Room, path: Path) -> None:
        self._room = room
        self.path = path
        self.size = 0
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | _FLAGS, 0o600)

    async def append(self, data: bytes) -> None:
        """Write.

        Raises:
            OutOfResources: there is no room for it.
        """
        await self._room.run(lambda: self._append(data))
        self.take(len(data))

    def _append(self, data: bytes) -> None:
        if self._room.free() < len(data):
            raise OutOfResources("there is no room for instances to be transcoded")
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._fd, rest) :]

    def take(self, size: int) -> None:
        """Reckon bytes as written."""
        self.size += size
        self._room.left -= size

    async def chunks(self) -> AsyncIterator[bytes]:
        """All of it.

        Raises:
            OutOfResources: it cannot be read again.
        """
        await self._room.run(lambda: os.lseek(self._fd, 0, os.SEEK_SET))
        while data := await self._room.run(lambda: os.read(self._fd, CHUNK)):
            yield data

    async def close(self) -> None:
        """Remove it."""
        with anyio.CancelScope(shield=True):
            await self._room.run(self._close)
        self._room.left += self.size
        self.size = 0

    def _close(self) -> None:
        os.close(self._fd)
        try:
            self.path.unlink(missing_ok=True)
        except PermissionError:  # Windows: a process that is about to end still has it open
            return
