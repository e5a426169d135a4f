from pathlib import Path

import pytest

from hilum.model.errors import BackendUnavailable
from hilum.state.lock import Lock


def test_a_folder_has_one_user_at_a_time(tmp_path: Path) -> None:
    first = Lock(tmp_path, "the folder of this test")
    with pytest.raises(BackendUnavailable, match="another process uses the folder of this test"):
        Lock(tmp_path, "the folder of this test")
    first.release()
    Lock(tmp_path, "the folder of this test").release()


def test_a_folder_that_is_not_there_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        Lock(tmp_path / "nowhere", "it")
