import pytest
from tests.backends.dicomweb.served import always, said
from tests.backends.fhir.served import PATIENT, bundle, outcome, over, study

from hilum.backends.fhir import Index
from hilum.model.errors import (
    BackendFault,
    BadQuery,
    CredentialsRefused,
    Forbidden,
    HilumError,
    NotFound,
    OutOfResources,
)
from hilum.model.identity import Level
from hilum.model.query import Query

pytestmark = pytest.mark.anyio

EVERY = Query(Level.STUDY)


async def found(index: Index, query: Query = EVERY) -> list[str]:
    async with index.ask(query) as replies:
        return [each["0020000D"]["Value"][0] async for each in replies]


async def test_pages_follow_each_other_and_nothing_comes_twice() -> None:
    pages = (
        bundle([study("1.1"), study("1.2")], [PATIENT], "?page=2"),
        bundle([study("1.2"), study("1.3")], [PATIENT], "/web/ImagingStudy?page=3"),
        bundle([study("1.4")], [PATIENT]),
    )
    async with over(always(*pages)) as (index, liar):
        assert await found(index) == ["1.1", "1.2", "1.3", "1.4"]
        assert liar.targets[1:] == ["/web/ImagingStudy?page=2", "/web/ImagingStudy?page=3"]


@pytest.mark.parametrize("end", ["same", "empty", "total"])
async def test_what_does_not_end_is_ended_and_told(end: str) -> None:
    first = bundle([study("1.1")], [PATIENT], "" if end == "total" else "?page=2", total=3)
    rest = {
        "same": bundle([study("1.2")], [PATIENT], "?page=2"),
        "empty": bundle([], [], "?page=3"),
        "total": first,
    }[end]
    async with over(always(first, rest)) as (index, liar), index.ask(EVERY) as replies:
        assert [each async for each in replies]
        assert replies.is_cut
        assert len(liar.asked) == (1 if end == "total" else 2)


@pytest.mark.parametrize(
    "following", ["http://169.254.169.254/latest", "https://127.0.0.1/", "http://[::1", "file:///x"]
)
async def test_a_page_elsewhere_is_not_asked_for(following: str) -> None:
    answers = always(bundle([study("1.1")], [PATIENT], following))
    async with over(answers) as (index, liar):
        with pytest.raises(BackendFault, match="another server"):
            await found(index)
        assert len(liar.asked) == 1


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (outcome(400, "invalid"), BadQuery),
        (outcome(422, "processing"), BadQuery),
        (outcome(400, "security"), Forbidden),
        (said(400, b"<html>", "text/html"), BadQuery),
        (outcome(401, "login"), CredentialsRefused),
        (outcome(403, "forbidden"), CredentialsRefused),
        (outcome(404, "not-found"), NotFound),
        (outcome(429, "throttled"), OutOfResources),
        (outcome(503, "transient"), OutOfResources),
        (outcome(500, "exception"), BackendFault),
        (said(302, b"", "", "Location: http://169.254.169.254/"), BackendFault),
        (said(200, b"<html>", "text/html"), BackendFault),
        (said(200, b"[1, 2]"), BackendFault),
        (said(200, b'{"resourceType": "Patient"}'), BackendFault),
    ],
)
async def test_errors_are_told_in_our_words(answer: bytes, error: type[HilumError]) -> None:
    async with over(always(answer)) as (index, _liar):
        with pytest.raises(error) as raised:
            await found(index)
        assert type(raised.value) is error
        assert "Doe" not in str(raised.value)


@pytest.mark.parametrize(
    "body",
    [
        b'{"resourceType": "Bundle"}',
        b'{"resourceType": "Bundle", "entry": 1, "link": [1], "total": -1}',
        b'{"resourceType": "Bundle", "entry": [1, {}, {"resource": 1}, {"resource": {}}]}',
        b'{"resourceType": "Bundle", "entry": [{"resource": {"resourceType": "ImagingStudy"}}]}',
        b'{"resourceType": "Bundle", "entry": [{"resource": {"identifier": {"value": 1}}}]}',
    ],
)
async def test_strange_bundles_hold_nothing(body: bytes) -> None:
    async with over(always(said(200, body))) as (index, _liar):
        assert await found(index) == []


async def test_a_page_may_not_be_endless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hilum.backends.fhir.pages.MAX_PAGE", 1000)
    answers = always(bundle([study(f"1.{number}") for number in range(100)], [PATIENT]))
    async with over(answers) as (index, _liar):
        with pytest.raises(BackendFault, match="more than 1000 bytes"):
            await found(index)


async def test_patients_that_did_not_come_along_are_asked_for() -> None:
    others = [study(f"1.{n}", subject={"reference": f"Patient/{n % 2}"}) for n in range(4)]
    answers = always(bundle(others), bundle([{**PATIENT, "id": "0"}, PATIENT]))
    async with over(answers) as (index, liar), index.ask(EVERY) as replies:
        names = [each["00100020"]["Value"] async for each in replies]
        assert names == [["P1"]] * 4
        assert liar.targets[1] == "/web/Patient?_id=0,1&_count=2"


async def test_a_patient_that_is_not_given_is_known_by_what_the_study_says() -> None:
    subject = {
        "reference": "Patient/7",
        "identifier": {"system": "urn:x", "value": "X7"},
        "display": "Jane Doe",
    }
    answers = always(bundle([study("1.1", subject=subject)]), outcome(403, "forbidden"))
    async with over(answers) as (index, _liar), index.ask(EVERY) as replies:
        (only,) = [each async for each in replies]
    assert only["00100020"]["Value"] == ["X7"]
    assert only["00100010"]["Value"] == [{"Alphabetic": "Jane Doe"}]
    assert "00100030" not in only
