from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hilum.codec.fhir.dicom import (
    instance_attributes,
    is_there,
    series_attributes,
    study_attributes,
    study_uid,
)
from hilum.codec.fhir.imaging_study import Parts, imaging_study
from hilum.codec.fhir.patient import patient
from hilum.codec.fhir.values import Systems

SYSTEMS = Systems(
    issuers={"HOSP": "urn:oid:1.2.3", "LAB": "https://lab.example/ids"},
    patient="urn:p",
    accession="urn:a",
    zone=ZoneInfo("Europe/Berlin"),
)


def told(**values: Any) -> dict[str, Any]:
    """Attributes by tag: `x00100020=("LO", "P1")`."""
    return {tag[1:]: {"vr": vr, "Value": [*some]} for tag, (vr, *some) in values.items()}


STUDY = told(
    x0020000D=("UI", "1.2.3"),
    x00080020=("DA", "20260102"),
    x00080030=("TM", "101112"),
    x00080050=("SH", "A1"),
    x00080061=("CS", "CT", "SR"),
    x00081030=("LO", "Thorax"),
    x00081032=(
        "SQ",
        told(x00080100=("SH", "71250"), x00080102=("SH", "LN"), x00080104=("LO", "CT thorax")),
    ),
    x00081080=("LO", "Cough"),
    x00100010=("PN", {"Alphabetic": "Doe^Jane^Ann^Dr.^MD", "Ideographic": "山田^太郎"}),
    x00100020=("LO", "P1"),
    x00100021=("LO", "HOSP"),
    x00100030=("DA", "19700101"),
    x00100040=("CS", "F"),
    x00201206=("IS", 1),
    x00201208=("IS", 2),
    x00380010=("LO", "V1"),
)
SERIES = told(
    x0020000E=("UI", "1.2.3.1"),
    x00200011=("IS", 4),
    x00080060=("CS", "CT"),
    x0008103E=("LO", "Lung"),
    x00201209=("IS", 2),
    x00180015=("CS", "CHEST"),
    x00200060=("CS", "L"),
    x00080021=("DA", "20260102"),
    x00080031=("TM", "101113"),
)
INSTANCE = told(x00080018=("UI", "1.2.3.1.1"), x00080016=("UI", "1.2.840.1"), x00200013=("IS", 7))


def test_what_was_written_is_read_again() -> None:
    parts = Parts([SERIES], {"1.2.3.1": [INSTANCE]})
    written = imaging_study(STUDY, SYSTEMS, ["Endpoint/wado-rs"], parts)
    read = study_attributes(written, patient(STUDY, SYSTEMS), SYSTEMS)
    assert {tag: read.get(tag) for tag in STUDY} == STUDY
    assert read["00080062"]["Value"] == ["1.2.840.1"]
    assert read["00080201"]["Value"] == ["+0100"]
    (series,) = written["series"]
    again = series_attributes(series, SYSTEMS)
    assert {tag: again.get(tag) for tag in SERIES} == SERIES
    assert instance_attributes(series["instance"][0]) == INSTANCE
    assert is_there(written)


@pytest.mark.parametrize(
    ("identifiers", "based_on", "number"),
    [
        ([{"type": {"coding": [{"code": "ACSN"}]}, "value": "A1"}], [], "A1"),
        ([{"system": "urn:a", "value": "A1"}, {"value": "B1"}], [{"value": "C1"}], "A1"),
        ([{"value": "B1"}], [{"value": "C1"}], "C1"),
        ([{"value": "B1"}], [{"type": {"coding": [{"code": "PLAC"}]}, "value": "C1"}], None),
        ([{"type": {"coding": [{"code": "ACSN"}]}, "value": "A\\1"}], [], "A/1"),
    ],
)
def test_the_accession_number(
    identifiers: list[Any], based_on: list[Any], number: str | None
) -> None:
    study = {"identifier": identifiers, "basedOn": [{"identifier": each} for each in based_on]}
    read = study_attributes(study, None, SYSTEMS)
    assert read["00080050"].get("Value") == ([number] if number else None)


@pytest.mark.parametrize(
    ("identifier", "uid"),
    [
        ({"system": "urn:dicom:uid", "value": "urn:oid:1.2"}, "1.2"),
        ({"system": "urn:dicom:uid", "value": "1.2"}, "1.2"),
        ({"system": "urn:ietf:rfc:3986", "value": "urn:oid:1.2"}, "1.2"),
        ({"system": "urn:x", "value": "urn:oid:1.2"}, ""),
        ({"system": "urn:dicom:uid", "value": "urn:oid:../x"}, ""),
        ({"system": "urn:dicom:uid", "value": 1}, ""),
    ],
)
def test_the_study_instance_uid(identifier: dict[str, Any], uid: str) -> None:
    assert study_uid({"identifier": [identifier]}) == uid


def test_modalities_may_be_told_by_the_series_alone() -> None:
    series = [{"modality": {"code": "ct"}}, {"modality": {"code": "CT"}}, {"modality": {}}]
    assert study_attributes({"series": series}, None, SYSTEMS)["00080061"]["Value"] == ["CT"]


def test_what_a_resource_would_tell_is_empty_and_what_it_cannot_is_unknown() -> None:
    read = study_attributes({}, {}, SYSTEMS)
    assert read["00081030"] == {"vr": "LO"}
    assert read["00100030"] == {"vr": "DA"}
    assert "00200010" not in read
    assert "00100030" not in study_attributes({}, None, SYSTEMS)
    assert "00080020" not in study_attributes({"started": "2026-01"}, None, SYSTEMS)
    assert series_attributes({"uid": "x"}, SYSTEMS) == {}
    assert instance_attributes({}) == {}


NAMES = st.sampled_from(
    ("identifier", "value", "system", "type", "coding", "code", "started", "modality", "uid")
)
ANYTHING = st.recursive(
    st.none() | st.integers() | st.text(max_size=4) | st.just("urn:dicom:uid"),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(NAMES, below, max_size=4),
    max_leaves=8,
)


@given(st.dictionaries(NAMES, ANYTHING, max_size=4))
@settings(max_examples=20)
def test_whatever_stands_in_a_resource_is_read(thing: dict[str, Any]) -> None:
    for read in (
        study_attributes(thing, thing, SYSTEMS),
        series_attributes(thing, SYSTEMS),
        instance_attributes(thing),
    ):
        for element in read.values():
            assert element.get("Value", [1])
            assert element["vr"] in {"PN", "SQ"} or all(
                isinstance(each, str | int) for each in element.get("Value", ())
            )
