"""Who writes the index: one thread at a time, which commits for all that wait meanwhile."""

import logging
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Final, Literal

from hilum.backends.archive.files import Files
from hilum.backends.archive.index import SWEPT, UNSWEPT, Index, Row
from hilum.backends.archive.record import Entry
from hilum.backends.archive.turn import Turn
from hilum.model.errors import BackendFault, HilumError, OutOfResources

log = logging.getLogger(__name__)

Policy = Literal["keep", "replace", "reject"]

_BATCH = 256  # instances in one commit
_LOG_LIMIT: Final = 32 * 1024 * 1024
"""Bytes of write-ahead log after which it is moved into the database even under load."""
_IDLE = 1.0  # seconds without work after which it is moved anyway
_GATHER = 0.05  # seconds that a transaction is left open for others


class Fate(Enum):
    """What became of an entry."""

    KEPT = "kept"
    ALIKE = "alike"
    """There is a row whose data set may be the same: compare the bytes."""
    REFUSED = "refused"
    """There is a row with another data set, and it stays."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an entry.

    Attributes:
        there: the row that was there before; with `KEPT`, the one that was replaced.
        durable: whether a replacement has reached the disk; else neither file may go.
        damaged: the file of the row that was there is gone or cut.
        astray: it names another patient than its study has, and is filed with its study.
    """

    fate: Fate
    there: Row | None = None
    durable: bool = True
    damaged: bool = False
    astray: bool = False


@dataclass(slots=True)
class Job:
    """An entry on its way into the index.

    Attributes:
        compared: the file of a row that is known to be another data set, though alike.
    """

    entry: Entry
    compared: int = 0
    outcome: Outcome | HilumError | None = field(default=None, init=False)


def settle(index: Index, files: Files, entry: Entry, policy: Policy, compared: int = 0) -> Outcome:
    """Write an entry, or say why not; within a transaction.

    A row whose file is gone does not stand in the way, whatever the policy.
    """
    if index.add(entry):
        return Outcome(Fate.KEPT, astray=index.is_astray(entry))
    there = index.find(entry.sop_instance_uid)
    if there is None:
        raise LookupError("the index has lost a row")
    whole = files.is_there(there.file, there.size)
    if whole and there.alike(entry) and there.file != compared:
        return Outcome(Fate.ALIKE, there)
    if whole and policy != "replace":
        return Outcome(Fate.REFUSED, there)
    if not whole:
        log.error("%s is gone or cut; its instance was sent again", files.path(there.file))
    index.drop(there.file)
    index.add(entry)
    return Outcome(Fate.KEPT, there, damaged=not whole, astray=index.is_astray(entry))


class Writer:
    """Writes the rows of those who took an instance in, in their threads, from `start` to `stop`.

    The one that has the lock writes for all that wait for it. Where this process is alone, the
    transaction is left open for others to join, and is committed a moment later, or before
    anybody reads: a row that is lost meanwhile is made again at the next start from its file.
    """

    def __init__(
        self,
        index: Index,
        files: Files,
        database: Path,
        policy: Policy,
        turn: Turn | None = None,
    ) -> None:
        self.dictionaries = index.dictionaries
        self._index = index
        self._files = files
        self._log_file = database.with_name(database.name + "-wal")
        self._policy = policy
        self._turn = nullcontext if turn is None else turn.taken
        self._alone = turn is None
        self._jobs: deque[Job] = deque()
        self._lock = threading.Lock()
        self._begun = False
        self._rows: list[Job] = []  # of the open transaction, all of them answered for
        self._undone: list[Job] = []  # answered for, and not in the index: to be written again
        self._work = threading.Event()
        self._worked = 0.0
        self._moved = True
        self._ended = False
        self._thread = threading.Thread(target=self._look, name="archive writer", daemon=True)

    def start(self) -> None:
        """Begin to commit."""
        self._thread.start()

    def settle(self, entry: Entry, compared: int = 0) -> Outcome:
        """Write a row; whoever calls `flush` sees it. From any thread but the event loop's.

        Args:
            entry: to be written.
            compared: the file of a row that is known to be another data set, though alike.

        Raises:
            HilumError: it could not be written.
        """
        job = Job(entry, compared)
        self._jobs.append(job)
        with self._lock:
            while job.outcome is None:
                self._write([self._jobs.popleft() for _ in range(min(len(self._jobs), _BATCH))])
        if isinstance(job.outcome, HilumError):
            raise job.outcome
        return job.outcome

    @property
    def owes(self) -> bool:
        """Whether rows were written that nobody can see as yet."""
        return bool(self._rows)

    def flush(self) -> None:
        """Commit what was written; from any thread."""
        with self._lock:
            self._finish()

    def stop(self) -> None:
        """Commit, empty the log, and return. Nothing may be settled after it."""
        self._ended = True
        self._work.set()
        self._thread.join()
        with self._lock:
            self._files.spare()
            self._finish()
            self._write_again()
            self._checkpoint(last=True)

    def _look(self) -> None:
        """Commit what gathered, and move the log into the database."""
        while not self._ended:
            if self._work.wait(None if self._moved and not self._undone else _IDLE):
                self._work.clear()
                if not self._ended:
                    time.sleep(_GATHER)
            with self._lock:
                self._finish()
                rests = time.monotonic() - self._worked >= _IDLE
                if rests:
                    self._files.spare()
                    self._write_again()
                if not self._moved and (rests or self._log_size() > _LOG_LIMIT):
                    self._checkpoint()

    def _write(self, batch: list[Job]) -> None:
        """Write rows when it is our turn, and commit if that cannot wait."""
        self._worked = time.monotonic()
        answered = self._rows
        try:
            with self._turn():
                self._write_again()
                at_once = not self._alone or bool(self._undone)
                self._begin()
                if at_once and len(batch) == 1:
                    batch[0].outcome = self._settled(batch[0])
                else:
                    for job in batch:
                        self._step(job)
                replaced = [job for job in batch if _replaced(job.outcome)]
                self._rows = [*answered, *(job for job in batch if _kept(job.outcome))]
                if at_once or replaced or len(self._rows) >= _BATCH:
                    self._commit()
                if replaced and not self._flushed():
                    for job in replaced:
                        job.outcome = Outcome(Fate.KEPT, durable=False)
        except Exception as error:  # noqa: BLE001 - who waits must be told, whatever it is
            self._undo(answered)
            _fail(batch, error)

    def _begin(self) -> None:
        if not self._begun:
            self._index.begin()
            self._begun = True
            if self._alone or self._moved:
                self._work.set()
            self._moved = False

    def _commit(self) -> None:
        self._index.commit()
        self._begun = False
        for job in self._rows:
            self._files.settle(job.entry.file)
        self._rows = []

    def _finish(self) -> None:
        """Commit the open transaction, if there is one."""
        if self._begun:
            try:
                self._commit()
            except Exception as error:  # noqa: BLE001 - a dead writer would commit nothing more
                _failure(error)
                self._undo(self._rows)

    def _undo(self, answered: list[Job]) -> None:
        """Take back the open transaction; what was answered for is to be written again."""
        self._undone += answered
        self._rows = []
        self._begun = False
        try:
            self._index.rollback()
        except sqlite3.Error:
            log.exception("a transaction of the archive's index could not be undone")

    def _write_again(self) -> None:
        """Write what was answered for and then undone; until it is, commits come before answers.

        What fails for ever is in its file: the next start takes it in again.
        """
        if not self._undone:
            return
        jobs = self._undone
        try:
            self._index.begin()
            for job in jobs:
                self._step(job)
            self._index.commit()
        except Exception as error:  # noqa: BLE001 - as above
            _failure(error)
            self._undo([])
            return
        self._moved = False
        self._undone = []
        for job in jobs:
            if _kept(job.outcome):
                self._files.settle(job.entry.file)
            else:
                log.error("%s could not be indexed again", self._files.path(job.entry.file))

    def _step(self, job: Job) -> None:
        self._index.mark_step()
        try:
            job.outcome = self._settled(job)
        except Exception as error:  # noqa: BLE001 - it shall not fail those that came with it
            self._index.undo_step()
            job.outcome = _failure(error)
        else:
            self._index.keep_step()

    def _settled(self, job: Job) -> Outcome:
        return settle(self._index, self._files, job.entry, self._policy, job.compared)

    def _flushed(self) -> bool:
        """Make replacements durable, before the old files go and before the answer."""
        try:
            self._index.flush()
        except sqlite3.Error:
            log.exception("the archive's index could not be made durable")
            return False
        return True

    def _checkpoint(self, *, last: bool = False) -> None:
        """Move the log into the database, and remember that this day's rows are safe."""
        day = self._files.unsafe_since()
        self._moved = True
        try:
            if self._index.checkpoint(last=last) and self._index.recall(SWEPT) < day:
                with self._turn():
                    self._index.begin()
                    if not self._index.recall(UNSWEPT):
                        self._index.remember(SWEPT, day)
                    self._index.commit()
        except (sqlite3.Error, OSError):
            log.exception("the archive's log could not be moved into its index")
            self._index.rollback()

    def _log_size(self) -> int:
        try:
            return self._log_file.stat().st_size
        except OSError:
            return 0


def _replaced(outcome: Outcome | HilumError | None) -> bool:
    return isinstance(outcome, Outcome) and outcome.fate is Fate.KEPT and outcome.there is not None


def _kept(outcome: Outcome | HilumError | None) -> bool:
    return isinstance(outcome, Outcome) and outcome.fate is Fate.KEPT


def _failure(error: Exception) -> HilumError:
    """The database's errors in our words; their own text may hold values."""
    log.error("the archive's index refused a row", exc_info=error)
    if isinstance(error, sqlite3.OperationalError):
        return OutOfResources("the archive's index cannot be written")
    return BackendFault("the archive's index failed")


def _fail(batch: Iterable[Job], error: Exception) -> None:
    """Each gets an error of its own, as it is raised in a thread of its own."""
    failure = _failure(error)
    for job in batch:
        job.outcome = type(failure)(str(failure))
