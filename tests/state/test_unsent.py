from pathlib import Path

import pytest

from hilum.state import unsent as module
from hilum.state.journal import Journal, path_of
from hilum.state.unsent import Place, Unsent


def everything(unsent: Unsent) -> list[bytes]:
    found: list[bytes] = []
    while True:
        lines, _ = unsent.read()
        if not lines:
            return found
        found += lines


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An audit in which nobody was interested as yet."""
    journal = Journal(tmp_path, 10**9, 99)
    journal.append(b"before\n")
    journal.close()
    Unsent(tmp_path)
    return tmp_path


def written(folder: Path, *lines: bytes, size: int = 10**9, files: int = 99) -> None:
    journal = Journal(folder, size, files)
    for each in lines:
        journal.append(each + b"\n")
    journal.close()


def test_what_was_there_before_anybody_wanted_it_is_not_sent(folder: Path) -> None:
    written(folder, b"1", b"2")
    unsent = Unsent(folder)
    assert everything(unsent) == [b"1", b"2"]
    assert everything(unsent) == []


def test_what_is_not_settled_is_read_again_also_by_the_next_process(folder: Path) -> None:
    written(folder, b"1", b"2")
    unsent = Unsent(folder)
    assert everything(unsent) == [b"1", b"2"]
    unsent.rewind()
    assert everything(unsent) == [b"1", b"2"]
    unsent = Unsent(folder)
    _, place = unsent.read()
    unsent.settle(place)
    written(folder, b"3")
    unsent.rewind()
    assert everything(unsent) == [b"3"]
    assert everything(Unsent(folder)) == [b"3"]


def test_it_goes_on_from_file_to_file(folder: Path) -> None:
    lines = [b"%09d" % number for number in range(100)]
    written(folder, *lines, size=100)
    unsent = Unsent(folder)
    assert everything(unsent) == lines
    written(folder, b"more", size=100)
    assert everything(unsent) == [b"more"]


def test_half_a_line_waits_for_its_end(folder: Path) -> None:
    unsent = Unsent(folder)
    path = path_of(folder, 1)
    with path.open("ab") as file:
        file.write(b"hal")
        file.flush()
        assert everything(unsent) == []
        file.write(b"f\n")
    assert everything(unsent) == [b"half"]


def test_a_line_may_be_longer_than_what_is_read_at_a_time(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST", 10)
    written(folder, b"x" * 35, b"1", b"2" * 12)
    assert everything(Unsent(folder)) == [b"x" * 35, b"1", b"2" * 12]


def test_what_was_removed_before_it_was_sent_is_told(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    unsent = Unsent(folder)
    written(folder, *(b"%09d" % number for number in range(100)), size=100, files=2)
    assert everything(unsent)[-1] == b"000000099"
    assert "audit.max_files is reached" in caplog.text


@pytest.mark.parametrize("text", ["", "{}", '{"file": "x", "offset": 0}', "[]"])
def test_where_the_place_is_lost_all_is_sent(folder: Path, text: str) -> None:
    (folder / "delivered.json").write_text(text)
    unsent = Unsent(folder)
    assert unsent.settled == Place(1, 0)
    assert everything(unsent) == [b"before"]
