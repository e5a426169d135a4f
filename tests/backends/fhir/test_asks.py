from typing import Any

import pytest
from tests.backends.dicomweb.served import said
from tests.backends.fhir.served import PATIENT, bundle, by_path, endpoint, over, study

from hilum.core.adapt import Adapted
from hilum.model.errors import TooLarge
from hilum.model.identity import Level
from hilum.model.query import Query

pytestmark = pytest.mark.anyio

SERIES = [
    {
        "uid": "1.1.1",
        "modality": {"code": "CT"},
        "numberOfInstances": 1,
        "instance": [{"uid": "1.1.1.1", "sopClass": {"code": "urn:oid:1.2.3"}, "number": 4}],
    }
]
REFERRER, NAME, STUDY_ID = (0x0008_0090,), (0x0010_0010,), (0x0020_0010,)
STUDY, MODALITY = (0x0020_000D,), (0x0008_0060,)


async def asked(answers: dict[str, bytes], query: Query, **settings: Any) -> tuple[Any, Any]:
    """The answers, and what is said of them."""
    async with (
        over(by_path(answers), **settings) as (index, _liar),
        Adapted(index, 10).find(query) as found,
    ):
        return [each.decoded() async for each in found], found.warnings


async def test_series_and_instances_are_told_by_the_resource() -> None:
    answers = {"/ImagingStudy": bundle([study("1.1", series=SERIES)], [PATIENT])}
    (series,), _ = await asked(answers, Query(Level.SERIES, {MODALITY: "CT"}))
    assert series["0020000E"]["Value"] == ["1.1.1"]
    assert series["00100020"]["Value"] == ["P1"]
    (instance,), _ = await asked(answers, Query(Level.IMAGE))
    assert instance["00080016"]["Value"] == ["1.2.3"]
    assert instance["00200013"]["Value"] == [4]
    assert await asked(answers, Query(Level.SERIES, {MODALITY: "MR"})) == ([], [])


@pytest.mark.parametrize("level", [Level.SERIES, Level.IMAGE])
async def test_where_the_resource_does_not_tell_dicomweb_does(level: Level) -> None:
    series = b'"0020000E": {"vr": "UI", "Value": ["1.1.1"]}'
    instance = b'"00080018": {"vr": "UI", "Value": ["1.1.1.1"]}'
    answers = {
        "/series": said(200, b"[{" + series + b"}]"),
        "/instances": said(200, b"[{" + series + b"," + instance + b"}]"),
    }
    async with over(by_path(answers)) as (index, liar):
        bare = [study("1.1"), study("1.2", series=[], numberOfSeries=0)]
        answers["/ImagingStudy"] = bundle(bare, [PATIENT, endpoint(f"{liar.url}/dicom")])
        async with Adapted(index, 10).find(Query(level)) as found:
            (only,) = [each.decoded() async for each in found]
        assert only["0020000E"]["Value"] == ["1.1.1"]
        assert only["0020000D"]["Value"] == ["1.1"]
        assert only["00100020"]["Value"] == ["P1"]
        below = [each for each in liar.targets if "/dicom/" in each]
        assert below
        assert all(each.startswith("/web/dicom/studies/1.1/") for each in below)


async def test_what_nobody_tells_is_counted() -> None:
    answers = {"/ImagingStudy": bundle([study("1.1", at=""), study("x")], [PATIENT])}
    found, warnings = await asked(answers, Query(Level.SERIES))
    assert found == []
    assert warnings == ["2 of the far side's answers could not be read."]


async def test_no_more_studies_are_looked_into_than_may_be() -> None:
    answers = {"/series": said(200, b"[]")}
    async with over(by_path(answers), walk_limit=2) as (index, liar):
        many = [study(f"1.{number}") for number in range(1, 4)]
        answers["/ImagingStudy"] = bundle(many, [PATIENT, endpoint(liar.url)])
        with pytest.raises(TooLarge, match="more than 2 studies"):
            async with index.ask(Query(Level.SERIES)) as replies:
                assert [each async for each in replies] == []


async def test_what_fhir_does_not_know_is_told() -> None:
    answers = {"/ImagingStudy": bundle([study("1.1")], [PATIENT])}
    found, warnings = await asked(answers, Query(Level.STUDY, {STUDY_ID: "7"}))
    assert len(found) == 1
    assert "StudyID" in warnings[0]


async def test_names_as_they_are_spoken_are_compared_by_their_words() -> None:
    known = [
        study("1.1", referrer={"display": "Dr. Gregory House"}),
        study("1.2", referrer={"display": "James Wilson"}),
        study("1.3"),
    ]
    answers = {"/ImagingStudy": bundle(known, [PATIENT])}
    found, warnings = await asked(answers, Query(Level.STUDY, {REFERRER: "House^G*"}))
    assert [each["0020000D"]["Value"][0] for each in found] == ["1.1"]
    assert "ReferringPhysicianName" in warnings[0]


async def test_fuzzy_names_are_matched_here() -> None:
    other = {**PATIENT, "id": "2", "name": [{"family": "Roe"}]}
    studies = [study("1.1"), study("1.2", subject={"reference": "Patient/2"})]
    answers = {"/ImagingStudy": bundle(studies, [PATIENT, other])}
    found, warnings = await asked(answers, Query(Level.STUDY, {NAME: "jane"}, fuzzy=True))
    assert [each["0020000D"]["Value"][0] for each in found] == ["1.1"]
    assert warnings == []


async def test_what_is_sent_can_be_told() -> None:
    async with over(by_path({})) as (index, liar):
        uids = "\\".join(f"1.{number}" for number in range(1, 60))
        lines = index.told(Query(Level.STUDY, {STUDY: uids}))
        assert len(lines) == 2
        assert lines[0].startswith(f"GET {liar.url}/ImagingStudy?identifier=urn:dicom:uid|")
        assert (await index.abilities()).relational
