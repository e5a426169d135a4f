"""How are the bytes of a connection read ahead? In the blocks in which they came, without a copy.

asyncio's StreamReader copies each byte twice: into its buffer, and out of it.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import SupportsIndex, cast

from hilum.core.budget import Share


class Blocks(asyncio.StreamReader):
    """A StreamReader of which `read` and `at_eof` may be used, and nothing else.

    Args:
        limit: bytes; past twice as many that wait to be read, or its share of what all connections
            may hold, no more are taken.

    Attributes:
        left: is called when no more comes, whether or not somebody reads; perhaps twice.
    """

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self._most = 2 * limit
        self._blocks: deque[bytes] = deque()
        self._share = Share()  # bytes that wait
        self._ended = False
        self._failed: BaseException | None = None
        self._carrier: asyncio.ReadTransport | None = None
        self._holds = False
        self._waiting: asyncio.Future[None] | None = None
        self.left: Callable[[], None] = _unheard

    def set_transport(self, transport: asyncio.BaseTransport) -> None:
        """Say where the bytes come from."""
        super().set_transport(transport)
        self._carrier = cast("asyncio.ReadTransport", transport)  # of its kind, if not its class

    def feed_data(self, data: Iterable[SupportsIndex]) -> None:
        """Take what came."""
        block = bytes(data)  # which is no copy of what transports give
        if block:
            self._blocks.append(block)
            self._share.take(len(block))
            self._wake()
        if self._carrier is not None and not self._holds and self._is_much:
            self._carrier.pause_reading()
            self._holds = True

    def feed_eof(self) -> None:
        """No more comes."""
        super().feed_eof()
        self._ended = True
        self._wake()
        self.left()

    def set_exception(self, exc: BaseException) -> None:
        """No more comes, as the connection broke."""
        super().set_exception(exc)  # type: ignore[arg-type]  # typeshed is narrower
        self._failed = exc
        self._wake()
        self.left()

    def at_eof(self) -> bool:
        """Whether all was read that came."""
        return self._ended and not self._blocks

    async def read(self, n: int = -1) -> bytes:
        """What waits, of at most `n` bytes; b"" at the end.

        Raises:
            OSError: the connection broke.
        """
        if self._failed is not None:
            raise self._failed
        if not self._blocks and not self._ended:
            self._waiting = asyncio.get_running_loop().create_future()
            try:
                await self._waiting
            finally:
                self._waiting = None
            if self._failed is not None:
                raise self._failed
        data = self._taken(n)
        self._share.give(len(data))
        if self._holds and self._share.held <= self._most // 2:
            self._holds = False
            if self._carrier is not None:
                self._carrier.resume_reading()
        return data

    def close(self) -> None:
        """Nobody reads any more."""
        self._blocks.clear()
        self._share.close()

    @property
    def _is_much(self) -> bool:
        return self._share.held > self._most or not self._share.room

    def _taken(self, most: int) -> bytes:
        """The first blocks, joined where they are several."""
        blocks = self._blocks
        if not blocks:
            return b""
        taken = [blocks.popleft()]
        size = len(taken[0])
        if 0 <= most < size:
            blocks.appendleft(taken[0][most:])
            return taken[0][:most]
        while blocks and (most < 0 or size + len(blocks[0]) <= most):
            taken.append(blocks.popleft())
            size += len(taken[-1])
        return taken[0] if len(taken) == 1 else b"".join(taken)

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)


def _unheard() -> None:
    """Nobody wants to know."""
