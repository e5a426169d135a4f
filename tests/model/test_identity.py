import pytest

from hilum.model.identity import Level, Ref, is_uid


@pytest.mark.parametrize(
    ("ref", "level"),
    [
        (Ref(patient="P"), Level.PATIENT),
        (Ref(study="1.2"), Level.STUDY),
        (Ref(study="1.2", series="1.3"), Level.SERIES),
        (Ref(series="1.3"), Level.SERIES),
        (Ref(study="1.2", series="1.3", instance="1.4", patient="P"), Level.IMAGE),
        (Ref(instance="1.4"), Level.IMAGE),
    ],
)
def test_a_reference_is_of_the_level_of_its_deepest_key(ref: Ref, level: Level) -> None:
    assert ref.level is level


@pytest.mark.parametrize("uid", ["1", "1.2.840.10008.1.1", "1.02.3", "2.25." + "9" * 39, "1" * 64])
def test_a_uid_is_digits_and_dots(uid: str) -> None:
    assert is_uid(uid)


@pytest.mark.parametrize("text", ["", ".", "1.", ".1", "1..2", "1.a", "1.2 ", "1" * 65, "1/../2"])
def test_what_is_no_uid_is_told(text: str) -> None:
    assert not is_uid(text)
