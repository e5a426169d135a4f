"""Does the HTTP door do what the statement says? By requests."""

import contextlib
import re
from collections.abc import Mapping
from typing import Any

import httpx

from hilum.cli.stated.facts import DELETE
from hilum.cli.tested.row import Failed, Row, Skipped, Subject, shortened
from hilum.cli.walk.row import counted
from hilum.frontends.dicomweb.resources import OF_A_MOUNT
from hilum.frontends.fhir.kinds import ENDPOINTS, PATIENTS, STUDIES

_JSON = "application/dicom+json"
_OTHER = "it runs with another configuration: restart it, or name its configuration by --config"
_AS_STORED = 'application/dicom; transfer-syntax="*"'
_LONGEST = 160  # characters of what an answer says
_LATER = (httpx.codes.ACCEPTED, httpx.codes.SERVICE_UNAVAILABLE)


async def get(
    subject: Subject, path: str, accept: str = "application/json", **query: str
) -> httpx.Response:
    """A good answer.

    Raises:
        Failed: it is none.
    """
    headers = {"Accept": accept, **subject.headers}
    answer = await subject.client.get(path, headers=headers, params=query or None)
    return good(subject, answer)


def good(subject: Subject, answer: httpx.Response) -> httpx.Response:
    """An answer that is good.

    Raises:
        Failed: it is none.
    """
    if answer.is_success:
        return answer
    raise Failed(f"{answer.status_code}: {_reason(answer)}", _fix(subject, answer.status_code))


def _reason(answer: httpx.Response) -> str:
    """What an answer says of what went wrong."""
    said: Any = None
    with contextlib.suppress(ValueError):
        said = answer.json()
    if isinstance(said, dict):
        issues = said.get("issue") or [{}]
        said = said.get("error") or issues[0].get("diagnostics")
    return str(said or " ".join(answer.text.split()))[:_LONGEST]


def _fix(subject: Subject, status: int) -> str:
    match status:
        case 401:
            return "logins are on: show a token by --token FILE"
        case 403:
            return "the token lacks a right there: `hilum explain REQUEST --token FILE`"
        case 404:
            return _OTHER
        case 502 | 504:
            return subject.far
        case _:
            return "the broker's log says more, by the answer's X-Request-ID"


async def _alive(subject: Subject) -> str:
    answer = await get(subject, "/livez")
    return str(answer.json()["status"])


async def _ready(subject: Subject) -> str:
    answer = await subject.client.get("/readyz", headers=subject.headers)
    found = answer.json()
    if not answer.is_success:
        why = "; ".join(map(str, found.get("reasons", {}).values()))
        raise Failed(
            f"{answer.status_code}: {why}", "it is about databases, disks or queues of ours"
        )
    return str(found["status"])


async def _health(subject: Subject) -> str:
    answer = await get(subject, subject.root)
    found = answer.json()
    if found["backend"] != subject.entity.backend:
        raise Failed(f"its backend is {found['backend']}", _OTHER)
    return str(found["status"])


async def _capabilities(subject: Subject) -> str:
    """PS3.18 §8.9: what is told must be what the statement lists."""
    headers = {"Accept": "application/json", **subject.headers}
    answer = await subject.client.request("OPTIONS", f"{subject.root}/studies", headers=headers)
    described = good(subject, answer).json()["resources"]
    told = {(each["path"], m["name"]) for each in described for m in each["methods"]}
    deletes = any(each.name == DELETE for each in subject.entity.services)
    stated = {
        (re.sub(r":path}", "}", each.path) or "/", method)
        for each in OF_A_MOUNT
        for method in each.methods
        if deletes or method != "DELETE" or "/studies" not in each.path or "send" in each.path
    }
    wrong = sorted(f"{method} {path}" for path, method in told ^ stated)
    if wrong:
        raise Failed(f"told and stated differ: {shortened(wrong)}", _OTHER)
    return f"{counted(len(stated), 'method')} of {counted(len(described), 'resource')}"


async def _openapi(subject: Subject) -> str:
    answer = await get(subject, "/openapi.json")
    return f"OpenAPI {answer.json()['openapi']}, {len(answer.json()['paths'])} paths"


async def _studies(subject: Subject) -> str:
    query = {"StudyInstanceUID": subject.found.study} if subject.found.study else {}
    found = await _search(subject, "/studies", query)
    if found and not subject.found.study:
        subject.found.study = _value(found[0], "0020000D")
    if found:
        subject.found.patient = subject.found.patient or _value(found[0], "00100020")
    return f"{len(found)} found"


async def _series(subject: Subject) -> str:
    found = await _search(subject, f"/studies/{_study(subject)}/series", {})
    if found:
        subject.found.series = subject.found.series or _value(found[0], "0020000E")
    return f"{len(found)} found"


async def _instances(subject: Subject) -> str:
    series = subject.found.series
    if not series:
        raise Skipped("no series was found")
    path = f"/studies/{_study(subject)}/series/{series}/instances"
    found = await _search(subject, path, {})
    if found:
        subject.found.instance = subject.found.instance or _value(found[0], "00080018")
    return f"{len(found)} found"


async def _search(subject: Subject, path: str, query: Mapping[str, str]) -> list[Any]:
    answer = await get(subject, subject.root + path, _JSON, limit="5", **query)
    found = answer.json() if answer.content else []
    if not isinstance(found, list):
        raise Failed("the answer is no array")
    return found


def _value(attributes: Mapping[str, Any], tag: str) -> str:
    return str((attributes.get(tag, {}).get("Value") or [""])[0])


def _study(subject: Subject) -> str:
    if not subject.found.study:
        raise Skipped("no study was found")
    return subject.found.study


def _retrieve(what: str, below: str, accept: str) -> Row:
    async def run(subject: Subject) -> str:
        found = subject.found
        if not (_study(subject) and found.series and found.instance):
            raise Skipped("no instance was found")
        path = f"/studies/{found.study}/series/{found.series}/instances/{found.instance}{below}"
        headers = {"Accept": accept, **subject.headers}
        answer = await subject.client.get(subject.root + path, headers=headers)
        if answer.status_code in _LATER and "retry-after" in answer.headers:
            return f"{answer.status_code}: it is being fetched, come back later"
        if below and answer.status_code in (404, 406):
            raise Skipped(f"{answer.status_code}: the instance that was found is no such image")
        answer = good(subject, answer)
        kind = answer.headers["content-type"].partition(";")[0]
        return f"{answer.status_code}, {len(answer.content) / 1000:.0f} KB as {kind}"

    return Row(what, "http", run)


async def _fhir(subject: Subject) -> str:
    answer = await get(subject, f"{subject.root}/fhir/metadata", "application/fhir+json")
    found = answer.json()
    told = {each["type"] for each in found["rest"][0].get("resource", ())}
    missing = {STUDIES.type, PATIENTS.type, ENDPOINTS.type} - told
    if missing:
        raise Failed(f"it lacks {shortened(sorted(missing))}", _OTHER)
    return f"FHIR {found['fhirVersion']}: {', '.join(sorted(told))}"


async def _fhir_search(subject: Subject) -> str:
    path = f"{subject.root}/fhir/ImagingStudy"
    query = (
        {"identifier": f"urn:dicom:uid|urn:oid:{subject.found.study}"}
        if subject.found.study
        else {}
    )
    answer = await get(subject, path, "application/fhir+json", _count="1", **query)
    return f"{counted(len(answer.json().get('entry', ())), 'resource')} in a Bundle"


async def _without_login(subject: Subject) -> str:
    if not subject.settings.auth.enabled:
        raise Skipped("auth.enabled is false: nobody needs a login")
    if subject.settings.auth.anonymous:
        raise Skipped("auth.anonymous lets everybody ask")
    answer = await subject.client.get(f"{subject.root}/studies", headers={"Accept": _JSON})
    if answer.status_code != httpx.codes.UNAUTHORIZED:
        raise Failed(f"{answer.status_code}, not 401", _OTHER)
    return f"401, {answer.headers.get('www-authenticate', '')}"


OF_THE_SERVICE = (
    Row("GET /livez", "http", _alive),
    Row("GET /readyz", "http", _ready),
    Row("GET /openapi.json", "http", _openapi),
)
"""Once, whatever the mount."""

ROWS = (
    Row("health of the mount", "http", _health),
    Row("OPTIONS: capabilities", "http", _capabilities),
    Row("QIDO-RS studies", "http", _studies),
    Row("QIDO-RS series", "http", _series),
    Row("QIDO-RS instances", "http", _instances),
    _retrieve("WADO-RS metadata", "/metadata", _JSON),
    _retrieve("WADO-RS instance", "", _AS_STORED),
    _retrieve("WADO-RS frame", "/frames/1", 'multipart/related; type="application/octet-stream"'),
    _retrieve("WADO-RS rendered", "/rendered", "image/jpeg"),
    Row("FHIR metadata", "http", _fhir),
    Row("FHIR search", "http", _fhir_search),
    Row("a request without a login is refused", "http", _without_login),
)
