"""How the index is read: by a few threads, which stop when nobody waits any more."""

import asyncio
import logging
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import sqlalchemy as sa

from hilum.model.errors import BackendFault

log = logging.getLogger(__name__)

T = TypeVar("T")
Rows = list[tuple[Any, ...]]

_THREADS = 8


class Cursor:
    """What reading code gets: runs SQL."""

    __slots__ = ("_cursor",)

    def __init__(self, cursor: sqlite3.Cursor) -> None:
        self._cursor = cursor

    def rows(self, text: str, values: Sequence[Any] = ()) -> Rows:
        """All rows."""
        return self._cursor.execute(text, values).fetchall()

    def numbers(self, text: str, values: Sequence[Any], into: Callable[[int], None]) -> None:
        """Hand on the first column of each row, without keeping them."""
        for (number,) in self._cursor.execute(text, values):
            into(number)


class _Turn:
    """One read: which connection it runs on, so that it can be interrupted, and no other."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._left = False

    def begin(self, connection: sqlite3.Connection) -> bool:
        with self._lock:
            self._connection = connection
            return not self._left

    def end(self) -> None:
        with self._lock:
            self._connection = None

    def leave(self) -> None:
        """Nobody waits any more."""
        with self._lock:
            self._left = True
            if self._connection is not None:
                self._connection.interrupt()


class Readers:
    """Reads the index from its own threads."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="archive reader")
        self._idle: list[sqlite3.Connection] = []

    def close(self) -> None:
        """Wait for the threads, and close the connections."""
        self._threads.shutdown()
        for connection in self._idle:
            connection.close()

    async def run(self, read: Callable[[Cursor], T]) -> T:
        """What `read` gives, in a thread. Cancelled, the statement it runs is interrupted.

        Raises:
            BackendFault: the index cannot be read.
        """
        turn = _Turn()
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads, self._read, turn, read)
        except asyncio.CancelledError:
            turn.leave()
            raise

    def _read(self, turn: _Turn, read: Callable[[Cursor], T]) -> T:
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._connect()
        cursor = connection.cursor()
        try:
            if not turn.begin(connection):
                raise BackendFault("nobody waits for this any more")
            return read(Cursor(cursor))
        except sqlite3.Error as error:
            log.debug("a read of the archive's index ended early", exc_info=error)
            raise BackendFault("the archive's index cannot be read") from error
        finally:
            turn.end()
            cursor.close()
            self._idle.append(connection)

    def _connect(self) -> sqlite3.Connection:
        """A connection with the engine's settings, taken out of its pool for good."""
        try:
            pooled = self._engine.raw_connection()
        except (sqlite3.Error, sa.exc.SQLAlchemyError) as error:
            raise BackendFault("the archive's index cannot be opened") from error
        connection = pooled.driver_connection
        pooled.detach()
        if not isinstance(connection, sqlite3.Connection):
            raise BackendFault("the archive's index is not in SQLite")
        return connection
