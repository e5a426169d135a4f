"""FHIR servers for tests: what they say is written by the test."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from tests.backends.dicomweb.served import Answers, Liar, Request, lying, said

from hilum.backends.fhir import Index, open_index
from hilum.config.mounts import FhirMount

FHIR_JSON = "application/fhir+json"


def study(uid: str, at: str | list[dict[str, str]] = "wado", **more: Any) -> dict[str, Any]:
    named = [{"reference": f"Endpoint/{at}"}] if isinstance(at, str) and at else at
    return {
        "resourceType": "ImagingStudy",
        "id": uid,
        "status": "available",
        "identifier": [{"system": "urn:dicom:uid", "value": f"urn:oid:{uid}"}],
        "subject": {"reference": "Patient/1"},
        "endpoint": named or [],
        **more,
    }


def endpoint(address: str, name: str = "wado", kind: str = "dicom-wado-rs") -> dict[str, Any]:
    return {
        "resourceType": "Endpoint",
        "id": name,
        "status": "active",
        "connectionType": {"code": kind},
        "address": address,
    }


PATIENT = {
    "resourceType": "Patient",
    "id": "1",
    "identifier": [{"value": "P1"}],
    "name": [{"family": "Doe", "given": ["Jane"]}],
}


def bundle(
    matches: Iterable[dict[str, Any]],
    beside: Iterable[dict[str, Any]] = (),
    following: str = "",
    **more: Any,
) -> bytes:
    """An answer to a search."""
    entries = [{"resource": each, "search": {"mode": "match"}} for each in matches]
    entries += [{"resource": each, "search": {"mode": "include"}} for each in beside]
    links = [{"relation": "next", "url": following}] if following else []
    made = {"resourceType": "Bundle", "type": "searchset", "link": links, "entry": entries, **more}
    return said(200, json.dumps(made).encode(), FHIR_JSON)


def outcome(status: int, code: str) -> bytes:
    issue = {"severity": "error", "code": code, "diagnostics": "Doe^Jane"}
    made = {"resourceType": "OperationOutcome", "issue": [issue]}
    return said(status, json.dumps(made).encode(), FHIR_JSON)


def by_path(answers: Mapping[str, bytes]) -> Answers:
    """An answer by the end of the path; the test may put in more later."""

    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        found = (data for end, data in answers.items() if request.path.endswith(end))
        writer.write(next(found, said(404)))

    return answer


@asynccontextmanager
async def index(url: str, **settings: Any) -> AsyncIterator[Index]:
    mount = FhirMount(backend="fhir", url=url, **{"backoff": 0.01, "retries": 1, **settings})
    async with open_index(mount, "FAR") as opened:
        yield opened


@asynccontextmanager
async def over(answers: Answers, **settings: Any) -> AsyncIterator[tuple[Index, Liar]]:
    """A mount on a server that answers like that."""
    async with lying(answers) as liar, index(liar.url, **settings) as opened:
        yield opened, liar
