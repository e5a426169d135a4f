from pathlib import Path

import pytest
from tests.explaining.told import settings

from hilum.core.explained import Route
from hilum.explaining.request import of_line
from hilum.explaining.route import route
from hilum.model.errors import BadQuery, NotFound

pytestmark = pytest.mark.anyio


async def told(folder: Path, line: str) -> Route:
    found = settings(folder)
    return await route(of_line(line, found), found, [])


def sent(found: Route, way: int = 0) -> list[str]:
    """The first question of a way."""
    return found.ways[way].steps[0].sends[0]


async def test_a_search_becomes_the_keys_that_are_asked(tmp_path: Path) -> None:
    line = "/fhir/ImagingStudy?patient=Patient/7&modality=CT&started=ge2024&colour=red"
    found = await told(tmp_path, line)
    assert (found.operation, found.mount) == ("search", "PACS")
    lines = sent(found)
    for key in ("StudyDate = 20240101-", "ModalitiesInStudy = CT", "PatientID = {PatientID}"):
        assert any(each.endswith(key) for each in lines), key
    assert "each answer is held here against patient, modality, started" in found.notes
    assert "colour cannot be searched by, and is left out" in found.notes
    assert any("at most 1000 answers" in each for each in found.notes)


async def test_a_posted_search_and_one_at_the_archive(tmp_path: Path) -> None:
    (way,) = (await told(tmp_path, "POST /aets/ARCHIVE/fhir/Patient/_search")).ways
    assert "nothing is sent" in way.notes[0]


async def test_searches_whose_answers_are_joined_are_all_shown(tmp_path: Path) -> None:
    found = await told(tmp_path, "/aets/CLOUD/fhir/ImagingStudy?identifier=1.2")
    assert [each.when.partition(",")[0] for each in found.ways] == [
        "search 1 of 2",
        "search 2 of 2",
    ]
    assert "/studies?00080050=1.2" in " ".join(sent(found, 1))


async def test_what_is_below_a_study_is_asked_for_first(tmp_path: Path) -> None:
    line = "ImagingStudy?bodysite=T-D1100"
    first, *_, last = (await told(tmp_path, f"/aets/CLOUD/fhir/{line}")).ways
    assert first.when.startswith("first, which studies have bodysite")
    assert "then" in last.when
    assert "0020000D={StudyInstanceUID}" in last.steps[0].sends[0][0]
    (way,) = (await told(tmp_path, f"/aets/ARCHIVE/fhir/{line}")).ways
    assert way.steps == []


async def test_classes_are_asked_for_where_answers_are_held_against_them(tmp_path: Path) -> None:
    found = await told(tmp_path, "/fhir/ImagingStudy?dicom-class=urn:oid:1.2.840.10008.5.1.4.1.1.2")
    assert "(0008,0062) SOPClassesInStudy =" in sent(found)


async def test_single_resources(tmp_path: Path) -> None:
    assert any("= 1.2.3" in each for each in sent(await told(tmp_path, "/fhir/ImagingStudy/1.2.3")))
    assert any("{PatientID}" in each for each in sent(await told(tmp_path, "/fhir/Patient/x")))
    assert (await told(tmp_path, "/fhir/Endpoint/wado-rs")).ways[0].steps == []
    with pytest.raises(NotFound):
        await told(tmp_path, "/fhir/ImagingStudy/x")
    with pytest.raises(BadQuery):
        await told(tmp_path, "/fhir/ImagingStudy?started=yesterday")
