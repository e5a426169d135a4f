"""Who writes the index: one thread, which commits what gathered during its last commit."""

import asyncio
import logging
import sqlite3
import threading
from collections import deque
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Final, Literal

from hilum.backends.archive.files import Files
from hilum.backends.archive.index import SWEPT, UNSWEPT, Index, Row
from hilum.backends.archive.record import Entry
from hilum.backends.archive.turn import Turn
from hilum.model.errors import BackendFault, HilumError, OutOfResources
from hilum.model.identity import Ref

log = logging.getLogger(__name__)

Policy = Literal["keep", "replace", "reject"]

_BATCH = 256  # instances in one commit
_LOG_LIMIT: Final = 32 * 1024 * 1024
"""Bytes of write-ahead log after which it is moved into the database even under load."""
_IDLE = 1.0  # seconds without work after which it is moved anyway


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
        done: gets the outcome, once it is committed.
    """

    entry: Entry
    done: asyncio.Future[Outcome]
    loop: asyncio.AbstractEventLoop
    compared: int = 0
    outcome: Outcome | HilumError | None = field(default=None, init=False)

    def tell(self) -> None:
        """Tell whoever waits."""
        if isinstance(self.outcome, Outcome):
            self.done.set_result(self.outcome)
        else:
            self.done.set_exception(self.outcome or BackendFault("the archive's index failed"))


@dataclass(slots=True)
class Removal:
    """A study, series or instance on its way out of the index.

    Attributes:
        done: gets the files that have no row any more, once that is durable.
    """

    ref: Ref
    done: asyncio.Future[list[int]]
    loop: asyncio.AbstractEventLoop
    outcome: list[int] | HilumError | None = field(default=None, init=False)

    def tell(self) -> None:
        """Tell whoever waits."""
        if isinstance(self.outcome, list):
            self.done.set_result(self.outcome)
        else:
            self.done.set_exception(self.outcome or BackendFault("the archive's index failed"))


Work = Job | Removal


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
    """The thread that writes, from `start` to `stop`."""

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
        self._jobs: SimpleQueue[Work | None] = SimpleQueue()
        self._gone: deque[int] = deque()
        self._thread = threading.Thread(target=self._run, name="archive writer", daemon=True)
        self._moved = True

    def start(self) -> None:
        """Begin to take jobs."""
        self._thread.start()

    def put(self, job: Work) -> None:
        """Take a job over; from any thread."""
        self._jobs.put(job)

    def gone(self, files: Iterable[int]) -> None:
        """Say that doomed files are gone; from any thread. With the next commit they are forgotten.

        Where that does not come, they are looked for at the next start, and not found.
        """
        self._gone.extend(files)

    def stop(self) -> None:
        """Finish all jobs, empty the log, and return. Nothing may be `put` after it."""
        self._jobs.put(None)
        self._thread.join()
        self._checkpoint(last=True)

    def _run(self) -> None:
        while True:
            batch, ended = self._gather()
            if batch:
                self._write(batch)
                _resolve(batch)
            if ended:
                return
            if not self._moved and (not batch or self._log_size() > _LOG_LIMIT):
                self._checkpoint()

    def _gather(self) -> tuple[list[Work], bool]:
        """All that waits, nothing only after a while without work; and whether to end."""
        batch: list[Work] = []
        try:
            job = self._jobs.get(timeout=None if self._moved else _IDLE)
            while job is not None:
                batch.append(job)
                if len(batch) == _BATCH or self._jobs.empty():
                    return batch, False
                job = self._jobs.get()
        except Empty:
            return batch, False
        return batch, True

    def _write(self, batch: list[Work]) -> None:
        """Commit when it is our turn."""
        try:
            with self._turn():
                self._commit(batch)
        except OSError as error:  # of the turn's files
            failure = _failure(error)
            for job in batch:
                job.outcome = job.outcome or failure

    def _commit(self, batch: list[Work]) -> None:
        """One transaction for all, in which each may fail by itself."""
        self._moved = False
        try:
            self._index.begin()
            self._index.bury(self._gone.popleft() for _ in range(len(self._gone)))
            if len(batch) == 1:
                self._settle(batch[0])
            else:
                for job in batch:
                    self._step(job)
            self._index.commit()
        except Exception as error:  # noqa: BLE001 - a dead writer would let everybody wait for ever
            failure = _failure(error)
            for job in batch:
                job.outcome = failure
            self._rollback()
            return
        final = [job for job in batch if _takes_files(job.outcome)]
        if final and not self._flush():
            for job in final:
                if isinstance(job, Job):
                    job.outcome = Outcome(Fate.KEPT, durable=False)
                else:
                    job.outcome = OutOfResources("the archive's index could not be made durable")

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
        if isinstance(job, Removal):
            job.outcome = self._index.doom(job.ref)
            return
        entry, compared = job.entry, job.compared
        job.outcome = settle(self._index, self._files, entry, self._policy, compared)

    def _rollback(self) -> None:
        try:
            self._index.rollback()
        except sqlite3.Error:
            log.exception("a transaction of the archive's index could not be undone")

    def _flush(self) -> bool:
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


def _takes_files(outcome: Outcome | list[int] | HilumError | None) -> bool:
    """Whether files go for what was done."""
    if isinstance(outcome, Outcome):
        return outcome.fate is Fate.KEPT and outcome.there is not None
    return isinstance(outcome, list) and outcome != []


def _failure(error: Exception) -> HilumError:
    """The database's errors in our words; their own text may hold values."""
    log.error("the archive's index refused a row", exc_info=error)
    if isinstance(error, sqlite3.OperationalError):
        return OutOfResources("the archive's index cannot be written")
    return BackendFault("the archive's index failed")


def _resolve(batch: Iterable[Work]) -> None:
    """Tell those who wait, one wake-up for each event loop."""
    waiting: dict[asyncio.AbstractEventLoop, list[Work]] = {}
    for job in batch:
        waiting.setdefault(job.loop, []).append(job)
    for loop, jobs in waiting.items():
        try:
            loop.call_soon_threadsafe(_tell, jobs)
        except RuntimeError:
            log.warning("an event loop closed before its instances were in the index")


def _tell(jobs: list[Work]) -> None:
    for job in jobs:
        if not job.done.done():
            job.tell()
