import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from hilum.state.copy import copied


def rows(path: Path) -> int:
    with closing(sqlite3.connect(path)) as database:
        count = database.execute("SELECT count(*) FROM t").fetchone()[0]
    assert isinstance(count, int)
    return count


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "a.db"
    with closing(sqlite3.connect(path)) as made:
        made.execute("PRAGMA journal_mode=WAL").close()
        made.execute("CREATE TABLE t (n INTEGER)")
    return path


def test_what_lies_in_the_log_beside_a_database_is_in_its_copy(
    database: Path, tmp_path: Path
) -> None:
    with closing(sqlite3.connect(database)) as writing:
        writing.execute("INSERT INTO t VALUES (1)")
        writing.commit()
        writing.execute("INSERT INTO t VALUES (2)")  # and is not committed
        size = copied(database, tmp_path / "b.db")
    assert rows(tmp_path / "b.db") == 1
    assert (tmp_path / "b.db").stat().st_size == size
    assert not list(tmp_path.glob("b.db-*"))


def test_only_the_owner_can_read_a_copy(database: Path, tmp_path: Path) -> None:
    copied(database, tmp_path / "b.db")
    assert (tmp_path / "b.db").stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_there_is_not_written_over(database: Path, tmp_path: Path) -> None:
    (tmp_path / "b.db").write_text("precious")
    with pytest.raises(FileExistsError):
        copied(database, tmp_path / "b.db")
    assert (tmp_path / "b.db").read_text() == "precious"


def test_what_is_no_database_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_text("no database" * 100)
    with pytest.raises(sqlite3.DatabaseError):
        copied(tmp_path / "a.db", tmp_path / "b.db")
    with pytest.raises(FileNotFoundError):
        copied(tmp_path / "none.db", tmp_path / "b.db")
    assert not (tmp_path / "b.db").exists()
