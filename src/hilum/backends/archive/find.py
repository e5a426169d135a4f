"""How the answers to a query are read, a few at a time."""

import json
from array import array
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Final

from hilum.backends.archive import match, select
from hilum.backends.archive.answer import Found, shape_of
from hilum.backends.archive.match import Conditions
from hilum.backends.archive.readers import Cursor, Readers, Rows
from hilum.core.backend import Found as Matches
from hilum.model.identity import Level
from hilum.model.match import Match
from hilum.model.query import Query

_BATCH: Final = 200  # answers read at once
_NO_LIMIT: Final = -1  # SQLite's word for it
_UNIQUE: Final = {
    Level.STUDY: ("equal", "study", "study_instance_uid"),
    Level.IMAGE: ("equal", "instance", "sop_instance_uid"),
}


class Searching(AbstractAsyncContextManager[Matches]):
    """One query, from its beginning to its end.

    Few answers come without a generator: the event loop must hear of each one, and of its end.
    """

    def __init__(self, readers: Readers, query: Query, ae_title: str) -> None:
        self._asked = readers, query, ae_title

    async def __aenter__(self) -> Matches:
        finding = Finding(*self._asked)
        self._many = None if finding.are_few else finding.matches()
        return Matches(Few(finding.few) if self._many is None else self._many)

    async def __aexit__(self, *_: object) -> None:
        if self._many is not None:
            await self._many.aclose()


class Few(AsyncIterator[Match]):
    """Answers that are read at once, when the first is asked for. No generator: see `Searching`."""

    def __init__(self, read: Callable[[], Awaitable[Iterator[Match]]]) -> None:
        self._read = read
        self._here: Iterator[Match] | None = None

    async def __anext__(self) -> Match:
        if self._here is None:
            self._here = await self._read()
        for each in self._here:
            return each
        raise StopAsyncIteration


class Finding:
    """What is asked of the index.

    Long answers are read in two steps: the ids of all rows first, eight bytes each, and then
    their rows by and by. So a slow reader holds no connection and no snapshot, which would keep
    the log of the database from being emptied.

    Raises:
        BadQuery: a key cannot be honoured.
    """

    def __init__(self, readers: Readers, query: Query, ae_title: str) -> None:
        self._readers = readers
        self._query = query
        self._shape = shape_of(query, ae_title)
        self._asked = match.conditions(query, ae_title)
        self._limit = _NO_LIMIT if query.limit is None else query.limit
        self.are_few = 0 <= self._limit <= _BATCH or _is_one(query.level, self._asked)

    async def few(self) -> Iterator[Match]:
        """The answers, in the order in which their entities came."""
        rows = await self._readers.soon(self._rows)
        return map(partial(Found, self._shape), rows)

    async def matches(self) -> AsyncGenerator[Match]:
        """The same of many, as they are read."""
        ids = await self._readers.soon(self._ids)
        text = select.of_ids(self._shape.read).text
        for start in range(0, len(ids), _BATCH):
            some = json.dumps(ids[start : start + _BATCH].tolist())

            def read(cursor: Cursor, some: str = some) -> Rows:
                return cursor.rows(text, [some])

            for row in await self._readers.soon(read):
                yield Found(self._shape, row)

    def _rows(self, cursor: Cursor) -> Rows:
        ready = select.rows(self._shape.read, self._asked)
        return cursor.rows(ready.text, self._values(ready))

    def _ids(self, cursor: Cursor) -> "array[int]":
        found = array("q")
        ready = select.ids(self._query.level, self._asked)
        cursor.numbers(ready.text, self._values(ready), found.append)
        return found

    def _values(self, ready: select.Ready) -> list[object]:
        return ready.values([*self._asked.values(), self._limit, self._query.offset])


def _is_one(level: Level, asked: Conditions) -> bool:
    """Whether the query names the one entity that it is about."""
    return level in _UNIQUE and _UNIQUE[level] in asked.own
