"""A far side that can do less than it should: a memory, and what it leaves out."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from hilum.backends.memory import Memory
from hilum.codec import dicom_json
from hilum.codec.dicom_json import Attributes
from hilum.core.backend import Abilities
from hilum.core.levels import UNIQUE, level_of
from hilum.model.errors import BadQuery, NotOffered, OutOfResources
from hilum.model.identity import Level
from hilum.model.query import Query

RANK = {level: rank for rank, level in enumerate(Level)}


@dataclass
class Crippled:
    """Implements `core.backend.Asks`.

    Attributes:
        relational: it agrees to be asked across levels.
        strict: keys of levels above, but for the unique ones, are refused, as dcmqrscp does.
        ignores: tags of keys that it does not match.
        omits: tags that are not in its answers.
        empties: tags that are empty in its answers.
        says_ignored: it says so (FF01).
        unreadable: answers that it gives and nobody can read.
        fuzzy: it matches names fuzzily where it is asked to.
        lists: it takes lists of values that are no UIDs.
        refuses: levels at which it does not answer across levels, in spite of what it agreed to.
        ends_after: answers, and then it is out of resources.
        twice: every answer comes twice.
        asked: what it was asked.
        open: questions that are open; most: at the same time.
    """

    memory: Memory
    relational: bool = True
    strict: bool = True
    levels: frozenset[Level] = frozenset(Level)
    ignores: frozenset[str] = frozenset()
    omits: frozenset[str] = frozenset()
    empties: frozenset[str] = frozenset()
    says_ignored: bool = False
    lists: bool = False
    fuzzy: bool = True
    unreadable: int = 0
    refuses: frozenset[Level] = frozenset()
    ends_after: int | None = None
    twice: bool = False
    asked: list[Query] = field(default_factory=list)
    answered: int = 0
    open: int = 0
    most: int = 0

    async def abilities(self) -> Abilities:
        return Abilities(self.levels, self.relational)

    @asynccontextmanager
    async def ask(self, query: Query, /) -> AsyncIterator["Replies"]:
        self.asked.append(query)
        self._refuse(query)
        match = {p: v for p, v in query.match.items() if f"{p[0]:08X}" not in self.ignores}
        include = query.include | (query.match.keys() - match.keys())
        self.open += 1
        self.most = max(self.most, self.open)
        try:
            plain = replace(query, match=match, include=include, limit=None, offset=0)
            async with self.memory.find(plain) as found, aclosing(self._answers(found)) as answers:
                yield Replies(
                    answers,
                    keys_ignored=self.says_ignored,
                    is_fuzzy=self.fuzzy and query.fuzzy,
                    unreadable=self.unreadable,
                )
        finally:
            self.open -= 1

    def told(self, query: Query, /) -> Sequence[str]:
        return [f"{path[-1]:08X}={value}" for path, value in query.match.items()]

    def _refuse(self, query: Query) -> None:
        assert query.level in self.levels
        for path, value in query.match.items():
            assert value
            if "\\" in value and len(path) == 1 and path[0] not in UNIQUE.values():
                assert self.lists, "a list that is none of UIDs"
        if query.level in {Level.PATIENT, Level.STUDY}:
            return
        above = [Level.STUDY] if query.level is Level.SERIES else [Level.STUDY, Level.SERIES]
        single = all(
            (v := query.match.get((UNIQUE[each],), "")) and "\\" not in v for each in above
        )
        if query.level in self.refuses and not single:
            raise NotOffered("not across levels")
        if self.relational:
            return
        if not single:
            raise BadQuery("a unique key above is missing")
        for path in [*query.match, *query.include] if self.strict else []:
            level = level_of(path)
            if level and RANK[level] < RANK[query.level] and path[0] not in UNIQUE.values():
                raise BadQuery("a key of a level above")

    async def _answers(self, found: Any) -> AsyncGenerator[Attributes, None]:
        count = 0
        async for each in found:
            attributes = dicom_json.loads(each.dicom_json())
            for tag in self.omits:
                attributes.pop(tag, None)
            for tag in self.empties & attributes.keys():
                attributes[tag].pop("Value", None)
            if count == self.ends_after:
                raise OutOfResources("no more")
            count += 1
            self.answered += 1
            yield attributes
            if self.twice:
                yield dicom_json.loads(dicom_json.dumps(attributes))


class Replies:
    """Implements `core.backend.Replies`."""

    def __init__(
        self,
        answers: AsyncGenerator[Attributes, None],
        *,
        keys_ignored: bool,
        is_fuzzy: bool,
        unreadable: int,
    ) -> None:
        self._answers = answers
        self.keys_ignored = keys_ignored
        self.is_fuzzy = is_fuzzy
        self.unreadable = unreadable
        self.is_cut = False

    def __aiter__(self) -> "Replies":
        return self

    async def __anext__(self) -> Attributes:
        return await anext(self._answers)
