"""What every answer of FHIR must be: as fhir.resources has it, and what that does not look at."""

import re
from typing import Any

import httpx
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.capabilitystatement import CapabilityStatement
from fhir.resources.R4B.endpoint import Endpoint
from fhir.resources.R4B.imagingstudy import ImagingStudy
from fhir.resources.R4B.operationoutcome import OperationOutcome
from fhir.resources.R4B.patient import Patient
from fhir.resources.R4B.subscription import Subscription

# R4B's models of these types are those of R4.
MODELS = {
    each.__name__: each
    for each in (
        *(Bundle, CapabilityStatement, Endpoint, ImagingStudy, OperationOutcome, Patient),
        Subscription,
    )
}
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
PRIMITIVES = {  # as R4 §2.24.0.1 writes them
    "string": re.compile(r"[ \r\n\t\S]+", re.ASCII),
    "dateTime": re.compile(
        r"([0-9]([0-9]([0-9][1-9]|[1-9]0)|[1-9]00)|[1-9]000)(-(0[1-9]|1[0-2])(-(0[1-9]|[1-2][0-9]"
        r"|3[0-1])(T([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\.[0-9]+)?"
        r"(Z|(\+|-)((0[0-9]|1[0-3]):[0-5][0-9]|14:00)))?)?)?"
    ),
}
GENDERS = {"male", "female", "other", "unknown"}


def valid(resource: dict[str, Any]) -> dict[str, Any]:
    """The resource, which is one."""
    MODELS[resource["resourceType"]].model_validate(resource)
    assert "id" not in resource or _ID.fullmatch(resource["id"])
    assert resource.get("gender", "other") in GENDERS
    entries = resource.get("entry", ())
    urls = [each["fullUrl"] for each in entries if "fullUrl" in each]
    assert len(urls) == len(set(urls))
    for each in entries:
        valid(each["resource"])
        assert each["search"]["mode"] in {"match", "include", "outcome"}
        is_outcome = each["resource"]["resourceType"] == "OperationOutcome"
        assert is_outcome is (each["search"]["mode"] == "outcome")
    return resource


def read(answer: httpx.Response, status: int = 200) -> dict[str, Any]:
    """What is in an answer, which is well-formed and has that status."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/fhir+json"
    return valid(answer.json())


def matches(bundle: dict[str, Any], mode: str = "match") -> list[dict[str, Any]]:
    """The resources of a Bundle that are there for that."""
    assert bundle["type"] == "searchset"
    return [each["resource"] for each in bundle.get("entry", ()) if each["search"]["mode"] == mode]


def ids(bundle: dict[str, Any]) -> list[str]:
    return [each["id"] for each in matches(bundle)]


def link(bundle: dict[str, Any], relation: str) -> str | None:
    return next((each["url"] for each in bundle["link"] if each["relation"] == relation), None)
