from zoneinfo import ZoneInfo

import pytest

from hilum.codec.fhir.dicom_values import (
    code_items,
    day,
    issuer_name,
    issuer_of,
    moment,
    name_of,
    spoken,
)
from hilum.codec.fhir.values import REPRESENTATION, Systems

NOWHERE, BERLIN = Systems(), Systems(zone=ZoneInfo("Europe/Berlin"))


@pytest.mark.parametrize(
    ("text", "systems", "found"),
    [
        ("2026-01-02T10:11:12+01:00", NOWHERE, ("20260102", "101112", "+0100")),
        ("2026-01-02T10:11:12.25Z", NOWHERE, ("20260102", "101112.25", "+0000")),
        ("2026-01-01T23:30:00Z", BERLIN, ("20260102", "003000", "+0100")),
        ("2026-07-01T23:59:60Z", BERLIN, ("20260702", "015959", "+0200")),
        ("2026-01-02T10:11:12", BERLIN, ("20260102", "101112", "")),
        ("2026-01-02", BERLIN, ("20260102", "", "")),
        ("0001-01-01T00:00:00+14:00", BERLIN, ("", "", "")),
        ("2026-01", BERLIN, ("", "", "")),
        ("2026-02-31T10:11:12Z", BERLIN, ("", "", "")),
        ("yesterday", BERLIN, ("", "", "")),
    ],
)
def test_a_moment(text: str, systems: Systems, found: tuple[str, str, str]) -> None:
    assert moment(text, systems) == found


def test_a_day() -> None:
    assert (day("1970-01-01"), day("1970"), day("x")) == ("19700101", "", "")


@pytest.mark.parametrize(
    ("names", "found"),
    [
        ([{"family": "Doe", "given": ["Jane", "Ann", "Eve"]}], {"Alphabetic": "Doe^Jane^Ann Eve"}),
        ([{"family": "Doe", "suffix": ["MD"]}], {"Alphabetic": "Doe^^^^MD"}),
        ([{"given": ["Jane"]}], {"Alphabetic": "^Jane"}),
        ([{"text": "Jane ^Doe="}], {"Alphabetic": "Jane  Doe"}),
        (
            [{"family": "A", "use": "nickname"}, {"family": "B", "use": "usual"}],
            {"Alphabetic": "B"},
        ),
        ([{"family": "A", "use": "old"}], {}),
        (
            [
                {"family": "Yamada"},
                {"family": "山田", "extension": [{"url": REPRESENTATION, "valueCode": "IDE"}]},
            ],
            {"Alphabetic": "Yamada", "Ideographic": "山田"},
        ),
        ([{}], {}),
    ],
)
def test_a_name(names: list[dict[str, object]], found: dict[str, str]) -> None:
    assert name_of(names) == found


def test_a_name_as_it_is_spoken() -> None:
    assert spoken(" Gregory House ") == {"Alphabetic": "Gregory House"}
    assert spoken("^") == {}


def test_codes() -> None:
    long = "12345678901234567"
    concepts = [
        {"coding": [{"system": "http://snomed.info/sct", "code": "1", "display": "one"}]},
        {"coding": [{"system": "urn:oid:1.2", "code": long}], "text": "two"},
        {"text": "three"},
    ]
    first, second = code_items(concepts)
    assert [each["Value"] for each in first.values()] == [["1"], ["SCT"], ["one"]]
    assert second["00080119"] == {"vr": "UC", "Value": [long]}
    assert second["0008010C"]["Value"] == ["1.2"]
    assert second["00080104"]["Value"] == ["two"]


@pytest.mark.parametrize(
    ("identifier", "name", "item"),
    [
        ({"system": "urn:own"}, "", None),
        ({}, "", None),
        ({"system": "urn:oid:1.2"}, "HOSP", ("HOSP", "1.2", "ISO")),
        ({"system": "urn:x", "assigner": {"display": "LAB"}}, "LAB", ("LAB", "urn:x", "URI")),
        ({"system": "urn:uuid:ab"}, "urn:uuid:ab", (None, "ab", "UUID")),
        ({"assigner": {"display": "LAB"}}, "LAB", ("LAB", None, None)),
    ],
)
def test_an_issuer(
    identifier: dict[str, object], name: str, item: tuple[str | None, ...] | None
) -> None:
    systems = Systems(issuers={"HOSP": "urn:oid:1.2"})
    assert issuer_name(identifier, systems, "urn:own") == name
    found = [*issuer_of(identifier, systems, "urn:own")]
    tags = ("00400031", "00400032", "00400033")
    said = [tuple(each.get(tag, {"Value": [None]})["Value"][0] for tag in tags) for each in found]
    assert said == ([item] if item else [])
