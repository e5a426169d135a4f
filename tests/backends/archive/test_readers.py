import sqlite3
import threading
from pathlib import Path

import pytest

from hilum.backends.archive import readers as module
from hilum.backends.archive.readers import Cursor, Readers
from hilum.model.errors import BackendFault
from hilum.state.database import open_database

pytestmark = pytest.mark.anyio
SLOW = (
    "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT %d) SELECT max(x) FROM n"
)


@pytest.fixture
def readers(tmp_path: Path) -> Readers:
    path = tmp_path / "index.db"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE t (x)")
    connection.close()
    return Readers(open_database(path, writes=False))


async def test_what_is_soon_done_is_done_at_once(readers: Readers) -> None:
    def where(cursor: Cursor) -> tuple[str, int]:
        return threading.current_thread().name, cursor.rows("SELECT 7")[0][0]

    try:
        first, answer = await readers.soon(where)
        assert (first.startswith("archive reader"), answer) == (True, 7)  # nothing is open yet
        again = {await readers.soon(where) for _ in range(3)}
        assert again == {(threading.current_thread().name, 7)}
    finally:
        readers.close()


async def test_what_takes_long_goes_on_in_a_thread_and_the_loop_has_its_rest(
    readers: Readers, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[str] = []

    def slow(cursor: Cursor) -> int:
        threads.append(threading.current_thread().name)
        return int(cursor.rows(SLOW % 300_000)[0][0])

    def quick(cursor: Cursor) -> int:
        threads.append(threading.current_thread().name)
        return int(cursor.rows("SELECT 7")[0][0])

    here = threading.current_thread().name
    try:
        await readers.soon(quick)
        threads.clear()
        assert await readers.soon(slow) == 300_000
        assert threads[0] == here
        assert threads[1].startswith("archive reader")
        threads.clear()
        monkeypatch.setattr(module, "monotonic", lambda: 0.0)  # no time has gone by
        assert await readers.soon(quick) == 7
        assert threads[0].startswith("archive reader")
        threads.clear()
        monkeypatch.setattr(module, "monotonic", lambda: 1e12)
        assert await readers.soon(quick) == 7
        assert threads == [here]
    finally:
        readers.close()


async def test_what_cannot_be_read_is_a_fault(readers: Readers) -> None:
    try:
        for _ in range(2):
            with pytest.raises(BackendFault):
                await readers.soon(lambda cursor: cursor.rows("SELECT nothing FROM nowhere"))
    finally:
        readers.close()
