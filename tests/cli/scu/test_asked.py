import pytest

from hilum.cli.scu.asked import Depth, Model, asked
from hilum.cli.scu.ending import Misuse
from hilum.model.identity import Level
from hilum.model.query import Path

STUDY = (0x0020000D,)


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("PatientName=A*", (0x00100010,), "A*"),
        ("patientname=A", (0x00100010,), "A"),
        ("0020000D", STUDY, ""),
        ("0020000d=1.2", STUDY, "1.2"),
        ("0020,000D=1.2", STUDY, "1.2"),
        ("(0020,000D)=1.2\\1.3", STUDY, "1.2\\1.3"),
        ("StudyDescription=a=b", (0x00081030,), "a=b"),
        ("RequestAttributesSequence.RequestedProcedureID=7", (0x00400275, 0x00401001), "7"),
        ("(0040,0275)[0].0040,1001=7", (0x00400275, 0x00401001), "7"),
        ("StudyDate=", (0x00080020,), ""),
    ],
)
def test_keys_are_read_as_people_write_them(text: str, path: Path, value: str) -> None:
    assert asked([text], None, None, Level.STUDY).keys == {path: value}


@pytest.mark.parametrize("text", ["", "=A", "PatientNam=A", "0020=1", "PatientName.PatientID=1"])
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(Misuse):
        asked([text], None, None, Level.STUDY)


def test_a_misspelt_key_is_told_the_nearest_right_one() -> None:
    with pytest.raises(Misuse, match="did you mean PatientName"):
        asked(["PatientNam=A"], None, None, Level.STUDY)


@pytest.mark.parametrize(
    ("level", "model", "expected", "patient_root"),
    [
        (None, None, Level.STUDY, False),
        (Depth.series, None, Level.SERIES, False),
        (Depth.patient, None, Level.PATIENT, True),
        (Depth.image, Model.patient, Level.IMAGE, True),
        (Depth.image, Model.study, Level.IMAGE, False),
    ],
)
def test_level_and_model_are_as_chosen_or_as_they_must_be(
    level: Depth | None,
    model: Model | None,
    expected: Level,
    patient_root: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    found = asked([], level, model, Level.STUDY)
    assert (found.level, found.patient_root) == (expected, patient_root)


def test_the_study_model_has_no_patients() -> None:
    with pytest.raises(Misuse, match="no patient level"):
        asked([], Depth.patient, Model.study, Level.STUDY)


@pytest.mark.parametrize(
    ("keys", "level"),
    [
        (["PatientID=7"], Level.PATIENT),
        (["PatientID=7", "StudyInstanceUID=1"], Level.STUDY),
        (["SeriesInstanceUID=2", "StudyInstanceUID=1"], Level.SERIES),
        (["SOPInstanceUID=3"], Level.IMAGE),
        (["StudyInstanceUID=1", "SOPInstanceUID="], Level.STUDY),
    ],
)
def test_without_a_level_the_deepest_unique_key_says_it(keys: list[str], level: Level) -> None:
    assert asked(keys, None, None, None).level is level


def test_without_a_level_and_a_unique_key_nothing_is_asked_for() -> None:
    with pytest.raises(Misuse, match="say what"):
        asked(["PatientName=A"], None, None, None)
