import pytest
from tests.backends.dimse.trial.known import knowing
from tests.quirky import Point, Quirks

from hilum.backends.dimse.trial.asking import ask
from hilum.model.errors import BackendTimeout, BadQuery
from hilum.model.identity import Level
from hilum.model.query import Path
from hilum.upper_layer.standing import AssociationLost

pytestmark = pytest.mark.anyio
ALL: dict[Path, str] = {(0x0020000D,): ""}


async def test_all_answers_are_heard() -> None:
    async with knowing(trials=()) as (known, pacs):
        heard = await ask(known, Level.STUDY, ALL, 50)
        assert (len(heard.seen), heard.cut, heard.told, heard.refusal) == (12, False, False, None)
        assert pacs.cancels == 0


async def test_no_more_are_heard_than_wanted_and_an_abort_stops_the_rest() -> None:
    async with knowing(Quirks(endless=True), trials=()) as (known, pacs):
        heard = await ask(known, Level.STUDY, ALL, 5)
        assert (len(heard.seen), heard.cut) == (5, True)
        assert pacs.cancels == 0


async def test_a_refusal_is_heard() -> None:
    async with knowing(Quirks(relational=False), trials=()) as (known, _):
        heard = await ask(known, Level.SERIES, {(0x0020000E,): "1.2"}, 5)
        assert isinstance(heard.refusal, BadQuery)


async def test_what_is_not_offered_is_a_refusal() -> None:
    refuses = frozenset(("1.2.840.10008.5.1.4.1.2.2.1",))
    async with knowing(Quirks(refuses=refuses), trials=()) as (known, _):
        heard = await ask(known, Level.STUDY, ALL, 5)
        assert heard.refusal is not None


async def test_what_came_before_the_end_is_kept() -> None:
    async with knowing(Quirks(drops=Point.BETWEEN, after=3), trials=()) as (known, _):
        heard = await ask(known, Level.STUDY, ALL, 50)
        assert (len(heard.seen), type(heard.broken)) == (3, AssociationLost)


async def test_silence_is_told() -> None:
    async with knowing(Quirks(stalls=Point.REQUEST), trials=()) as (known, _):
        with pytest.raises(BackendTimeout):
            await ask(known, Level.STUDY, ALL, 50)
