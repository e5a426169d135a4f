import pytest

from hilum.backends.archive import tags
from hilum.codec import qido
from hilum.core.levels import UNIQUE, level_of
from hilum.model.identity import Level

OF_EVERY = {(0x00080056,), (0x00080201,)}


def test_unique_keys_are_of_their_levels() -> None:
    assert all(level_of((tag,)) is level for level, tag in UNIQUE.items())


@pytest.mark.parametrize("path", sorted(qido.SERIES - OF_EVERY))
def test_defaults_of_series_are_of_series(path: tuple[int, ...]) -> None:
    assert level_of(path) is Level.SERIES


@pytest.mark.parametrize("path", sorted(qido.STUDY - OF_EVERY))
def test_defaults_of_studies_are_of_studies_or_patients(path: tuple[int, ...]) -> None:
    assert level_of(path) in {Level.STUDY, Level.PATIENT}


@pytest.mark.parametrize("path", sorted(qido.INSTANCE - OF_EVERY))
def test_defaults_of_instances_are_of_instances(path: tuple[int, ...]) -> None:
    assert level_of(path) is Level.IMAGE


def test_what_is_not_known_has_no_level() -> None:
    assert level_of((0x00091010,)) is None
    assert all(level_of(path) is None for path in OF_EVERY)


def test_an_attribute_in_a_sequence_is_where_the_sequence_is() -> None:
    assert level_of((0x00400275, 0x00080050)) is Level.SERIES


def test_the_archive_has_its_columns_at_the_same_levels() -> None:
    for tag, (level, _) in tags.COLUMNS.items():
        assert level_of((int(tag, 16),)) is level
