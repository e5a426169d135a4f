import pytest

from hilum.codec.fhir.parameters import Condition
from hilum.core.fhir import of_patient, of_study
from hilum.core.fhir.keys import combined
from hilum.core.fhir.patients import PatientKey
from hilum.core.fhir.table import Alternatives, Known
from hilum.core.matching import text_holds
from hilum.model.errors import BadQuery

DATE, ID, STUDY, NAME = (0x0008_0020,), (0x0010_0020,), (0x0020_000D,), (0x0010_0010,)
KNOWN = Known("http://x/fhir", {"a": PatientKey("P1"), "b": PatientKey("", "", "1.2")})


def asked(name: str, value: str, modifier: str = "") -> Alternatives:
    answered = {**of_patient.TABLE, **of_study.TABLE}[name]
    return answered.keys(Condition(name, answered.offer, modifier, tuple(value.split(","))), KNOWN)


@pytest.mark.parametrize(
    ("name", "value", "keys"),
    [
        ("started", "2020", [{DATE: "20200101-20201231"}]),
        ("started", "2020-02", [{DATE: "20200201-20200229"}]),
        ("started", "2020-01-02", [{DATE: "20200102"}]),
        ("started", "ge2020", [{DATE: "20200101-"}]),
        ("started", "lt2020-03-01", [{DATE: "-20200301"}]),
        ("started", "ne2020", None),
        ("started", "2020-01-02T23:00:00-05:00", [{DATE: "20200101-20200103"}]),
        ("started", "2020-01-02,2021-01-02", [{DATE: "20200102\\20210102"}]),
        ("modality", "ct,http://x|mr", [{(0x0008_0061,): "CT\\MR"}]),
        ("identifier", "A1", [{(0x0008_0050,): "A1"}]),
        ("identifier", "urn:dicom:uid|urn:oid:1.2", [{STUDY: "1.2"}]),
        ("identifier", "urn:dicom:uid|A", []),
        ("identifier", "1.2.3", [{STUDY: "1.2.3"}, {(0x0008_0050,): "1.2.3"}]),
        ("patient", "Patient/a", [{ID: "P1"}]),
        ("patient", "http://x/fhir/Patient/a,b", [{ID: "P1"}, {STUDY: "1.2"}]),
        ("patient", "c", []),
        ("family", "Do", [{NAME: "Do*"}]),
        ("given", "Jo", [{NAME: "*Jo*"}]),
        ("name", "Jo Doe", [{NAME: "*Doe*"}]),
        ("gender", "male", [{(0x0010_0040,): "M"}]),
        ("gender", "unknown", None),
        ("bodysite", "816094009,KNEE", [{(0x0018_0015,): "CHEST\\KNEE"}]),
        ("bodysite", "51185008", [{(0x0018_0015,): "CHEST"}]),  # of earlier editions
        ("bodysite", "30021000", [{(0x0018_0015,): "LOWERLEG\\LEG"}]),
        ("series", "urn:oid:1.2", [{(0x0020_000E,): "1.2"}]),
    ],
)
def test_what_dicom_is_asked(name: str, value: str, keys: Alternatives) -> None:
    assert asked(name, value) == keys


def test_nothing_is_narrowed_where_something_else_is_wanted() -> None:
    for name in ("identifier", "modality", "gender", "patient", "family"):
        for modifier in ("missing", "not"):
            assert asked(name, "true", modifier) is None


def test_a_sop_class_must_be_one() -> None:
    with pytest.raises(BadQuery):
        asked("dicom-class", "CT")


@pytest.mark.parametrize("text", ["a\\b", "a*b", "a?b", "a^b", "=a"])
def test_what_would_be_a_wild_card_or_a_list_is_found(text: str) -> None:
    made = asked("identifier", text)
    assert made is not None
    assert text_holds(made[-1][0x0008_0050,], text)


def test_ranges_meet() -> None:
    low, high = asked("started", "ge2020-02"), asked("started", "le2020-03-31")
    assert combined([low, high]) == [{DATE: "20200201-20200331"}]
    assert combined([low, None, asked("started", "2020-02-03")]) == [{DATE: "20200203"}]
    assert combined([low, asked("started", "lt2019")]) == []
    assert combined([low, asked("started", "gt2021")]) == [{DATE: "20210101-"}]
    assert combined([asked("started", "gt2021"), []]) == []


def test_too_many_sets_are_left_to_be_checked() -> None:
    two = asked("identifier", "1.2.3")
    other = asked("patient", "a,b")
    assert len(combined([two, other])) == 4
    assert len(combined([two] * 9)) <= 16
