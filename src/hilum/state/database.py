"""How a SQLite database is opened so that no update is lost and no reader waits for a writer."""

from collections.abc import Callable, Mapping
from pathlib import Path
from sqlite3 import Connection, OperationalError
from typing import Final

from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy import Connection as Session

Function = tuple[int, Callable[..., str | bytes | int | float | None]]
"""Number of arguments, and what is called with them."""

_BUSY = 10_000  # milliseconds to wait for a lock that a shell or a backup holds
_STATEMENTS: Final = 256  # prepared statements kept by each connection


def open_database(
    path: Path, *, writes: bool, functions: Mapping[str, Function] | None = None
) -> Engine:
    """An engine for the SQLite database at `path`, which is made when it is not there.

    The driver begins no transactions by itself: it would do so only before the first write, and
    two that read before they write would then undo each other's work without an error. Those of
    an engine that `writes` begin with BEGIN IMMEDIATE.

    Commits reach the disk with the next checkpoint only (WAL, synchronous=NORMAL): atomic and in
    order always, but a power cut may take the last ones. Whoever answers for one commit raises
    `PRAGMA synchronous` for it.

    Args:
        path: the database file, on a local disk: WAL needs shared memory, and connecting fails
            without it.
        writes: whether its transactions may write.
        functions: deterministic SQL functions by name.
    """
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        connect_args={"cached_statements": _STATEMENTS, "timeout": _BUSY / 1000},
        pool_size=1 if writes else 8,
        max_overflow=0 if writes else 8,
    )

    def connected(connection: Connection, _record: object) -> None:
        connection.isolation_level = None
        if connection.execute("PRAGMA journal_mode=WAL").fetchone() != ("wal",):
            raise OperationalError("no write-ahead log: the database must be on a local disk")
        for pragma in ("synchronous=NORMAL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}").close()
        connection.execute(f"PRAGMA query_only={'OFF' if writes else 'ON'}").close()
        for name, (count, function) in (functions or {}).items():
            connection.create_function(name, count, function, deterministic=True)

    def begun(session: Session) -> None:
        session.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", begun)
    return engine
