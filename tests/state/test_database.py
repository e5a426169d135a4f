import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from hilum.state.database import open_database


def test_no_update_is_lost_between_threads(tmp_path: Path) -> None:
    engine = open_database(tmp_path / "x.db", writes=True)
    with engine.begin() as session:
        session.execute(sa.text("CREATE TABLE t (n INTEGER)"))
        session.execute(sa.text("INSERT INTO t VALUES (0)"))
    other = open_database(tmp_path / "x.db", writes=True)

    def add(mine: sa.Engine) -> None:
        for _ in range(50):
            with mine.begin() as session:
                n = session.execute(sa.text("SELECT n FROM t")).scalar_one()
                session.execute(sa.text("UPDATE t SET n = :n"), {"n": n + 1})

    threads = [threading.Thread(target=add, args=(each,)) for each in (engine, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with engine.begin() as session:
        assert session.execute(sa.text("SELECT n FROM t")).scalar_one() == 100
    engine.dispose()
    other.dispose()


def test_readers_neither_write_nor_wait_for_a_writer(tmp_path: Path) -> None:
    writing = open_database(tmp_path / "x.db", writes=True)
    with writing.begin() as session:
        session.execute(sa.text("CREATE TABLE t (n INTEGER)"))
    reading = open_database(tmp_path / "x.db", writes=False)
    with writing.begin() as writer, reading.begin() as reader:
        writer.execute(sa.text("INSERT INTO t VALUES (1)"))
        assert reader.execute(sa.text("SELECT count(*) FROM t")).scalar_one() == 0
        with pytest.raises(sa.exc.OperationalError, match="readonly"):
            reader.execute(sa.text("INSERT INTO t VALUES (2)"))
    reading.dispose()
    writing.dispose()


def test_functions_are_there_on_every_connection(tmp_path: Path) -> None:
    engine = open_database(
        tmp_path / "x.db", writes=False, functions={"twice": (1, lambda x: 2 * x)}
    )
    with engine.connect() as one, engine.connect() as two:
        for session in (one, two):
            assert session.execute(sa.text("SELECT twice(21)")).scalar_one() == 42
    engine.dispose()
