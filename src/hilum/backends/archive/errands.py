"""Who does what blocks? A few threads, each of which wakes the event loop once, when it is done.

`concurrent.futures` has two futures, a condition and several locks for each call, which cost more
than many of the calls themselves.
"""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from time import thread_time
from typing import Generic, TypeVar, TypeVarTuple

import anyio

from hilum.net import fair

log = logging.getLogger(__name__)

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Errand(Generic[T]):
    """One call in a thread, and what came of it."""

    __slots__ = ("_account", "_call", "_error", "_loop", "_result", "_took", "_waiter", "finished")

    def __init__(self, loop: asyncio.AbstractEventLoop, call: Callable[[], T]) -> None:
        self._loop = loop
        self._account = fair.current()
        self._took = 0.0
        self._call = call
        self._waiter: asyncio.Future[None] | None = None
        self._result: T | None = None
        self._error: BaseException | None = None
        self.finished = False

    def run(self) -> None:
        """Do it; in a thread."""
        began = thread_time()
        try:
            self._result = self._call()
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            self._error = error
        self._took = thread_time() - began

    def tell(self) -> None:
        """Tell the event loop that it is done; in a thread."""
        try:
            self._loop.call_soon_threadsafe(self._wake)
        except RuntimeError:
            log.warning("an event loop closed before its instances were stored")

    def _wake(self) -> None:
        self.finished = True
        if self._account is not None:
            self._account.spent(self._took)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def outlasted(self) -> asyncio.CancelledError | None:
        """Wait for the end; the cancellation that came meanwhile, for the caller to raise.

        A thread cannot be stopped, and what it does to files has to be finished or undone. Only
        who is cancelled pays for a shield; it is anyio's, which cancels again and again, and holds
        against its cancellation only, so the loop is there for that of asyncio.TaskGroup.
        """
        cancelled: asyncio.CancelledError | None = None
        try:
            await self._wait()
        except asyncio.CancelledError as error:
            cancelled = error
        if not self.finished:
            with anyio.CancelScope(shield=True):
                while not self.finished:
                    try:
                        await self._wait()
                    except asyncio.CancelledError as error:
                        cancelled = error
        return cancelled

    async def _wait(self) -> None:
        if not self.finished:
            self._waiter = self._loop.create_future()
            await self._waiter

    def result(self) -> T:
        """What the call gave, once it is `finished`; raises what it raised."""
        if self._error is not None:
            try:
                raise self._error
            finally:
                self._error = None  # or else it and its traceback hold each other
        return self._result  # type: ignore[return-value] # None is a T where there is no error


class Errands:
    """The threads, made when they are needed.

    Args:
        most: threads at once.
        name: of the threads.
    """

    def __init__(self, most: int, name: str) -> None:
        self._most = most
        self._name = name
        self._errands: SimpleQueue[Errand[object] | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._idle: deque[None] = deque()  # one for each thread that waits: safe between threads

    def begin(self, function: Callable[[*Ts], T], *args: *Ts) -> Errand[T]:
        """Have a function called in a thread; from the event loop, which is told of its end."""
        errand = Errand(asyncio.get_running_loop(), lambda: function(*args))
        self._errands.put(errand)  # type: ignore[arg-type] # nobody puts a result in
        try:
            self._idle.pop()
        except IndexError:
            self._hire()
        return errand

    def _hire(self) -> None:
        if len(self._threads) < self._most:
            thread = threading.Thread(
                target=self._run, name=f"{self._name} {len(self._threads)}", daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def close(self) -> None:
        """Wait until all is done; nothing may be begun after it."""
        for _ in self._threads:
            self._errands.put(None)
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while (errand := self._errands.get()) is not None:
            errand.run()
            self._idle.append(None)  # before the loop knows, which may have the next one at once
            errand.tell()
            del errand
