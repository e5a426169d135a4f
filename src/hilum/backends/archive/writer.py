"""Who writes the index: one thread at a time, which commits for all that wait meanwhile."""

import logging
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Final

from hilum.backends.archive.files import Files
from hilum.backends.archive.index import SWEPT, UNSWEPT, Index
from hilum.backends.archive.record import Entry
from hilum.backends.archive.turn import Turn
from hilum.backends.archive.work import (
    Fate,
    Job,
    Outcome,
    Policy,
    Removal,
    Settling,
    Work,
    settle,
)
from hilum.core.changes import Change
from hilum.model.errors import BackendFault, HilumError, OutOfResources
from hilum.model.identity import Ref

log = logging.getLogger(__name__)

_BATCH = 256  # instances in one commit
_LOG_LIMIT: Final = 32 * 1024 * 1024
"""Bytes of write-ahead log after which it is moved into the database even under load."""
_IDLE = 1.0  # seconds without work after which it is moved anyway
_GATHER = 0.05  # seconds that a transaction is left open for others


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
        self._jobs: deque[Work] = deque()
        self._lock = threading.Lock()
        self._begun = False
        self._rows: list[Job] = []  # of the open transaction, all of them answered for
        self._gone: deque[int] = deque()
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
        self._do(job)
        if isinstance(job.outcome, Outcome):
            return job.outcome
        raise job.outcome or _lost()

    def remove(self, ref: Ref) -> list[int]:
        """Take away what is at and below `ref`, durably; the files that have no row any more.

        Raises:
            HilumError: it could not be done.
        """
        removal = Removal(ref)
        self._do(removal)
        if isinstance(removal.outcome, list):
            return removal.outcome
        raise removal.outcome or _lost()

    def told(self, changes: Sequence[Change]) -> None:
        """Forget changes of which everybody was told.

        Raises:
            HilumError: it could not be done.
        """
        settling = Settling(changes)
        self._do(settling)
        self.flush()  # or else who looks again meanwhile is told again
        if settling.outcome is not True:
            raise settling.outcome or _lost()

    def _do(self, job: Work) -> None:
        self._jobs.append(job)
        with self._lock:
            while job.outcome is None:
                self._write([self._jobs.popleft() for _ in range(min(len(self._jobs), _BATCH))])

    @property
    def owes(self) -> bool:
        """Whether rows were written that nobody can see as yet."""
        return bool(self._rows)

    def flush(self) -> None:
        """Commit what was written; from any thread."""
        with self._lock:
            self._finish()

    def gone(self, files: Iterable[int]) -> None:
        """Say that doomed files are gone; from any thread. With the next commit they are forgotten.

        Where that does not come, they are looked for at the next start, and not found.
        """
        self._gone.extend(files)

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

    def _write(self, batch: list[Work]) -> None:
        """Write rows when it is our turn, and commit if that cannot wait."""
        self._worked = time.monotonic()
        answered = self._rows
        try:
            with self._turn():
                self._write_again()
                at_once = not self._alone or bool(self._undone)
                self._begin()
                if at_once and len(batch) == 1:
                    self._settle(batch[0])
                else:
                    for job in batch:
                        self._step(job)
                final = [job for job in batch if job.takes_files]
                kept = [job for job in batch if isinstance(job, Job) and job.is_kept]
                self._rows = [*answered, *kept]
                if at_once or final or len(self._rows) >= _BATCH:
                    self._commit()
                if final and not self._flushed():
                    _not_durable(final)
        except Exception as error:  # noqa: BLE001 - who waits must be told, whatever it is
            self._undo(answered)
            _fail(batch, error)

    def _begin(self) -> None:
        if not self._begun:
            self._index.begin()
            self._begun = True
            self._index.bury(self._gone.popleft() for _ in range(len(self._gone)))
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
            if job.is_kept:
                self._files.settle(job.entry.file)
            else:
                log.error("%s could not be indexed again", self._files.path(job.entry.file))

    def _step(self, job: Work) -> None:
        self._index.mark_step()
        try:
            self._settle(job)
        except Exception as error:  # noqa: BLE001 - it shall not fail those that came with it
            self._index.undo_step()
            job.outcome = _failure(error)
        else:
            self._index.keep_step()

    def _settle(self, job: Work) -> None:
        if isinstance(job, Settling):
            self._index.settle(job.changes)
            job.outcome = True
            return
        if isinstance(job, Removal):
            if self._undone:
                raise sqlite3.OperationalError("rows are still to be written")
            job.outcome = self._index.doom(job.ref)
            return
        entry, compared = job.entry, job.compared
        job.outcome = settle(self._index, self._files, entry, self._policy, compared)

    def _flushed(self) -> bool:
        """Make replacements and removals durable, before files go and before the answer."""
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


def _failure(error: Exception) -> HilumError:
    """The database's errors in our words; their own text may hold values."""
    log.error("the archive's index refused a row", exc_info=error)
    if isinstance(error, sqlite3.OperationalError):
        return OutOfResources("the archive's index cannot be written")
    return BackendFault("the archive's index failed")


def _fail(batch: Iterable[Work], error: Exception) -> None:
    """Each gets an error of its own, as it is raised in a thread of its own."""
    failure = _failure(error)
    for job in batch:
        job.outcome = type(failure)(str(failure))


def _not_durable(final: Iterable[Work]) -> None:
    for job in final:
        if isinstance(job, Job):
            job.outcome = Outcome(Fate.KEPT, durable=False)
        else:
            job.outcome = OutOfResources("the archive's index could not be made durable")


def _lost() -> BackendFault:
    return BackendFault("the archive's index failed")
