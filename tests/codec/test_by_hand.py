import pytest

from hilum.codec.by_hand import asked
from hilum.model.errors import BadQuery
from hilum.model.identity import Level


def test_keys_are_read_as_people_write_them() -> None:
    found = asked(["(0020,000D)=1.2", "patientname=A*", "StudyDate"], default=Level.STUDY)
    assert found.keys == {(0x0020000D,): "1.2", (0x00100010,): "A*", (0x00080020,): ""}
    assert (found.level, found.patient_root) == (Level.STUDY, False)


def test_the_level_is_chosen_or_that_of_the_deepest_unique_key() -> None:
    assert asked(["StudyInstanceUID=1", "SeriesInstanceUID=2"]).level is Level.SERIES
    assert asked([], Level.PATIENT).patient_root
    assert asked([], Level.IMAGE, patient_root=True).patient_root
    for keys, level in ((["PatientName=A"], None), ([], Level.PATIENT)):
        with pytest.raises(BadQuery):
            asked(keys, level, patient_root=False)
    with pytest.raises(BadQuery, match="did you mean PatientName"):
        asked(["PatientNam=A"], Level.STUDY)
