from typing import Any

import pytest

from hilum.codec.fhir.dicom_patient import attributes
from hilum.codec.fhir.values import Systems

SYSTEMS = Systems(issuers={"HOSP": "urn:oid:1.2"}, patient="urn:p")
MR = {"coding": [{"code": "MR"}]}


@pytest.mark.parametrize(
    ("identifiers", "patient_id", "issuer"),
    [
        ([{"value": "1"}, {"value": "2", "system": "urn:p"}], "2", None),
        ([{"value": "1", "type": MR}, {"value": "2", "system": "urn:oid:1.2"}], "2", "HOSP"),
        ([{"value": "1", "use": "official"}, {"value": "2", "type": MR}], "2", None),
        ([{"value": "1", "use": "old"}, {"value": "2"}], "2", None),
        ([{"value": "1", "system": "urn:a"}], "1", "urn:a"),
        ([{"system": "urn:a"}], None, None),
    ],
)
def test_which_identifier_is_the_patient_id(
    identifiers: list[Any], patient_id: str | None, issuer: str | None
) -> None:
    read = attributes({"identifier": identifiers}, {}, SYSTEMS)
    assert read["00100020"].get("Value") == ([patient_id] if patient_id else None)
    assert read["00100021"].get("Value") == ([issuer] if issuer else None)
    others = read.get("00101002", {}).get("Value", [])
    assert len(others) == sum("value" in each for each in identifiers) - bool(patient_id)


def test_a_patient_who_is_only_referred_to() -> None:
    subject = {"identifier": {"value": "P1"}, "display": "Jane Doe"}
    read = attributes(None, subject, SYSTEMS)
    assert read["00100020"]["Value"] == ["P1"]
    assert read["00100010"]["Value"] == [{"Alphabetic": "Jane Doe"}]
    assert "00100040" not in read


@pytest.mark.parametrize(
    ("gender", "sex"), [("male", "M"), ("other", "O"), ("unknown", None), (None, None)]
)
def test_sexes(gender: str | None, sex: str | None) -> None:
    read = attributes({"gender": gender}, {}, SYSTEMS)
    assert read["00100040"].get("Value") == ([sex] if sex else None)
