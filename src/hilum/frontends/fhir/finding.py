"""How are the answers to a search found? As a stream of rows that hold all that was asked for."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

from hilum.codec.fhir.imaging_study import STUDY_UID
from hilum.codec.fhir.parameters import Condition, Search
from hilum.codec.fhir.values import text, texts
from hilum.core.fhir import keys
from hilum.core.fhir.of_patient import ids_in
from hilum.core.fhir.of_study import CLASSES
from hilum.core.fhir.table import Alternatives, Check, Keys, Known, Row
from hilum.core.operations import Find
from hilum.frontends.fhir.asked import About
from hilum.frontends.fhir.kinds import Searched, maker
from hilum.model.errors import BadQuery, TooLarge
from hilum.model.identity import Level
from hilum.model.query import Query

_BATCH: Final = 200  # answers looked at in one go
_IN_A_LIST: Final = 100  # UIDs in one question
_STUDY: Final = (STUDY_UID,)
UNTOLD: Final = "The far side did not say SOPClassesInStudy: dicom-class may not have been matched."
_OF_PATIENTS: Final = frozenset(("_id", "patient", "subject"))
_BELOW: Final = frozenset((0x0020_000E, 0x0008_0018, 0x0018_0015, 0x0008_1050))


@dataclass(slots=True)
class Found:
    """What is known of a search so far.

    Attributes:
        warnings: what is to be said of the answers.
        is_cut: there may be more than were looked at.
    """

    warnings: list[str] = field(default_factory=list)
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """A search, ready to be run.

    Attributes:
        sets: matching keys; what holds one of the sets is looked at.
        checks: what each answer must hold.
        strict: whether what a far side did not match is an error.
        wants_times: a check, or the order, needs to know when they were changed.
        wants_classes: a check needs to know their SOP classes.
    """

    about: About
    searched: Searched
    sets: list[Keys]
    checks: list[Check]
    strict: bool
    wants_times: bool = False
    wants_classes: bool = False
    found: Found = field(default_factory=Found)

    @property
    def is_ordered(self) -> bool:
        """Whether the answers come one after another in the same order each time."""
        return not self.about.is_live and len(self.sets) == 1

    async def rows(
        self, offset: int = 0, limit: int | None = None
    ) -> AsyncGenerator[Row | None, None]:
        """The answers; None for each that does not hold what was asked for.

        Args:
            offset: of the first that is looked at, where `is_ordered`.
            limit: the most that are looked at, likewise.

        Raises:
            BadQuery: strictly, a far side did not match on a key.
        """
        seen: set[str] = set()
        several = len(self.sets) > 1
        for each in self.sets:
            rows = self._rows(each, offset, limit)
            async with aclosing(rows):
                async for row in rows:
                    if several and row is not None:
                        name = text(row.attributes, "0020000D") or repr(row.key)
                        if name in seen:
                            continue
                        seen.add(name)
                    yield row

    async def _rows(
        self, match: Keys, offset: int, limit: int | None
    ) -> AsyncGenerator[Row | None, None]:
        about, most = self.about, self.about.fhir.settings.max_answers
        make, count = maker(about, self.searched), 0
        batch: list[Row] = []
        if about.is_live:
            limit = most + 1
        query = _query(self.searched, match, about, offset, limit)
        if self.wants_classes:
            query = replace(query, include=query.include | ({CLASSES} - query.match.keys()))
        async with about.asked.broker.find(about.asked.operation(Find, query=query)) as found:
            async for each in found:
                count += 1
                if count % _BATCH == 0:
                    await asyncio.sleep(0)  # others want their turn
                if about.is_live and count > most:
                    self.found.is_cut = True
                    break
                batch.append(Row(each.decoded(), about.systems, make))
                if len(batch) >= (_BATCH if self.wants_times else 1):
                    for row in await self._timed(batch):
                        yield row if self._holds(row) else None
                    batch.clear()
            for row in await self._timed(batch):
                yield row if self._holds(row) else None
            if found.unmatched and self.strict:
                raise BadQuery("the far side did not match on all that was asked for")
            warnings = self.found.warnings
            warnings += [each for each in found.warnings if each not in warnings]

    def _holds(self, row: Row) -> bool:
        is_known = self.searched.level is not Level.PATIENT or row.key is not None
        if self.wants_classes and not texts(row.attributes, "00080062"):
            if self.strict:
                raise BadQuery(UNTOLD)
            if UNTOLD not in self.found.warnings:
                self.found.warnings.append(UNTOLD)
        return is_known and all(check(row) for check in self.checks)

    async def _timed(self, rows: Sequence[Row]) -> Sequence[Row]:
        """The rows, which know when they were changed, where that is asked for."""
        if rows and self.wants_times:
            await set_times(self.about, rows)
        return rows


async def set_times(about: About, rows: Sequence[Row]) -> None:
    """Find out when studies were changed last, where anybody knows."""
    if about.mount.changes is None:
        return
    uids = [text(row.attributes, "0020000D") for row in rows]
    operation = about.asked.operation(Find, query=Query(Level.STUDY))
    times = await about.asked.broker.changed(operation, uids)
    for uid, row in zip(uids, rows, strict=True):
        if uid in times:
            row.updated = datetime.fromtimestamp(times[uid], UTC)


def _query(searched: Searched, match: Keys, about: About, offset: int, limit: int | None) -> Query:
    assert searched.level is not None  # noqa: S101 - else nothing is looked for
    include = searched.fields
    if searched.level is Level.PATIENT and not about.is_live:
        include |= {_STUDY}  # of patients without an ID
    return Query(searched.level, match, include - match.keys(), limit=limit, offset=offset)


async def known(about: About, conditions: Sequence[Condition]) -> Known:
    """What the conditions of a search refer to."""
    nobody = Known(about.root, is_live=about.is_live)
    asked = [
        name
        for each in conditions
        if each.name.rpartition(".")[2] in _OF_PATIENTS and each.modifier in {"", "not"}
        for name in ids_in(each, nobody)
    ]
    if not asked:
        return nobody
    whose = await about.fhir.patients.patients(about.mount.name, asked)
    return replace(nobody, patients=whose)


async def finding(about: About, searched: Searched, search: Search, *, strict: bool) -> Finding:
    """A search as it is run.

    Raises:
        BadQuery: a value is malformed.
        TooLarge: too much would have to be looked into.
    """
    refers = await known(about, search.conditions)
    checks: list[Check] = []
    own: list[Alternatives] = []
    below: list[tuple[Level, Alternatives]] = []
    for condition in search.conditions:
        answered = searched.table[condition.name]
        if answered.check is not None:
            checks.append(answered.check(condition, refers))
        alternatives = answered.keys(condition, refers)
        if answered.level in {None, searched.level}:
            own.append(alternatives)
        else:
            below.append((answered.level or Level.IMAGE, alternatives))
    asked = {*(each.name for each in search.conditions), *(name for name, _ in search.sort)}
    made = Finding(about, searched, keys.combined(own), checks, strict)
    made = replace(made, wants_times="_lastUpdated" in asked, wants_classes="dicom-class" in asked)
    for level, alternatives in below:
        sets = await _above(made, level, alternatives or [])
        made = replace(made, sets=sets)
    return made


async def understood(about: About, searched: Searched, search: Search) -> None:
    """See that a search can be made; nothing is looked for.

    Raises:
        BadQuery: a value is malformed.
    """
    refers = await known(about, search.conditions)
    for condition in search.conditions:
        answered = searched.table[condition.name]
        if answered.check is not None:
            answered.check(condition, refers)
        answered.keys(condition, refers)


async def _above(made: Finding, level: Level, alternatives: Sequence[Keys]) -> list[Keys]:
    """Sets of keys for the studies that have something below them.

    The archive finds them by keys of what is below; others are asked for that first. Each
    condition is one of its own: two of them need not hold for the same series.
    """
    if not alternatives or not made.sets:
        return []
    above = [{path: v for path, v in each.items() if path[0] not in _BELOW} for each in made.sets]
    merged: list[Keys] = [{**each, **other} for each in above for other in alternatives]
    if not made.about.is_live and above == made.sets:
        return merged
    uids = await _studies(made, level, merged)
    return [
        {**each, _STUDY: "\\".join(uids[start : start + _IN_A_LIST])}
        for each in made.sets
        for start in range(0, len(uids), _IN_A_LIST)
    ]


async def _studies(made: Finding, level: Level, sets: Sequence[Keys]) -> list[str]:
    """The studies that have something at a level below.

    Raises:
        TooLarge: they are too many.
    """
    about, most = made.about, made.about.fhir.settings.max_answers
    uids: dict[str, None] = {}
    for each in sets:
        query = Query(level, each, frozenset({_STUDY}) - each.keys(), is_bare=True)
        async with about.asked.broker.find(about.asked.operation(Find, query=query)) as found:
            async for match in found:
                uids[text(match.decoded(), "0020000D")] = None
                if len(uids) > most:
                    raise TooLarge(f"more than {most} studies would have to be looked into")
            if found.unmatched and made.strict:
                raise BadQuery("the far side did not match on all that was asked for")
            warnings = made.found.warnings
            warnings += [text_ for text_ in found.warnings if text_ not in warnings]
    return [uid for uid in uids if uid]
