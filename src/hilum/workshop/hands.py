"""Who works on one picture with a process of the workshop? Threads, while cores have nothing to do.

What they do must let go of the interpreter, as numpy and some codecs do. They are no executor's:
its futures and conditions take a tenth of a millisecond of a picture that takes one.
"""

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from queue import SimpleQueue
from threading import Thread, stack_size
from typing import Final, TypeVar

_STACK: Final = 1024 * 1024  # bytes; what a thread has counts as memory of the process

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Threads:
    """Implements `imaging.jpeg.Hands`.

    Attributes:
        count: threads, the one that asks among them.
    """

    count: int

    def each(self, work: Callable[[T], R], items: Sequence[T], /) -> list[R]:
        """See `imaging.jpeg.Hands`."""
        left = deque(enumerate(items))
        done: dict[int, R] = {}

        def some() -> None:
            while left:
                try:
                    number, item = left.popleft()
                except IndexError:  # another one was quicker
                    return
                done[number] = work(item)

        others: list[_Other] = []
        with suppress(RuntimeError):  # there is no room for another thread
            others += (_other(number) for number in range(1, min(self.count, len(items))))
        for other in others:
            other.jobs.put(some)
        try:
            some()
        finally:
            errors = [other.ended.get() for other in others]
        for error in errors:
            if error is not None:
                raise error
        return [done[number] for number in range(len(items))]


class _Other:
    """A thread that waits for jobs, and tells how each ended."""

    def __init__(self) -> None:
        self.jobs: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self.ended: SimpleQueue[BaseException | None] = SimpleQueue()
        before = stack_size(_STACK)
        try:
            Thread(target=self._work, daemon=True).start()
        finally:
            stack_size(before)

    def _work(self) -> None:
        while True:
            job = self.jobs.get()
            try:
                job()
            except BaseException as error:  # noqa: BLE001 - raised by who asked
                self.ended.put(error)
            else:
                self.ended.put(None)
            del job


@lru_cache
def _other(number: int) -> _Other:  # noqa: ARG001 - each number is another one
    return _Other()
