from datetime import UTC, datetime, timedelta

import pytest
from tests.backends.dimse.trial.known import HELD, found, knowing
from tests.contract.made import made, uid
from tests.quirky import Point, Quirks

from hilum.backends.dimse.trial.doors import doors
from hilum.backends.dimse.trial.sample import MOST, sample
from hilum.codec.sop_class import FIND
from hilum.model.errors import NotOffered

pytestmark = pytest.mark.anyio
FIRST = [doors, sample]


async def test_the_newest_studies_are_asked_for_first() -> None:
    yesterday = f"{datetime.now(UTC).date() - timedelta(days=1):%Y%m%d}"
    held = [*HELD, made(99, StudyDate=yesterday)]
    async with knowing(trials=FIRST, held=held) as (known, pacs):
        assert [each.value(0x0020000D) for each in known.studies] == [uid(99)]
        assert len(pacs.of("C-FIND")) == 1
        assert pacs.of("C-FIND")[0].keys[0x00080020,].endswith("-")


async def test_the_smallest_study_is_taken() -> None:
    held = [*HELD, made(50, StudyDate="20200101")]
    async with knowing(trials=FIRST, held=held) as (known, _):
        assert known.study is not None
        assert known.study.value(0x0020000D) == uid(50)


async def test_nothing_there_is_no_study() -> None:
    async with knowing(trials=FIRST, held=[]) as (known, _):
        assert (known.study, found(known, "studies").value) == (None, 0)


async def test_no_more_are_looked_at_than_needed() -> None:
    async with knowing(Quirks(endless=True), FIRST) as (known, _):
        assert len(known.studies) == MOST
        assert found(known, "duplicates").value == MOST - 12


async def test_what_came_before_the_end_will_do() -> None:
    async with knowing(Quirks(drops=Point.ANSWER, after=2), FIRST) as (known, _):
        assert len(known.studies) == 2
        assert "and then fails" in found(known, "studies").text


async def test_without_a_search_there_is_nothing() -> None:
    with pytest.raises(NotOffered):
        async with knowing(Quirks(refuses=FIND), FIRST):
            pass
