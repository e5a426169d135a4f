"""Where do bytes wait that come faster than they are read? In files without a name."""

import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import TypeVar

import anyio
import anyio.to_thread

from hilum.model.errors import OutOfResources

SEGMENT = 128 * 1024 * 1024  # bytes in one file; its room is free again when all of it was read
_THREADS = 2  # that one spill keeps busy: one writes, one reads

T = TypeVar("T")


class _Segment:
    """One file. Has no name where the system can do that, so that even a crash leaves nothing."""

    def __init__(self, folder: Path | None) -> None:
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        # raw: what stands in a buffer of Python's would be written by whoever closes it
        self._file: FileIO = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 - closed by its spill
        self._lock = threading.Lock()
        self.end = 0  # bytes written
        self.unread = 0  # of them

    def append(self, data: bytes) -> int:
        with self._lock:
            start, rest = self.end, memoryview(data)
            self._file.seek(start)
            while rest:
                rest = rest[self._file.write(rest) :]
            self.end += len(data)
            self.unread += len(data)
        return start

    def read(self, start: int, size: int) -> bytes:
        parts = []
        with self._lock:
            self._file.seek(start)
            while size:
                part = self._file.read(size)
                if not part:
                    raise OSError("a spilled piece is short")
                parts.append(part)
                size -= len(part)
        return b"".join(parts)

    def forget(self, size: int) -> int:
        """Bytes that are still wanted."""
        with self._lock:
            self.unread -= size
            return self.unread

    def close(self) -> None:
        with self._lock:
            self._file.close()


@dataclass(frozen=True, slots=True)
class Place:
    """Where a piece lies."""

    segment: _Segment
    start: int
    size: int


class Spill:
    """Pieces written once and read once, in about that order; for one event loop.

    Args:
        folder: for the files; None: the system's for temporary ones.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._segments: list[_Segment] = []
        self._closed = False
        self._threads: anyio.CapacityLimiter | None = None
        self._writing = anyio.Lock()

    async def write(self, data: bytes) -> Place:
        """Put a piece away.

        Raises:
            OutOfResources: the disk is full, or cannot be written.
        """
        async with self._writing:  # one segment grows at a time
            if self._closed:
                raise OutOfResources("nobody wants what arrives any more")
            return await self._run(lambda: self._written(data))

    def _written(self, data: bytes) -> Place:
        try:
            if not self._segments or self._segments[-1].end >= SEGMENT:
                self._segments.append(_Segment(self._folder))
            segment = self._segments[-1]
            return Place(segment, segment.append(data), len(data))
        except OSError as error:
            text = f"what arrives cannot be put away: {error.strerror or type(error).__name__}"
            raise OutOfResources(text) from error

    async def read(self, place: Place) -> bytes:
        """A piece, for the first and last time.

        Raises:
            OutOfResources: the disk gave it back no more.
        """
        try:
            data = await self._run(lambda: place.segment.read(place.start, place.size))
        except (OSError, ValueError) as error:  # ValueError: closed meanwhile
            raise OutOfResources("what was put away cannot be read again") from error
        await self.forget(place)
        return data

    async def forget(self, place: Place) -> None:
        """Say that a piece is not wanted any more."""
        segment = place.segment
        if not segment.forget(place.size) and segment.end >= SEGMENT and segment in self._segments:
            self._segments.remove(segment)
            await self._run(segment.close)

    async def aclose(self) -> None:
        """Give all room back at once; who writes after that gets an error."""
        self._closed = True
        with anyio.CancelScope(shield=True):
            async with self._writing:  # whoever is about to make a file has made it then
                for segment in self._segments:
                    with suppress(OSError):
                        await self._run(segment.close)
                self._segments.clear()

    async def _run(self, work: Callable[[], T]) -> T:
        if self._threads is None:
            self._threads = anyio.CapacityLimiter(_THREADS)
        return await anyio.to_thread.run_sync(work, limiter=self._threads)
