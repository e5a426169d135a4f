"""How many are here, in all workers together? Counts in memory that they share.

Each worker writes its own row only, so that nothing needs a lock; what is read may be a moment old.
"""

import zlib
from mmap import mmap
from typing import Final

_ASSOCIATIONS, _RETRIEVALS = 0, 1
_CONNECTIONS: Final = {"dimse": 2, "http": 3, "admin": 4}
_FIRST: Final = 5
_ADDRESSES: Final = 4096
"""Counters of network addresses; two addresses that meet in one are counted together."""
_ROW: Final = _FIRST + _ADDRESSES
_WIDTH: Final = 4  # bytes of a counter


def size(workers: int) -> int:
    """Bytes that the counts of that many workers need."""
    return workers * _ROW * _WIDTH


class Crowd:
    """The counts, as one worker sees them.

    Args:
        memory: zeroes at first, the same for all.
        number: of this worker, from 0.
        workers: how many there are.
    """

    def __init__(self, memory: mmap | bytearray, number: int, workers: int) -> None:
        self._counts = memoryview(memory).cast("i")
        self._own = number * _ROW
        self._others = [each * _ROW for each in range(workers) if each != number]

    def enter(self, address: str) -> None:
        """An association was accepted."""
        self._add(address, 1)

    def leave(self, address: str) -> None:
        """It has ended."""
        self._add(address, -1)

    def _add(self, address: str, change: int) -> None:
        self._counts[self._own + _ASSOCIATIONS] += change
        self._counts[self._own + _place(address)] += change

    def elsewhere(self, address: str) -> tuple[int, int]:
        """Associations of the other workers: all, and those from that address."""
        place = _place(address)
        return (
            sum(self._counts[row + _ASSOCIATIONS] for row in self._others),
            sum(self._counts[row + place] for row in self._others),
        )

    def connected(self, door: str, change: int) -> None:
        """So many more connections are open at that door."""
        self._counts[self._own + _CONNECTIONS[door]] += change

    def is_fuller(self, door: str) -> bool:
        """Whether another worker has fewer connections there than this one."""
        place = _CONNECTIONS[door]
        own = self._counts[self._own + place]
        return any(self._counts[row + place] < own for row in self._others)

    def retrieves(self, retrievals: int) -> None:
        """So many of ours run whose instances may be brought by C-STORE."""
        self._counts[self._own + _RETRIEVALS] = retrievals

    def is_waiting(self, worker: int) -> bool:
        """Whether a worker has such a retrieval now."""
        return self._counts[worker * _ROW + _RETRIEVALS] > 0

    def clear(self, worker: int) -> None:
        """A worker has died, and with it all that it had."""
        row = worker * _ROW
        for each in range(row, row + _ROW):
            self._counts[each] = 0


class Nobody(Crowd):
    """The counts where there are no other workers."""

    def __init__(self) -> None:
        super().__init__(bytearray(size(1)), 0, 1)


def _place(address: str) -> int:
    return _FIRST + zlib.crc32(address.encode()) % _ADDRESSES
