import pytest

from hilum.backends.dimse import requested
from hilum.backends.dimse.requested import Request, requests_for, requests_of
from hilum.model.identity import Level, Ref
from hilum.model.instance import Listed
from hilum.model.query import Path

PATIENT, STUDY, SERIES, INSTANCE = (0x00100020,), (0x0020000D,), (0x0020000E,), (0x00080018,)


@pytest.mark.parametrize(
    ("refs", "expected"),
    [
        ([Ref(study="1.1")], [(Level.STUDY, {STUDY: "1.1"}, False)]),
        ([Ref(study="1.1"), Ref(study="1.2")], [(Level.STUDY, {STUDY: "1.1\\1.2"}, False)]),
        ([Ref(study="1.1"), Ref(study="1.1")], [(Level.STUDY, {STUDY: "1.1"}, False)]),
        ([Ref(study="1.1", patient="P")], [(Level.STUDY, {STUDY: "1.1"}, False)]),
        (
            [Ref(patient="P"), Ref(patient="Q")],
            [(Level.PATIENT, {PATIENT: "P"}, True), (Level.PATIENT, {PATIENT: "Q"}, True)],
        ),
        (
            [Ref(study="1.1", series="2.1"), Ref(study="1.2", series="2.2")],
            [
                (Level.SERIES, {STUDY: "1.1", SERIES: "2.1"}, False),
                (Level.SERIES, {STUDY: "1.2", SERIES: "2.2"}, False),
            ],
        ),
        (
            [Ref(study="1.1", series="2.1", instance=each) for each in ("3.1", "3.2")],
            [(Level.IMAGE, {STUDY: "1.1", SERIES: "2.1", INSTANCE: "3.1\\3.2"}, False)],
        ),
        ([Ref(instance="3.1")], [(Level.IMAGE, {INSTANCE: "3.1"}, False)]),
    ],
)
def test_what_goes_together_is_asked_for_in_one_request(
    refs: list[Ref], expected: list[tuple[Level, dict[Path, str], bool]]
) -> None:
    found = requests_of(refs)
    assert [(each.level, each.keys, each.patient_root) for each in found] == [
        (*each, False)[:3] for each in expected
    ]


def test_the_patient_root_model_names_the_patient_too() -> None:
    found = requests_of([Ref(study="1.1", patient="P")], patient_root=True)
    assert found == [Request(Level.STUDY, {STUDY: "1.1", PATIENT: "P"}, patient_root=True)]


def test_lists_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requested, "MOST", 2)
    found = requests_of([Ref(study=f"1.{at}") for at in range(5)])
    assert [each.keys[STUDY] for each in found] == ["1.0\\1.1", "1.2\\1.3", "1.4"]


def test_what_is_missing_is_asked_for_by_series() -> None:
    missing = [
        Listed("3.1", "", study_instance_uid="1.1", series_instance_uid="2.1"),
        Listed("3.2", "", study_instance_uid="1.1", series_instance_uid="2.2"),
        Listed("3.3", "", series_instance_uid="2.1"),
        Listed("3.4", ""),
    ]
    found = requests_for(missing, {STUDY: "1.1"})
    assert [(each.keys.get(SERIES), each.keys[INSTANCE]) for each in found] == [
        ("2.1", "3.1\\3.3"),
        ("2.2", "3.2"),
        (None, "3.4"),
    ]
    assert all(each.level is Level.IMAGE and each.keys[STUDY] == "1.1" for each in found)
    many = requests_for(missing[2:3], {STUDY: "1.1\\1.2", PATIENT: "P"}, patient_root=True)
    assert many == [
        Request(Level.IMAGE, {PATIENT: "P", SERIES: "2.1", INSTANCE: "3.3"}, patient_root=True)
    ]


def test_whose_it_must_be_is_kept_where_it_is_no_key() -> None:
    [one] = requests_of([Ref(study="1.1", patient="P")])
    assert (one.patient, one.patient_root) == ("P", False)
    [one] = requests_of([Ref(study="1.1", patient="P")], patient_root=True)
    assert (one.patient, one.patient_root) == (None, True)
