"""One walk at a time; whole queries are in test_adapt."""

from contextlib import aclosing
from typing import Any

import pytest
from tests.core.crippled import Crippled
from tests.core.test_adapt import MODALITIES, filled, world

from hilum.core.backend import Abilities
from hilum.core.levels import UNIQUE
from hilum.core.plan import planned
from hilum.core.sift import Remarks, value_of
from hilum.core.walk import Walk
from hilum.model.errors import TooLarge
from hilum.model.identity import Level
from hilum.model.query import Query

pytestmark = pytest.mark.anyio

STRICT = Abilities(frozenset(Level) - {Level.PATIENT}, relational=False)


async def walked(
    query: Query, limit: int = 1000, *, bounded: bool = False, **switches: Any
) -> tuple[Crippled, list[dict[str, Any]], Exception | None]:
    far = Crippled(await filled(world()), relational=False, levels=STRICT.levels, **switches)
    walk = Walk(far, planned(query, STRICT), limit, Remarks(), bounded=bounded)
    found: list[dict[str, Any]] = []
    try:
        async with aclosing(walk.answers()) as answers:
            async for each in answers:
                found.append(each)  # noqa: PERF401 - what came counts when the end is an error
    except TooLarge as error:
        return far, found, error
    return far, found, None


async def test_no_question_is_open_while_another_is_asked() -> None:
    far, found, _ = await walked(Query(Level.IMAGE))
    assert len(found) == 36
    assert (far.most, far.open) == (1, 0)


async def test_what_fits_is_given_where_a_page_may_be_enough() -> None:
    far, found, error = await walked(Query(Level.SERIES), 3, bounded=True)
    assert len(found) == len({value_of(each, "0020000E") for each in found}) > 3
    assert isinstance(error, TooLarge)
    assert len(far.asked) == 1 + 3
    far, found, error = await walked(Query(Level.SERIES), 3)
    assert (found, len(far.asked)) == ([], 1)
    assert isinstance(error, TooLarge)


async def test_a_study_is_looked_into_once() -> None:
    query = Query(Level.STUDY, {MODALITIES: "CT\\MR\\US"})
    far, found, _ = await walked(
        query, omits=frozenset({"00080061"}), ignores=frozenset({"00080061"})
    )
    assert len(found) == 12
    assert [each.level for each in far.asked].count(Level.SERIES) == 12


async def test_answers_that_come_twice_are_looked_into_once() -> None:
    query = Query(Level.STUDY, {MODALITIES: "CT\\MR\\US"})
    for limit, ends in ((12, False), (11, True)):
        _, found, error = await walked(query, limit, twice=True, omits=frozenset({"00080061"}))
        assert len({value_of(each, "0020000D") for each in found}) == len(found)
        assert (error is not None) is ends
        assert ends or len(found) == 12


async def test_answers_of_another_study_are_dropped() -> None:
    far, found, _ = await walked(
        Query(Level.SERIES), ignores=frozenset({f"{UNIQUE[Level.STUDY]:08X}"})
    )
    assert len(found) == 24
    assert len(far.asked) == 13
