import json
from pathlib import Path

import pytest

from hilum.cli.record.events import BadRecord, Record, read


def test_what_was_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "record"
    record = Record(path)
    record.of(3)("A-ABORT", "acceptor", reason=[0, 1], nothing=None)
    record.close()
    assert path.stat().st_mode & 0o077 == 0
    (event,) = read(path)
    assert (event.connection, event.side, event.kind) == (3, "acceptor", "A-ABORT")
    assert event.held == {"reason": [0, 1]}


def test_a_file_that_is_there_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "record"
    path.write_text("mine")
    with pytest.raises(FileExistsError):
        Record(path)
    assert path.read_text() == "mine"


@pytest.mark.parametrize(
    "text", ["", "x", "[]", '{"hilum_capture": 2}', '{"hilum_capture": 1}\n{}']
)
def test_what_is_no_record_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "record"
    path.write_text(text)
    with pytest.raises(BadRecord):
        read(path)
    assert json.dumps(text)
