"""What stays open while the configuration changes? What nobody wants ends, once nobody uses it.

A change first has all that it needs, of which some is open already; then it is made, at once, or
dropped. What it does not need ends when the last one that uses it has done so.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Hashable, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Generic, TypeVar, cast

T = TypeVar("T")
PATIENCE: Final = 10.0  # seconds for something to end that nobody uses any more
_log = logging.getLogger(__name__)


class StillOpen(Exception):
    """Something else has what only one can have, and has not ended yet."""


class Uses(AbstractContextManager[None]):
    """How many use something now; each enters and leaves, in any order.

    Attributes:
        over: set when it is to end: nobody wants it, and nobody uses it.
    """

    def __init__(self) -> None:
        self._count = 0
        self._unwanted = False
        self.over = asyncio.Event()

    def __enter__(self) -> None:
        self._count += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._count -= 1
        if self._unwanted and not self._count:
            self.over.set()

    def want(self, *, wanted: bool) -> None:
        """Say whether it is to stay."""
        self._unwanted = not wanted
        if self._unwanted and not self._count:
            self.over.set()


class All(AbstractContextManager[None]):
    """Uses of several things at once."""

    def __init__(self, uses: Sequence[Uses]) -> None:
        self._uses = tuple(uses)

    def __enter__(self) -> None:
        for each in self._uses:
            each.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for each in self._uses:
            each.__exit__(kind, error, traceback)


@dataclass(eq=False, slots=True)
class Open(Generic[T]):
    """One thing that is open.

    Attributes:
        key: what it was made of.
        alone: what only one can have; None: several may be open.
    """

    key: object
    alone: Hashable
    value: T
    uses: Uses = field(default_factory=Uses)
    task: "asyncio.Task[None] | None" = None


class Lasting:
    """All that is open. See `open_lasting`."""

    def __init__(self, group: asyncio.TaskGroup) -> None:
        self._group = group
        self._is_closing = False
        self.all: list[Open[Any]] = []

    def change(self) -> "Change":
        """One change; no other may be under way."""
        return Change(self)

    async def opened(
        self, key: object, alone: Hashable, opening: AbstractAsyncContextManager[T]
    ) -> Open[T]:
        """Open something, in a task of its own, which also closes it."""
        one: Open[Any] = Open(key, alone, None)
        ready: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self.all.append(one)
        one.task = self._group.create_task(self._life(one, opening, ready))
        try:
            one.value = await asyncio.shield(ready)
        except asyncio.CancelledError:
            one.task.cancel()
            ready.add_done_callback(lambda each: each.cancelled() or each.exception())
            raise
        return one

    async def _life(
        self,
        one: Open[Any],
        opening: AbstractAsyncContextManager[T],
        ready: "asyncio.Future[T]",
    ) -> None:
        try:
            async with opening as value:
                ready.set_result(value)
                await one.uses.over.wait()
        except Exception as error:
            if not ready.done():
                ready.set_exception(error)
            elif self._is_closing or not one.uses.over.is_set():
                raise
            else:  # it is no more than what was: the others go on
                _log.exception("something of the former configuration did not end well")
        finally:
            ready.cancel()
            self.all.remove(one)

    async def parted(self, alone: Hashable) -> None:
        """Return when nothing has that; what ends just now is given a while.

        Raises:
            StillOpen: something has it.
        """
        having = [each for each in self.all if each.alone == alone]
        ending = {each.task for each in having if each.task and each.uses.over.is_set()}
        if ending and len(ending) == len(having):
            await asyncio.wait(ending, timeout=PATIENCE)
        if any(each.alone == alone for each in self.all):
            raise StillOpen

    async def close(self) -> None:
        """End all, whoever uses it: what was opened last goes first."""
        self._is_closing = True
        while self.all:
            one = self.all[-1]
            one.uses.over.set()
            if one.task is not None:
                await asyncio.wait({one.task})


class Change:
    """What is wanted from now on: either `commit` or `drop` ends it."""

    def __init__(self, lasting: Lasting) -> None:
        self._lasting = lasting
        self._wanted: list[Open[Any]] = []
        self._new: list[Open[Any]] = []

    async def have(
        self,
        key: object,
        opening: Callable[[], AbstractAsyncContextManager[T]],
        alone: Hashable = None,
    ) -> Open[T]:
        """What is open under an equal key, else what `opening` opens; its errors come here.

        Raises:
            StillOpen: something else of the same `alone` is open.
        """
        for each in self._lasting.all:
            if each.uses.over.is_set():
                continue
            if each.key == key and each.alone == alone and each not in self._wanted:
                self._wanted.append(each)
                return cast("Open[T]", each)
        if alone is not None:
            await self._lasting.parted(alone)
        one = await self._lasting.opened(key, alone, opening())
        self._wanted.append(one)
        self._new.append(one)
        return one

    def commit(self) -> None:
        """Let what is not wanted any more end."""
        for each in list(self._lasting.all):
            each.uses.want(wanted=each in self._wanted)

    async def drop(self) -> None:
        """Close what was opened for this change."""
        for each in reversed(self._new):
            each.uses.over.set()
            if each.task is not None:
                await asyncio.wait({each.task})


@asynccontextmanager
async def open_lasting() -> AsyncIterator[Lasting]:
    """Things that come and go, until the block is left; then all end."""
    failed: BaseException | None = None
    async with asyncio.TaskGroup() as group:
        lasting = Lasting(group)
        try:
            yield lasting
        except BaseException as error:  # noqa: BLE001 - raised below: not in a group
            failed = error
        finally:
            await lasting.close()
    if failed is not None:
        raise failed
