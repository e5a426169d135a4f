"""What a FHIR server may say to a resource that is brought to it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson
import pytest
from tests.backends.dicomweb.served import Request, lying, said
from tests.net.webserver import client

from hilum.backends.fhir.push import Identified, Server, Unsettled
from hilum.core.work import Again, Never

pytestmark = pytest.mark.anyio
BY = Identified("urn:dicom:uid", "urn:oid:1.2")
PATIENT = {"resourceType": "Patient", "gender": "other"}
Answers = list[bytes]


@asynccontextmanager
async def serving(*answers: bytes) -> AsyncIterator[tuple[Server, list[Request]]]:
    """A server that says these, one after another; and what it was asked."""
    asked: list[Request] = []
    left = [*answers]

    async def answer(request: Request, writer: object) -> None:
        asked.append(request)
        writer.write(left.pop(0))  # type: ignore[attr-defined]

    async with lying(answer) as liar, client(liar.url) as opened:
        yield Server(opened), asked


def json(status: int, content: object, *headers: str) -> bytes:
    return said(status, orjson.dumps(content), "application/fhir+json", *headers)


@pytest.mark.parametrize(
    "answer",
    [
        json(200, {"resourceType": "Patient", "id": "7"}),
        json(201, {}, "Location: https://far/fhir/Patient/7/_history/2"),
        said(200, b"", "text/plain", "Location: Patient/7"),
        json(201, {"resourceType": "OperationOutcome"}, "Content-Location: /fhir/Patient/7"),
    ],
)
async def test_the_id_is_read_wherever_it_is_told(answer: bytes) -> None:
    async with serving(answer) as (server, asked):
        assert await server.update(PATIENT, BY) == "7"
    assert asked[0].method == "PUT"
    assert asked[0].target == "/web/Patient?identifier=urn%3Adicom%3Auid%7Curn%3Aoid%3A1.2"
    assert orjson.loads(asked[0].body) == PATIENT


async def test_one_that_tells_no_id_is_asked_for_it() -> None:
    found = {"resourceType": "Bundle", "entry": [{"resource": {**PATIENT, "id": "7"}}]}
    outcome = {"resourceType": "OperationOutcome", "id": "8"}
    async with serving(json(200, outcome), json(200, found)) as (server, asked):
        assert await server.create(PATIENT, BY) == "7"
    assert asked[0].headers["if-none-exist"] == asked[1].query


@pytest.mark.parametrize(
    ("status", "settles"),
    [
        (400, Never("the server answered 400 (invariant)")),
        (404, Never("the server answered 404 (invariant)")),
        (422, Never("the server answered 422 (invariant)")),
        (409, Again("the server answered 409 (invariant)")),
        (412, Again("the server answered 412 (invariant)")),
        (401, Again("the server answered 401 (invariant)", is_down=True)),
        (429, Again("the server answered 429 (invariant)", is_down=True)),
        (503, Again("the server answered 503 (invariant)", is_down=True)),
        (500, Again("the server answered 500 (invariant)")),
        (302, Again("the server answered 302 (invariant)")),
    ],
)
async def test_a_refusal_is_told_from_what_may_go_well_later(
    status: int, settles: Again | Never
) -> None:
    outcome = {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": "error", "code": "invariant", "diagnostics": "Jane Doe"}],
    }
    async with serving(json(status, outcome)) as (server, _):
        with pytest.raises(Unsettled) as raised:
            await server.put(PATIENT, BY)
    assert raised.value.outcome == settles


async def test_it_is_left_alone_for_as_long_as_it_says() -> None:
    answer = said(429, b"later", "text/plain", "Retry-After: 17")
    async with serving(answer) as (server, _):
        with pytest.raises(Unsettled) as raised:
            await server.put(PATIENT, BY)
    assert raised.value.outcome == Again("the server answered 429", 17.0, is_down=True)


async def test_what_was_seen_is_changed_and_nothing_newer() -> None:
    study = {"resourceType": "ImagingStudy", "id": "a", "meta": {"versionId": "3"}}
    other = {"resourceType": "Patient", "id": "b"}
    nonsense = [{"resource": {"resourceType": "ImagingStudy", "id": "../x"}}, {}, 5]
    found = {
        "resourceType": "Bundle",
        "entry": [{"resource": study}, {"resource": other}, *nonsense],
    }
    async with serving(json(200, found), json(200, study)) as (server, asked):
        assert await server.found("ImagingStudy", BY) == [study]
        await server.change(study)
    assert (asked[1].method, asked[1].target) == ("PUT", "/web/ImagingStudy/a")
    assert asked[1].headers["if-match"] == 'W/"3"'


def test_signs_that_mean_something_in_a_search_are_escaped() -> None:
    assert Identified("a|b", "c,d$e\\").search == "identifier=a%5C%7Cb%7Cc%5C%2Cd%5C%24e%5C%5C"
