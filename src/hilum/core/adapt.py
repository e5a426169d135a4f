"""Makes a search of a far side that can be asked some questions, but not every one."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import replace

from hilum.codec.dicom_json import Attributes
from hilum.core.answered import Answered
from hilum.core.backend import Abilities, Asks, Found, Replies
from hilum.core.plan import Plan, planned
from hilum.core.sift import Remarks, Sift, fill, uid_element
from hilum.core.walk import Walk
from hilum.model.errors import BadQuery, NotOffered
from hilum.model.identity import Level
from hilum.model.match import Match
from hilum.model.query import Query

_AHEAD = 64  # answers that wait to be read, at most


class Adapted:
    """Implements `core.backend.Finds` over what can be asked.

    Args:
        asks: the far side.
        walk_limit: the most studies, and the most series, that one query may look into.
    """

    def __init__(self, asks: Asks, walk_limit: int) -> None:
        self._asks = asks
        self._walk_limit = walk_limit
        self._refused: set[Level] = set()

    @asynccontextmanager
    async def find(self, query: Query, /) -> AsyncIterator[Found]:
        """See `core.backend.Finds`.

        Raises:
            TooLarge: too much would have to be looked into.
        """
        if query.limit == 0:
            yield Found(_none())
            return
        abilities = await self._abilities(query.level)
        plan = planned(query, abilities)
        async with AsyncExitStack() as stack:
            other = _without_relational(query, abilities)
            way = self._direct if plan.is_direct else self._walked
            try:
                found = await stack.enter_async_context(way(plan, query, peek=other is not None))
            except (NotOffered, BadQuery):  # some agree to relational queries and answer A900
                if other is None:
                    raise
                found = await stack.enter_async_context(self._walked(other, query, peek=True))
                self._refused.add(query.level)
            yield found

    async def _abilities(self, level: Level) -> Abilities:
        abilities = await self._asks.abilities()
        return replace(abilities, relational=False) if level in self._refused else abilities

    @asynccontextmanager
    async def _direct(self, plan: Plan, query: Query, *, peek: bool) -> AsyncIterator[Found]:
        """One question, whose answers pass by.

        Args:
            plan: of one question.
            query: what limits the answers.
            peek: wait for the first answer, as the far side may refuse only then.
        """
        remarks = Remarks()
        question = plan.steps[0].questions[0]
        async with self._asks.ask(question) as replies:
            remarks.asked(question, is_fuzzy=replies.is_fuzzy)
            first = await anext(replies, None) if peek else None
            if peek and first is None:
                remarks.ended(replies)
                yield Found(_none(), remarks.warnings, remarks.unmatched)
                return
            sifted = _cut(_sifted(plan, first, replies, remarks), plan, query)
            async with aclosing(sifted):
                yield Found(sifted, remarks.warnings, remarks.unmatched)

    @asynccontextmanager
    async def _walked(self, plan: Plan, query: Query, *, peek: bool) -> AsyncIterator[Found]:
        """Several questions. They are put by a task of their own, which is over with the block.

        Args:
            plan: of the questions.
            query: what limits the answers.
            peek: wait for the first answer, as the far side may refuse only then.
        """
        remarks = Remarks()
        walk = Walk(self._asks, plan, self._walk_limit, remarks, bounded=query.limit is not None)
        ahead = _Ahead(walk)
        failure: BaseException | None = None
        async with asyncio.TaskGroup() as group:
            task = group.create_task(ahead.run())
            try:
                if peek:
                    await ahead.begun()
                async with aclosing(_cut(ahead.answers(), plan, query)) as matches:
                    yield Found(matches, remarks.warnings, remarks.unmatched)
            except (Exception, GeneratorExit) as error:  # noqa: BLE001 - raised again, outside of the group
                failure = error
            finally:
                task.cancel()
        if failure is not None:
            raise failure


class _Ahead:
    """Answers that were found and are not read yet: the walk is ahead of its reader."""

    def __init__(self, walk: Walk) -> None:
        self._walk = walk
        self._room = asyncio.Semaphore(_AHEAD)
        self._found: asyncio.Queue[Attributes | Exception | None] = asyncio.Queue()
        self._first: list[Attributes | None] = []

    async def run(self) -> None:
        """Find them; ends with the walk, or when cancelled."""
        try:
            async with aclosing(self._walk.answers()) as answers:
                async for each in answers:
                    await self._room.acquire()
                    self._found.put_nowait(each)
            self._found.put_nowait(None)
        except Exception as error:  # noqa: BLE001 - raised to the reader
            self._found.put_nowait(error)

    async def begun(self) -> None:
        """Wait for the first.

        Raises:
            HilumError: the walk failed at once.
        """
        self._first.append(await self._next())

    async def answers(self) -> AsyncGenerator[Attributes, None]:
        """Read them.

        Raises:
            HilumError: the walk failed.
        """
        while (each := self._first.pop() if self._first else await self._next()) is not None:
            yield each

    async def _next(self) -> Attributes | None:
        each = await self._found.get()
        if isinstance(each, Exception):
            raise each
        self._room.release()
        return each


async def _sifted(
    plan: Plan, first: Attributes | None, replies: Replies, remarks: Remarks
) -> AsyncGenerator[Attributes, None]:
    """The answers to one question that do not contradict it."""
    sift = Sift(plan.steps[0].checks, plan.merged, remarks)
    known = {f"{tag:08X}": uid_element(uid) for tag, uid in plan.known.items()}
    attributes = first
    while True:
        if attributes is not None:
            fill(attributes, known)
            if sift.take(attributes, ignored=replies.keys_ignored):
                yield attributes
        attributes = await anext(replies, None)
        if attributes is None:
            remarks.ended(replies)
            return


async def _cut(
    answers: AsyncGenerator[Attributes, None], plan: Plan, query: Query
) -> AsyncGenerator[Match, None]:
    """The answers from `offset` on, `limit` of them; no more is waited for than those."""
    count = 0
    async with aclosing(answers):
        async for each in answers:
            count += 1
            if count > query.offset:
                yield Answered(each, plan.level)
            if query.limit is not None and count == query.offset + query.limit:
                return


async def _none() -> AsyncGenerator[Match, None]:
    return
    yield  # makes it a generator


def _without_relational(query: Query, abilities: Abilities) -> Plan | None:
    """What else can be done where the far side refuses a question across levels."""
    if not abilities.relational or abilities.is_sure:
        return None
    if query.level in {Level.PATIENT, Level.STUDY}:
        return None
    try:
        plan = planned(query, replace(abilities, relational=False))
    except NotOffered:
        return None
    return None if plan.is_direct else plan
