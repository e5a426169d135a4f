import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.peers import SOURCES

from hilum.model.errors import BackendFault
from hilum.state.journal import Journal, numbers, path_of

LARGE = 10**9


def lines(folder: Path) -> list[bytes]:
    """All that is kept, in its order."""
    return b"".join(path_of(folder, each).read_bytes() for each in numbers(folder)).splitlines()


def test_lines_are_there_as_soon_as_they_are_written_and_for_nobody_else(tmp_path: Path) -> None:
    folder = tmp_path / "audit"
    journal = Journal(folder, LARGE, 3)
    assert journal.append(b"1\n")
    assert lines(folder) == [b"1"]
    journal.sync()
    journal.close()
    if os.name == "posix":
        assert folder.stat().st_mode & 0o777 == 0o700
        assert path_of(folder, 1).stat().st_mode & 0o777 == 0o600


def test_the_next_process_goes_on_where_the_last_one_ended(tmp_path: Path) -> None:
    for number in (b"1\n", b"2\n"):
        journal = Journal(tmp_path, LARGE, 3)
        journal.append(number)
        journal.close()
    assert lines(tmp_path) == [b"1", b"2"]
    assert numbers(tmp_path) == [1]


def test_a_line_that_a_full_disk_has_cut_off_does_not_spoil_the_next(tmp_path: Path) -> None:
    path_of(tmp_path, 1).write_bytes(b"whole\nhal")
    journal = Journal(tmp_path, LARGE, 3)
    journal.append(b"next\n")
    journal.close()
    assert lines(tmp_path) == [b"whole", b"hal", b"next"]


def test_a_full_file_is_followed_by_another_and_the_oldest_go(tmp_path: Path) -> None:
    journal = Journal(tmp_path, 100, 3)
    for number in range(100):
        journal.append(b"%09d\n" % number)
    journal.close()
    assert numbers(tmp_path) == [9, 10, 11]
    assert lines(tmp_path) == [b"%09d" % number for number in range(80, 100)]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_what_cannot_be_written_is_counted_and_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path_of(tmp_path, 1).symlink_to("/dev/full")
    journal = Journal(tmp_path, LARGE, 3)
    assert [journal.append(b"1\n") for _ in range(3)] == [False] * 3
    journal.close()
    assert journal.lost == 3
    said = [each.getMessage() for each in caplog.records]
    assert said == ["the audit cannot be written: No space left on device"]


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BackendFault, match="cannot be written"):
        Journal(tmp_path / "file", LARGE, 3)


WRITER = """
import sys
from pathlib import Path
from hilum.state.journal import Journal
journal = Journal(Path(sys.argv[1]), 20_000, 1000)
for number in range(2000):
    journal.append(f"{sys.argv[2]} {number:04} {'x' * (number % 90)}\\n".encode())
"""


def test_lines_of_several_processes_never_mix_also_when_files_change(tmp_path: Path) -> None:
    env = {**os.environ, "PYTHONPATH": str(SOURCES)}
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, tmp_path, str(each)], env=env)
        for each in range(3)
    ]
    assert [each.wait(60) for each in writers] == [0, 0, 0]
    found = [each.split(b" ") for each in lines(tmp_path)]
    assert len(numbers(tmp_path)) > 3
    for writer in (b"0", b"1", b"2"):
        own = [int(each[1]) for each in found if each[0] == writer]
        assert own == [*range(2000)]
    assert all(each[2] == b"x" * (int(each[1]) % 90) for each in found)
