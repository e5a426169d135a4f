"""How the index is read: by a few threads, which stop when nobody waits any more."""

import asyncio
import logging
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Any, Final, Protocol, TypeVar

import sqlalchemy as sa

from hilum.model.errors import BackendFault

log = logging.getLogger(__name__)

T = TypeVar("T")
Rows = list[tuple[Any, ...]]

_THREADS = 8
_BRIEF: Final = 0.002  # seconds that a read may keep the event loop
_REST: Final = 25  # times as long as one that took longer, the loop is left alone
_LOOK: Final = 1000  # instructions of SQLite between two looks at the clock


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


class Brief:
    """Reads the index on the event loop, as long as that does not keep the loop from its work.

    A hop to a thread and back costs more than most reads do, several times as much when others
    want the interpreter meanwhile: SQLite lets go of it, and must get it again, for every row.

    A read is broken off after `_BRIEF` seconds. One that took longer, also as the disk was slow,
    is followed by a rest, so that long ones take no more than a `_REST`th of the loop's time.

    Attributes:
        is_begun: there is a connection, or somebody is about to open one.
    """

    def __init__(self) -> None:
        self.is_begun = False
        self._cursor: sqlite3.Cursor | None = None
        self._not_before = 0.0
        self._deadline = 0.0

    @property
    def may(self) -> bool:
        """Whether a read can be tried now."""
        return self._cursor is not None and monotonic() >= self._not_before

    def open(self, connection: sqlite3.Connection) -> None:
        """Read with this connection, which nobody else uses."""
        connection.execute("PRAGMA busy_timeout=0").close()
        connection.set_progress_handler(self._is_late, _LOOK)
        self._cursor = connection.cursor()

    def close(self) -> None:
        """Close the connection."""
        cursor, self._cursor = self._cursor, None
        if cursor is not None:
            cursor.connection.close()

    def _is_late(self) -> bool:
        return monotonic() > self._deadline

    def read(self, read: Callable[[Cursor], T]) -> T:
        """What `read` gives.

        Raises:
            sqlite3.Error: it would take longer, or cannot be had without waiting.
        """
        assert self._cursor is not None  # noqa: S101 - see `may`
        began = monotonic()
        self._deadline = began + _BRIEF
        try:
            return read(Cursor(self._cursor))
        finally:
            ended = monotonic()
            if ended > self._deadline:
                self._not_before = ended + _REST * (ended - began)


class Owing(Protocol):
    """May owe rows that were answered for: the writer."""

    @property
    def owes(self) -> bool:
        """Whether there are such that nobody can see as yet."""

    def flush(self) -> None:
        """Commit them; in a thread."""


class Readers:
    """Reads the index, in its own threads or, what is soon done, at once.

    What was stored before a read began is seen by it.

    Args:
        engine: of the index.
        writer: may owe rows that were answered for; None: there is none.
    """

    def __init__(self, engine: sa.Engine, writer: Owing | None = None) -> None:
        self._engine = engine
        self._writer = writer
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="archive reader")
        self._idle: list[sqlite3.Connection] = []
        self._brief = Brief()

    def close(self) -> None:
        """Wait for the threads, and close the connections."""
        self._threads.shutdown()
        self._brief.close()
        for connection in self._idle:
            connection.close()

    async def soon(self, read: Callable[[Cursor], T]) -> T:
        """What `read` gives, at once if it is a matter of a moment, else as `run`.

        Args:
            read: may be called twice.

        Raises:
            BackendFault: the index cannot be read.
        """
        if self._brief.may:
            await self._settle()
            try:
                return self._brief.read(read)
            except sqlite3.Error:
                log.debug("a read of the archive's index goes on in a thread")
        elif not self._brief.is_begun:
            self._brief.is_begun = True
            loop = asyncio.get_running_loop()
            self._brief.open(await loop.run_in_executor(self._threads, self._connect))
        return await self.run(read)

    async def run(self, read: Callable[[Cursor], T]) -> T:
        """What `read` gives, in a thread. Cancelled, the statement it runs is interrupted.

        Raises:
            BackendFault: the index cannot be read.
        """
        await self._settle()
        turn = _Turn()
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads, self._read, turn, read)
        except asyncio.CancelledError:
            turn.leave()
            raise

    async def _settle(self) -> None:
        if self._writer is not None and self._writer.owes:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._threads, self._writer.flush)

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
