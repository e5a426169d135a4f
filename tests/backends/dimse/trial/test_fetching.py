import pytest
from tests.backends.dimse.trial.known import KNOWN, found, knowing
from tests.quirky import Make, Point, Quirks

from hilum.backends.dimse.trial.fetching import TOO_MANY, fetching
from hilum.codec.sop_class import GET, MOVE
from hilum.model.identity import Level

pytestmark = pytest.mark.anyio
ALL = (*KNOWN, fetching)
MOVES = {"retrieve": "move"}


@pytest.mark.parametrize("make", Make, ids=lambda each: each.value)
async def test_exactly_one_instance_is_asked_for(make: Make) -> None:
    async with knowing(trials=ALL, make=make) as (known, pacs):
        assert (found(known, "get").value, known.settings) == (True, {})
        assert [each.level for each in pacs.of("C-GET")] == [Level.IMAGE]
        assert len(pacs.sent) == 1


@pytest.mark.parametrize(
    "quirks",
    [
        Quirks(nothing=True),
        Quirks(only=0),
        Quirks(fails=1),
        Quirks(no_roles=True),
        Quirks(endless=True),
        Quirks(stalls=Point.INSTANCE, after=0),
        Quirks(drops=Point.INSTANCE, after=0),
        Quirks(stalls=Point.FINAL, after=0),
    ],
)
async def test_where_it_does_not_work_c_move_is_set(quirks: Quirks) -> None:
    if quirks.stalls is Point.FINAL:  # no search would end either
        async with knowing() as (known, pacs):
            pacs.quirks = quirks
            await fetching(known)
    else:
        async with knowing(quirks, ALL) as (known, _):
            pass
    assert (found(known, "get").value, known.settings) == (False, MOVES)


async def test_where_it_is_not_accepted_nothing_need_be_set() -> None:
    async with knowing(Quirks(refuses=GET), ALL) as (known, pacs):
        assert (found(known, "get").value, known.settings) == (False, {})
        assert pacs.of("C-GET") == []


async def test_without_c_move_it_is_not_set() -> None:
    async with knowing(Quirks(nothing=True, refuses=MOVE), ALL) as (known, _):
        assert (found(known, "get").value, known.settings) == (False, {})


@pytest.mark.parametrize(
    ("quirks", "words"),
    [
        (Quirks(twice=True), "it came 2 times"),
        (Quirks(stranger=True), "more came than the one"),
        (Quirks(ignores_level=True), "more came than the one"),
    ],
)
async def test_what_else_comes_is_told(quirks: Quirks, words: str) -> None:
    async with knowing(quirks, ALL) as (known, pacs):
        finding = found(known, "get")
        assert (finding.value, words in finding.text) == (True, True)
        assert len(pacs.sent) <= TOO_MANY + 1


async def test_without_an_instance_nothing_is_asked_for() -> None:
    async with knowing(Quirks(no_image_level=True), ALL) as (known, pacs):
        assert found(known, "get").value is None
        assert pacs.of("C-GET") == []
