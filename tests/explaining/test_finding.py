from pathlib import Path

import pytest
from tests.explaining.told import settings

from hilum.core.explained import Way
from hilum.explaining.far import opened
from hilum.explaining.finding import finding, limits
from hilum.model.errors import BadQuery
from hilum.model.identity import Level
from hilum.model.query import Query

pytestmark = pytest.mark.anyio

NAME, STUDY, MODALITY = (0x0010_0010,), (0x0020_000D,), (0x0008_0060,)
MODALITIES = (0x0008_0061,)


async def ways(folder: Path, mount: str, query: Query) -> list[Way]:
    async with opened(settings(folder), mount) as far:
        return finding(query, far)


async def test_one_way_is_always_taken(tmp_path: Path) -> None:
    (way,) = await ways(tmp_path, "PACS", Query(Level.STUDY, {NAME: "A*"}))
    assert way.when == ""
    (step,) = way.steps
    assert "(0010,0010) PatientName = A*" in step.sends[0]
    assert step.filtered == ["PatientName = A*"]


async def test_both_ways_are_told_where_only_the_far_side_knows(tmp_path: Path) -> None:
    query = Query(Level.SERIES, {NAME: "A*", MODALITY: "CT"})
    for mount in ("PACS", "CLOUD"):
        direct, walked = await ways(tmp_path, mount, query)
        assert direct.when
        assert walked.when
        assert [step.level for step in direct.steps] == ["SERIES"]
        assert [step.level for step in walked.steps] == ["STUDY", "SERIES"]
        assert any("{StudyInstanceUID}" in line for line in walked.steps[1].sends[0])
    (only,) = await ways(tmp_path, "STRICT", query)
    assert [step.level for step in only.steps] == ["STUDY", "SERIES"]


async def test_a_fhir_server_is_searched_for_studies_at_every_level(tmp_path: Path) -> None:
    for level in (Level.PATIENT, Level.STUDY, Level.SERIES):
        (way,) = await ways(tmp_path, "INDEX", Query(level, {NAME: "A^B*"}))
        ((sent,),) = way.steps[0].sends
        assert "/ImagingStudy?patient.name=A&patient.given=B&_include=" in sent


async def test_lists_are_shown_question_by_question(tmp_path: Path) -> None:
    (way,) = await ways(tmp_path, "PACS", Query(Level.STUDY, {MODALITIES: "CT\\MR"}))
    assert len(way.steps[0].sends) == 2
    assert any("2 questions" in note for note in way.notes)
    assert any("SERIES" in note for note in way.notes)


async def test_patients_are_grouped_where_there_is_no_level_for_them(tmp_path: Path) -> None:
    offered, grouped = await ways(tmp_path, "PACS", Query(Level.PATIENT, {NAME: "A*"}))
    assert (offered.steps[0].level, grouped.steps[0].level) == ("PATIENT", "STUDY")
    (way,) = await ways(tmp_path, "CLOUD", Query(Level.PATIENT))
    assert any("one patient" in note for note in way.notes)


async def test_an_archive_answers_from_its_index(tmp_path: Path) -> None:
    (way,) = await ways(tmp_path, "ARCHIVE", Query(Level.IMAGE, {NAME: "A*"}))
    assert way.steps == []
    assert "index" in way.notes[0]
    with pytest.raises(BadQuery, match="not a date"):
        await ways(tmp_path, "ARCHIVE", Query(Level.STUDY, {(0x0008_0020,): "yesterday"}))


async def test_limits_are_told(tmp_path: Path) -> None:
    for mount, how in (("PACS", "C-CANCEL"), ("STRICT", "ending the association")):
        async with opened(settings(tmp_path), mount) as far:
            said = " ".join(limits(Query(Level.STUDY, limit=5, offset=2), far))
            assert how in said
            assert "first 2 matches" in said
            assert list(limits(Query(Level.STUDY), far)) == []
