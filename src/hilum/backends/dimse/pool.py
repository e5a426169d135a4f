"""Which associations with one peer are open, and who has them? At most so many, none forgotten.

An association is idle or somebody's; whoever has one has a slot, and gives both back on leaving
the block, whatever happened in it. One that was lost, or on which a request was left in the
middle, is closed; any other is kept for the next, for a while.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from types import TracebackType
from typing import Final, Self, TypeVar

from hilum.backends.dimse.echo import CONTEXT as ECHO
from hilum.backends.dimse.echo import echo
from hilum.backends.dimse.find import CONTEXTS as FIND
from hilum.backends.dimse.find import RELATIONAL
from hilum.backends.dimse.retrieve import MOVE_CONTEXTS as MOVE
from hilum.codec.associate import Role, UserIdentity
from hilum.config.mounts import Pool as Settings
from hilum.model.errors import BackendTimeout, HilumError, NotOffered, OutOfResources
from hilum.upper_layer.association import Association
from hilum.upper_layer.requestor import Remote, Wanted, associate

CONTEXTS: Final = (ECHO, *FIND, *MOVE)
"""What is proposed for queries and moves."""
_DOUBT = 5.0  # seconds unused, after which an association is asked whether it lives
_ECHO = 5.0  # seconds that it gets to say so
_GOODBYE = 2.0  # seconds that a peer gets to answer a release, before it is aborted

T = TypeVar("T")
Begins = Callable[[Association], AbstractAsyncContextManager[T]]


@dataclass(eq=False, slots=True)
class _Member:
    """An open association.

    Attributes:
        closing: ends it.
        identity: as whom it was opened.
        is_used: it has been idle before.
        since: when it became idle, in the loop's time.
        timer: ends it when nobody uses it.
    """

    association: Association
    closing: AsyncExitStack
    identity: UserIdentity | None = None
    is_used: bool = False
    since: float = 0.0
    timer: asyncio.TimerHandle | None = field(default=None, repr=False)


class Pool:
    """The associations with one peer; to be entered, and left when nobody uses it any more.

    Nobody who has an association may wait here for another one: were everybody to do so,
    nobody would go on.

    Args:
        remote: whom to call; its `timeouts.message` holds where `silence` is not given.
        settings: how many, and how long.
        relational: ask for relational queries (PS3.4 §C.5.1.1).
        identity: as whom to call, asked for each request; by default that of `remote`. An
            association is used only for the one that it was opened for.

    Attributes:
        in_use: slots taken: associations that somebody has, or is just opening or closing.
        waiting: operations that wait for a slot.
    """

    def __init__(
        self,
        remote: Remote,
        settings: Settings,
        *,
        relational: bool = True,
        identity: Callable[[], UserIdentity | None] | None = None,
    ) -> None:
        self.remote = remote
        self._identity = identity or (lambda: remote.identity)
        self.in_use = 0
        self.waiting = 0
        self._settings = settings
        self._extended = {uid: RELATIONAL for uid, _ in FIND} if relational else {}
        self._slots = asyncio.Semaphore(settings.size)  # first come, first served
        self._idle: list[_Member] = []  # the one used last at the end
        self._closing = 0  # idle ones on their way out
        self._closed = asyncio.Event()
        self._group = asyncio.TaskGroup()
        self._is_open = False

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        self._is_open = True
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._is_open = False
        for member in [*self._idle]:
            self._retire(member)
        # What the block raised comes out as it is: the tasks only say goodbye, and do not fail.
        await self._group.__aexit__(None, None, None)

    @property
    def size(self) -> int:
        """The most that there may be."""
        return self._settings.size

    @property
    def idle(self) -> int:
        """How many associations wait to be used again."""
        return len(self._idle)

    @asynccontextmanager
    async def lease(self, silence: float | None = None) -> AsyncIterator[Association]:
        """An association for queries and moves, on which `CONTEXTS` were proposed.

        One that was idle may turn out to be lost when it is first used; see `begun`.

        Args:
            silence: seconds that the peer may take for each response.

        Raises:
            OutOfResources: none was free in time.
            NotOffered: the peer accepts none of the contexts.
            BackendError: the peer cannot be reached, or does not want us.
        """
        async with self._slot(), self._lent(silence, fresh=False) as member:
            yield member.association

    @asynccontextmanager
    async def begun(self, begins: Begins[T], silence: float | None = None) -> AsyncIterator[T]:
        """What `begins` gives on a leased association.

        It is begun once more, on a new one, when the peer had dropped the idle one; so entering
        it must be safe to repeat and, to be of use, reach up to the peer's first answer.

        Raises:
            HilumError: as `lease`, and what `begins` raises.
        """
        async with self._slot(), AsyncExitStack() as stack:
            member = await stack.enter_async_context(self._lent(silence, fresh=False))
            try:
                found = await stack.enter_async_context(begins(member.association))
            except HilumError as error:
                lost = member.association.lost is not None
                if not (lost and member.is_used) or isinstance(error, BackendTimeout):
                    raise
                await stack.aclose()
                member = await stack.enter_async_context(self._lent(silence, fresh=True))
                found = await stack.enter_async_context(begins(member.association))
            yield found

    @asynccontextmanager
    async def opened(
        self,
        wanted: Iterable[Wanted],
        *,
        roles: Mapping[str, Role] | None = None,
        extended: Mapping[str, bytes] | None = None,
        silence: float | None = None,
    ) -> AsyncIterator[Association]:
        """An association with contexts of its own, which nobody uses after this.

        Released when the block ends well, aborted when it does not.

        Raises:
            OutOfResources: there was no slot in time.
            BackendError: the peer cannot be reached, or does not want us.
        """
        async with self._slot():
            member = await self._connect(self._identity(), wanted, roles, extended)
            if silence is not None:
                member.association.limit(silence)
            try:
                yield member.association
            except BaseException:
                member.association.abort()
                raise
            finally:
                await _close(member)

    def _slot(self) -> "_Slot":
        return _Slot(self)

    async def take(self) -> None:
        """Take a slot.

        Raises:
            OutOfResources: there was none in time.
        """
        patience = self._settings.timeout
        try:
            if self._slots.locked():
                self.waiting += 1
                try:
                    async with asyncio.timeout(patience):
                        await self._slots.acquire()
                finally:
                    self.waiting -= 1
            else:
                await self._slots.acquire()  # at once
        except TimeoutError:
            what = f"all {self._settings.size} associations with {self.remote.called}"
            raise OutOfResources(f"{what} are in use, for {patience:g} s now") from None
        self.in_use += 1

    def give(self) -> None:
        """Give a slot back."""
        self.in_use -= 1
        self._slots.release()

    def _lent(self, silence: float | None, *, fresh: bool) -> "_Lent":
        return _Lent(self, silence, fresh=fresh)

    async def lend(self, silence: float | None, *, fresh: bool) -> _Member:
        """An association, for which a slot has been taken.

        Raises:
            NotOffered: the peer accepts none of the contexts.
            BackendError: the peer cannot be reached, or does not want us.
        """
        identity = self._identity()
        member = None if fresh else await self._living(identity)
        if member is None:
            member = await self._connect(identity, CONTEXTS, None, self._extended)
        try:
            _check(member.association)
        except HilumError:
            await self.take_back(member)
            raise
        member.association.limit(silence or self.remote.timeouts.message)
        return member

    async def take_back(self, member: _Member) -> None:
        """Keep it for the next, if it can be used again."""
        association = member.association
        if association.lost is None and association.contexts and self._is_open:
            self._park(member)
        else:
            await _close(member)

    async def _connect(
        self,
        identity: UserIdentity | None,
        wanted: Iterable[Wanted],
        roles: Mapping[str, Role] | None,
        extended: Mapping[str, bytes] | None,
    ) -> _Member:
        """A new association, for which its slot has been taken; idle ones make room for it."""
        while self.in_use + len(self._idle) + self._closing > self._settings.size:
            if self._idle:
                self._retire(self._idle[0])
            self._closed.clear()
            await self._closed.wait()
        stack = AsyncExitStack()
        remote = replace(self.remote, identity=identity)
        opening = associate(remote, wanted, roles=roles, extended=extended)
        return _Member(await stack.enter_async_context(opening), stack, identity)

    async def _living(self, identity: UserIdentity | None) -> _Member | None:
        """The idle association of that identity that was used last and still lives."""
        while own := [each for each in self._idle if each.identity == identity]:
            member = own[-1]
            self._pick(member)
            if asyncio.get_running_loop().time() - member.since < _DOUBT:
                return member
            member.association.limit(_ECHO)
            try:
                await echo(member.association)
            except HilumError:
                self._end(member)
                for each in [*self._idle]:  # which have been silent even longer
                    self._retire(each)
            except BaseException:
                member.association.abort()
                await _close(member)
                raise
            else:
                return member
        return None

    def _park(self, member: _Member) -> None:
        """Keep it for the next, until it is lost, or nobody came."""
        loop = asyncio.get_running_loop()
        member.is_used, member.since = True, loop.time()
        member.timer = loop.call_later(self._settings.idle, self._retire, member)
        self._idle.append(member)
        member.association.on_lost(partial(self._retire, member))

    def _pick(self, member: _Member) -> None:
        """Take it out of the idle ones."""
        member.association.on_lost(None)
        if member.timer is not None:
            member.timer.cancel()
        self._idle.remove(member)

    def _retire(self, member: _Member) -> None:
        """Let an idle one go."""
        self._pick(member)
        self._end(member)

    def _end(self, member: _Member) -> None:
        """Close one that nobody has, beside everything else."""
        self._closing += 1
        self._group.create_task(self._bury(member))

    async def _bury(self, member: _Member) -> None:
        try:
            await _close(member)
        finally:
            self._closing -= 1
            self._closed.set()


class _Slot(AbstractAsyncContextManager[None]):
    """A slot of a pool, for a block."""

    __slots__ = ("_pool",)

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def __aenter__(self) -> None:
        await self._pool.take()

    async def __aexit__(self, *_: object) -> None:
        self._pool.give()


class _Lent(AbstractAsyncContextManager[_Member]):
    """An association of a pool, for a block."""

    __slots__ = ("_fresh", "_member", "_pool", "_silence")

    def __init__(self, pool: Pool, silence: float | None, *, fresh: bool) -> None:
        self._pool = pool
        self._silence = silence
        self._fresh = fresh

    async def __aenter__(self) -> _Member:
        self._member = await self._pool.lend(self._silence, fresh=self._fresh)
        return self._member

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # After what the peer answered the association, if it is still there, is good.
        if error is not None and not isinstance(error, HilumError):
            self._member.association.abort()
        await self._pool.take_back(self._member)


def _check(association: Association) -> None:
    if not association.contexts:
        raise NotOffered("the peer accepts no presentation context for queries and moves")


async def _close(member: _Member) -> None:
    """Release it, if it is still there; return when the connection is gone."""
    association = member.association
    async with member.closing:
        if association.lost is None:
            try:
                async with asyncio.timeout(_GOODBYE):
                    await association.release()
            except TimeoutError:
                association.abort("the peer did not answer the release in time")
