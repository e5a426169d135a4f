"""Where does a request wait whose parts belong together? In a file without a name."""

import tempfile
from collections.abc import AsyncGenerator, Callable
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import anyio
import anyio.to_thread

from hilum.model.errors import OutOfResources
from hilum.model.instance import CHUNK

T = TypeVar("T")


class Spool:
    """Bytes that are appended, and read at any place until the block is left.

    Args:
        folder: for the file; None: the system's for temporary ones.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._file: FileIO | None = None
        self._threads: anyio.CapacityLimiter | None = None
        self.size = 0

    async def __aenter__(self) -> Self:
        self._threads = anyio.CapacityLimiter(1)  # so that one at a time moves in the file
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        with anyio.CancelScope(shield=True):
            if self._file is not None:
                await self.run(self._file.close)

    async def append(self, data: bytes) -> int:
        """Where the data is from now on.

        Raises:
            OutOfResources: the disk is full, or cannot be written.
        """
        start = self.size
        await self.run(lambda: self._written(start, data))
        self.size += len(data)
        return start

    async def read(self, start: int, length: int) -> bytes:
        """What lies there; at most `CHUNK` bytes where memory matters.

        Raises:
            OutOfResources: the disk does not give it back.
        """
        return await self.run(lambda: self._read(start, length))

    async def chunks(self, start: int, length: int) -> AsyncGenerator[bytes, None]:
        """What lies there, in pieces of at most `CHUNK` bytes; raises as `read`."""
        for at in range(start, start + length, CHUNK):
            yield await self.read(at, min(CHUNK, start + length - at))

    async def run(self, work: Callable[[], T]) -> T:
        """Do in a thread what takes time; one after another."""
        return await anyio.to_thread.run_sync(work, limiter=self._threads)

    def _written(self, start: int, data: bytes) -> None:
        try:
            if self._file is None:
                if self._folder is not None:
                    self._folder.mkdir(parents=True, exist_ok=True)
                # Unbuffered: what stands in a buffer of Python's would be written by its end.
                self._file = tempfile.TemporaryFile(dir=self._folder, buffering=0)  # noqa: SIM115 - closed with the block
            self._file.seek(start)
            rest = memoryview(data)
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            text = "the request cannot be put away until it is whole"
            raise OutOfResources(text) from error

    def _read(self, start: int, length: int) -> bytes:
        try:
            pieces: list[bytes] = []
            if self._file is not None:
                self._file.seek(start)
                while length and (piece := self._file.read(length)):
                    pieces.append(piece)
                    length -= len(piece)
        except OSError as error:
            raise OutOfResources("the request cannot be read again") from error
        if length:
            raise OutOfResources("the request cannot be read again")
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)
