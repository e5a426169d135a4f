"""What does the server hold while all this goes on? Looked at each half minute, and told."""

import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import combinations
from pathlib import Path

from bench.hostile.run import Left
from bench.processes import say

EVERY = 30.0  # seconds between two looks
SETTLE = 100.0  # seconds for what hostile clients left to run into its limits
CALM = 10.0  # seconds without anything getting less, after which it will not
GROWTH = 32.0  # MB that may come: what was stored meanwhile, in bounded caches
SLOPE = 2.0  # MB a minute by which memory may go up in the second half of a run
_FEW = 6  # looks in all; of fewer nobody can say where they lead
_SPARE = 2  # descriptors, threads, files that may be more: of a request that is running

Look = tuple[float, Left]
"""Minutes since the beginning, and what was held."""


@contextmanager
def watching(pid: int, folder: Path) -> Iterator[Callable[[], Look]]:
    """Tell each half minute until the block is left; what looks besides."""
    ended = threading.Event()
    began = time.monotonic()

    def look() -> Look:
        return (time.monotonic() - began) / 60, Left.at(pid, folder)

    def tell() -> None:
        while not ended.wait(EVERY):
            minutes, left = look()
            say(f"minute {minutes:4.1f}: {left}")

    thread = threading.Thread(target=tell)
    thread.start()
    try:
        yield look
    finally:
        ended.set()
        thread.join()


def slope(looks: Sequence[Look]) -> float | None:
    """MB a minute by which memory went up in the second half; None: too few were seen.

    It is the median of what any two of them say: one peak says nothing.
    """
    if len(looks) < _FEW:
        return None
    late = [(minutes, left.memory) for minutes, left in looks[len(looks) // 2 :]]
    return statistics.median((b - a) / (end - at) for (at, a), (end, b) in combinations(late, 2))


def settled(pid: int, folder: Path, before: Left | None = None) -> Left:
    """What is left once nothing gets less, or as little as before."""
    end = time.monotonic() + SETTLE
    least, since = Left.at(pid, folder), time.monotonic()
    while time.monotonic() < end:
        time.sleep(0.5)
        now = Left.at(pid, folder)
        if before is not None and as_before(before, now):
            return now
        if now.descriptors < least.descriptors:
            least, since = now, time.monotonic()
        if before is None and time.monotonic() - since > CALM:
            return now
    return Left.at(pid, folder)


def as_before(before: Left, now: Left) -> bool:
    """Whether it holds no more than it did."""
    return (
        now.descriptors <= before.descriptors + _SPARE
        and now.threads <= before.threads + _SPARE
        and now.files <= before.files + _SPARE
        and now.memory <= before.memory + GROWTH
    )
