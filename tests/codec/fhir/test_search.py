import pytest

from hilum.codec.fhir.search import encoded, of_study, searches
from hilum.codec.fhir.values import Systems
from hilum.model.identity import Level
from hilum.model.query import Path, Query

SYSTEMS = Systems(issuers={"HOSP": "urn:oid:1.2"}, patient="urn:x", accession="urn:a")
PATIENT_ID, ISSUER, NAME = (0x0010_0020,), (0x0010_0021,), (0x0010_0010,)
BORN, SEX, DATE, TIME = (0x0010_0030,), (0x0010_0040,), (0x0008_0020,), (0x0008_0030,)
ACCESSION, MODALITIES, MODALITY = (0x0008_0050,), (0x0008_0061,), (0x0008_0060,)
STUDY, SERIES, INSTANCE = (0x0020_000D,), (0x0020_000E,), (0x0008_0018,)
SOP_CLASS, DESCRIPTION, STUDY_ID = (0x0008_0016,), (0x0008_1030,), (0x0020_0010,)


@pytest.mark.parametrize(
    ("match", "asked"),
    [
        ({}, []),
        ({PATIENT_ID: "P1"}, ["patient.identifier=P1"]),
        ({PATIENT_ID: "P1", ISSUER: "HOSP"}, ["patient.identifier=urn:oid:1.2|P1"]),
        ({PATIENT_ID: "P1", ISSUER: "OTHER"}, ["patient.identifier=P1"]),
        ({PATIENT_ID: "a|b,c$"}, ["patient.identifier=a\\|b\\,c\\$"]),
        ({PATIENT_ID: "P*"}, []),
        ({NAME: "Doe"}, ["patient.name=Doe"]),
        ({NAME: "Doe^Ja*"}, ["patient.name=Doe", "patient.given=Ja"]),
        ({NAME: "van der Berg^Anna Maria"}, ["patient.name=van der Berg", "patient.given=Anna"]),
        ({NAME: "D?e*^*"}, ["patient.name=D"]),
        ({NAME: "*oe"}, []),
        ({NAME: "Yamada^Tarou=山田^太郎"}, []),
        ({SEX: "F"}, ["patient.gender=female"]),
        ({SEX: "X"}, []),
        ({BORN: "19700101"}, ["patient.birthdate=ge1970-01-01", "patient.birthdate=le1970-01-01"]),
        ({BORN: "19700101-"}, ["patient.birthdate=ge1970-01-01"]),
        ({DATE: "20260102"}, ["started=ge2026-01-01", "started=le2026-01-03"]),
        ({DATE: "-20260102"}, ["started=le2026-01-03"]),
        ({DATE: "20260102-20260304"}, ["started=ge2026-01-01", "started=le2026-03-05"]),
        ({DATE: "99991231-"}, ["started=ge9999-12-30"]),
        ({DATE: "-99991231"}, []),
        ({DATE: "20261399"}, []),
        ({TIME: "10-12"}, []),
        ({ACCESSION: "A1"}, ["identifier=A1"]),
        ({ACCESSION: "A?"}, []),
        ({MODALITIES: "CT"}, ["modality=CT"]),
        ({SERIES: "1.2\\1.3"}, ["series=1.2,1.3"]),
        ({INSTANCE: "1.2"}, ["instance=1.2"]),
        ({SOP_CLASS: "1.2"}, ["dicom-class=urn:oid:1.2"]),
        ({DESCRIPTION: "Head", STUDY_ID: "1"}, []),
        (
            {STUDY: "1.2\\x\\1.3", PATIENT_ID: "P1"},
            ["identifier=urn:dicom:uid|urn:oid:1.2,urn:dicom:uid|urn:oid:1.3"],
        ),
    ],
)
def test_what_a_search_can_answer_is_asked_for(match: dict[Path, str], asked: list[str]) -> None:
    (made,) = searches(Query(Level.STUDY, match), SYSTEMS)
    beside = [pair for pair in made if pair[0] not in {"_include", "_count", "_summary"}]
    assert [f"{name}={value}" for name, value in beside] == asked


def test_words_of_a_fuzzy_name_are_asked_for_by_themselves() -> None:
    (made,) = searches(Query(Level.STUDY, {NAME: "jane, doe*"}, fuzzy=True), SYSTEMS)
    assert made[:2] == [("patient.name", "jane"), ("patient.name", "doe")]


def test_what_comes_along() -> None:
    (studies,) = searches(Query(Level.STUDY, limit=5, offset=3), SYSTEMS)
    assert [value for name, value in studies if name == "_include"] == [
        "ImagingStudy:patient",
        "ImagingStudy:endpoint",
    ]
    assert studies[-1] == ("_count", "8")
    (series,) = searches(Query(Level.SERIES, {MODALITY: "CT"}, limit=1), SYSTEMS)
    assert series[-2:] == [("_summary", "false"), ("_count", "10")]


def test_long_lists_are_parted_and_no_uid_finds_nothing() -> None:
    uids = [f"1.{number}" for number in range(120)]
    made = searches(Query(Level.STUDY, {STUDY: "\\".join(uids)}), SYSTEMS)
    listed = [each[0][1].split(",") for each in made]
    assert [len(each) for each in listed] == [50, 50, 20]
    assert searches(Query(Level.STUDY, {STUDY: "x"}), SYSTEMS) == []


def test_as_a_url() -> None:
    assert encoded([("a", "b c&d=é")]) == "a=b%20c%26d%3D%C3%A9"
    assert encoded(of_study("1.2")) == (
        "identifier=urn:dicom:uid|urn:oid:1.2&_include=ImagingStudy:endpoint"
    )
