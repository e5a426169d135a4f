"""When is it the turn of a C-MOVE to ourselves? As soon as its images can be told from others'."""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager


class Turns:
    """The receivers of one peer, and how many C-MOVEs go to each.

    Attributes:
        one_at_a_time: arrivals do not tell of which C-MOVE they are, so that two of them to one
            receiver could be taken for each other.
    """

    def __init__(self) -> None:
        self.one_at_a_time = False
        self._busy: Counter[str] = Counter()
        self._queue: deque[asyncio.Future[None]] = deque()

    @property
    def running(self) -> int:
        """C-MOVEs whose turn it is."""
        return self._busy.total()

    @asynccontextmanager
    async def turn(self, receivers: Iterable[str]) -> AsyncIterator[str]:
        """The receiver that has the least to do; waited for where it may have one at a time."""
        able = tuple(receivers)
        receiver = self._free(able)
        while receiver is None:
            waiter = asyncio.get_running_loop().create_future()
            self._queue.append(waiter)
            try:
                await waiter
            finally:
                if waiter in self._queue:
                    self._queue.remove(waiter)
            receiver = self._free(able)
        self._busy[receiver] += 1
        try:
            yield receiver
        finally:
            self._busy[receiver] -= 1
            for waiter in self._queue:  # each looks again, in the order they came
                if not waiter.done():
                    waiter.set_result(None)
            self._queue.clear()

    def _free(self, able: tuple[str, ...]) -> str | None:
        least = min(able, key=self._busy.__getitem__)
        return None if self.one_at_a_time and self._busy[least] else least
