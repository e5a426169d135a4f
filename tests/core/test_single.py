import pytest

from hilum.core.single import as_it_was


def test_one_failure_is_raised_as_it_was_several_stay_together() -> None:
    with pytest.raises(KeyError), as_it_was():
        raise ExceptionGroup("", [KeyError()])
    with pytest.raises(ExceptionGroup), as_it_was():
        raise ExceptionGroup("", [KeyError(), ValueError()])
