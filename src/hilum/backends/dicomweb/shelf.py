"""Where does a value lie whose length is not known before it has come? In a file without a name."""

import tempfile
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import IO, TypeVar

import anyio
import anyio.to_thread

from hilum.model.errors import BackendFault, OutOfResources
from hilum.model.instance import CHUNK

_IN_MEMORY = 1024 * 1024  # bytes; what is longer goes to disk

T = TypeVar("T")


class Shelf:
    """Takes bytes, then gives them back, as often as they are asked for.

    Args:
        most: bytes that it takes.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._file: IO[bytes] = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - closed on leaving
        self.size = 0

    async def aclose(self) -> None:
        """Forget it all."""
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(self._file.close)

    async def add(self, data: bytes) -> None:
        """Put more behind what is there.

        Raises:
            BackendFault: it is more than may come.
            OutOfResources: there is no room.
        """
        if self.size + len(data) > self._most:
            raise BackendFault(f"a value is longer than {self._most} bytes")
        await self._write(self.size, data)
        self.size += len(data)

    async def put(self, offset: int, data: bytes) -> None:
        """Write over what is there; raises like `add`."""
        await self._write(offset, data)

    async def _write(self, offset: int, data: bytes) -> None:
        def write() -> None:
            self._file.seek(offset)
            self._file.write(data)

        await _run(write)

    async def read(self) -> AsyncIterator[bytes]:
        """All of it, in pieces of at most `CHUNK` bytes.

        Raises:
            OutOfResources: it cannot be read again.
        """
        for offset in range(0, self.size, CHUNK):
            yield await _run(partial(self._piece, offset))

    def _piece(self, offset: int) -> bytes:
        self._file.seek(offset)
        return self._file.read(CHUNK)


async def _run(work: Callable[[], T]) -> T:
    try:
        return await anyio.to_thread.run_sync(work)
    except OSError as error:
        reason = error.strerror or "the disk failed"
        raise OutOfResources(f"a value cannot be put away: {reason}") from error
