"""How the index of an archive is written in steps: begun, kept, undone, made durable.

One connection, used by one thread at a time. The statements are SQLAlchemy's, compiled once; they
run on the driver's cursor, as they run for every instance that comes in.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from hilum.backends.archive.statements import statements


class Transactions:
    """A connection with the index, and what is done to it as one."""

    def __init__(self, engine: sa.Engine) -> None:
        self._connection = engine.raw_connection()
        self._cursor = self._connection.cursor()
        self._version: tuple[int] | None = None
        self._statements = statements(engine.dialect)

    def _forget(self) -> None:
        """Forget what is remembered of rows: they may be others now."""
        raise NotImplementedError

    def close(self) -> None:
        """Give the connection back."""
        self._cursor.close()
        self._connection.close()

    def begin(self) -> None:
        """Begin a transaction that may write."""
        self._cursor.execute("BEGIN IMMEDIATE")
        # What another process wrote meanwhile may have taken rows away that are known here.
        version = self._cursor.execute("PRAGMA data_version").fetchone()
        if version != self._version:
            self._version = version
            self._forget()

    def commit(self) -> None:
        """Make what was done since `begin` visible to everybody, in one step."""
        self._cursor.execute("COMMIT")

    def rollback(self) -> None:
        """Undo what was done since `begin`; without harm when the database did so itself."""
        self._forget()
        if self._connection.in_transaction:
            self._cursor.execute("ROLLBACK")

    def mark_step(self) -> None:
        """Begin a step that can be undone by itself."""
        self._cursor.execute("SAVEPOINT step")

    def keep_step(self) -> None:
        """Keep what was done since `mark_step`."""
        self._cursor.execute("RELEASE step")

    def undo_step(self) -> None:
        """Undo what was done since `mark_step`."""
        self._forget()
        self._cursor.execute("ROLLBACK TO step")
        self._cursor.execute("RELEASE step")

    def flush(self) -> None:
        """Make all that was committed durable: a commit that the disk acknowledges."""
        self._cursor.execute("PRAGMA synchronous=FULL")
        try:
            self.begin()
            self._run("remember", {"name": "flushed", "value": ""})
            self._run("forget", {"uid": "flushed"})
            self.commit()
        except BaseException:
            self.rollback()
            raise
        finally:
            self._cursor.execute("PRAGMA synchronous=NORMAL")

    def checkpoint(self, *, last: bool = False) -> bool:
        """Move the log into the database; whether all of it is there, durably.

        Args:
            last: empty the log as well, as nobody uses the database any more.
        """
        mode = "TRUNCATE" if last else "PASSIVE"
        busy, pages, moved = self._cursor.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
        return not busy and pages == moved

    # Running statements

    def _run(self, name: str, parameters: Mapping[str, Any]) -> int:
        """Run a statement; the key of the row it inserted, if it did."""
        statement = self._statements[name]
        self._cursor.execute(statement.text, statement.values(parameters))
        return self._cursor.lastrowid or 0

    def _one(self, name: str, parameters: Mapping[str, Any]) -> Sequence[Any] | None:
        self._run(name, parameters)
        row: Sequence[Any] | None = self._cursor.fetchone()
        return row

    def _must(self, name: str, parameters: Mapping[str, Any]) -> Sequence[Any]:
        row = self._one(name, parameters)
        if row is None:
            raise LookupError(f"the index has lost a row: {name}")
        return row
