"""How one instance is stored: gathered, written, indexed, and its duplicates judged."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from hilum.backends.archive.errands import Errand, Errands
from hilum.backends.archive.files import Files
from hilum.backends.archive.index import Row
from hilum.backends.archive.ingest import Part, Taken, take_small
from hilum.backends.archive.work import Fate, Outcome
from hilum.backends.archive.writer import Writer
from hilum.core.budget import Share
from hilum.model.errors import Conflict, HilumError, OutOfResources
from hilum.model.instance import CHUNK, Instance, Piece, gathering
from hilum.model.outcome import Stored

log = logging.getLogger(__name__)

Given = TypeVar("Given")

_GATHERED = 768 * 1024  # bytes, the most that is waited for; most instances come at once
FULL = "the archive cannot write to its disk"
ASTRAY = "an instance names another patient than its study has"


class Session:
    """A way into the archive. It holds nothing between instances.

    Args:
        threads: those that write files.
    """

    def __init__(self, files: Files, writer: Writer, threads: Errands) -> None:
        self._files = files
        self._writer = writer
        self._threads = threads

    async def store(self, instance: Instance, /) -> Stored:
        """Take one instance (see `core.backend.StoreSession`).

        A failure of ours (no room) may be answered before all `chunks` are read. Cancelled while
        they are read, nothing is kept; after the last one the work is finished first, as what is
        whole is not thrown away.
        """
        return await _Arrival(self._files, self._writer, self._threads, instance).stored()


class _Arrival:
    """One instance being stored: one thread has all of it from its last chunk to its row.

    What runs in a thread cannot be stopped, and owns files: so a cancellation, whichever way it
    comes, is remembered until the thread is done.
    """

    def __init__(self, files: Files, writer: Writer, threads: Errands, instance: Instance) -> None:
        self._files = files
        self._writer = writer
        self._threads = threads
        self._instance = instance
        self._part: Part | None = None
        self._taken: Taken | None = None
        self._waiting: list[Piece] = []
        self._share = Share()  # bytes that wait, or are being written

    async def stored(self) -> Stored:
        """The whole way of the instance."""
        try:
            return await self._stored()
        finally:
            self._share.close()

    async def _stored(self) -> Stored:
        following, share = gathering(self._instance.chunks), self._share
        failed = None
        try:
            while pieces := await following(min(_GATHERED, share.room)):
                more = sum(map(len, pieces))
                if share.held + more > CHUNK:
                    failed = await self._spooled()
                self._waiting += pieces
                share.take(more)
                if not share.room:
                    failed = failed or await self._spooled()
                if failed is not None:
                    return failed
        except BaseException:
            if self._part is not None:
                await self._threads.begin(self._discard).outlasted()
            raise
        waiting, self._waiting = self._waiting, []
        return await self._done(self._threads.begin(self._keep, waiting))

    async def _spooled(self) -> Stored | None:
        """Have what waits written to the growing file; the failure, if it is one."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return None
        size = self._share.held
        failed = await self._done(self._threads.begin(self._append, waiting))
        self._share.give(size)
        return failed

    async def _done(self, errand: "Errand[Given]") -> Given:
        """What a thread did; the cancellation that came meanwhile is raised after it."""
        cancelled = await errand.outlasted()
        result = errand.result()
        if cancelled is not None:
            raise cancelled
        return result

    # In a thread

    def _append(self, chunks: list[Piece]) -> Stored | None:
        """Write to the growing file, making it first; the failure, if it is one."""
        try:
            if self._part is None:
                self._part = Part(self._files, self._instance)
            self._part.append(chunks)
        except OSError:
            log.exception(FULL)
            return self._cannot_write()
        return None

    def _keep(self, last: list[Piece]) -> Stored:
        """Make the file whole and safe, have it indexed, and say how it went."""
        dictionaries = self._writer.dictionaries
        try:
            if self._part is None:
                self._taken = take_small(self._files, dictionaries, self._instance, last)
            else:
                self._part.append(last)
                self._taken = self._part.finish(dictionaries)
            return self._indexed(self._taken)
        except HilumError as error:
            self._discard()
            return self._failed(error)
        except OSError:
            log.exception(FULL)
            return self._cannot_write()
        except BaseException:
            self._discard()
            raise

    def _indexed(self, taken: Taken) -> Stored:
        """Write the row, and judge what the writer says."""
        outcome = self._writer.settle(taken.entry)
        while outcome.fate is Fate.ALIKE and outcome.there is not None:
            if self._same(taken, outcome.there):
                self._discard()
                return _kept(taken)
            outcome = self._writer.settle(taken.entry, outcome.there.file)
        if outcome.fate is Fate.REFUSED:
            raise Conflict("another data set is kept under this SOP Instance UID")
        return self._judged(taken, outcome)

    def _judged(self, taken: Taken, outcome: Outcome) -> Stored:
        if not outcome.durable:
            return self._failed(OutOfResources("the replacement could not be made durable"))
        if outcome.there is not None:
            self._retire(outcome.there, is_damaged=outcome.damaged)
        if outcome.astray:
            log.warning("study %s: %s", taken.entry.study_instance_uid, ASTRAY)
            return _kept(replace(taken, warnings=(*taken.warnings, ASTRAY)))
        return _kept(taken)

    def _retire(self, there: Row, *, is_damaged: bool) -> None:
        """Remove a file that was replaced; keep what is left of one that was damaged."""
        try:
            if not is_damaged:
                self._files.remove(there.file)
            elif (path := Path(self._files.path(there.file))).exists():
                self._files.set_aside(path)
        except OSError:
            log.exception("a replaced file could not be removed")

    def _same(self, taken: Taken, there: Row) -> bool:
        try:
            return self._files.same(taken.entry.file, there.file)
        except OSError:
            log.exception("%s cannot be read", self._files.path(there.file))
            return False

    def _cannot_write(self) -> Stored:
        self._discard()
        return self._failed(OutOfResources(FULL))

    def _discard(self) -> None:
        """Take the file away, if there is one."""
        try:
            if self._part is not None:
                self._part.discard()
            elif self._taken is not None:
                self._files.remove(self._taken.entry.file)
        except OSError:
            log.exception("a file that is not kept could not be removed")

    def _failed(self, failure: HilumError) -> Stored:
        instance = self._instance
        if self._taken is None:
            return Stored(
                sop_class_uid=instance.sop_class_uid,
                sop_instance_uid=instance.sop_instance_uid,
                failure=failure,
            )
        entry = self._taken.entry
        return Stored(
            sop_class_uid=entry.sop_class_uid,
            sop_instance_uid=entry.sop_instance_uid,
            study_instance_uid=entry.study_instance_uid,
            series_instance_uid=entry.series_instance_uid,
            failure=failure,
        )


def _kept(taken: Taken) -> Stored:
    entry = taken.entry
    return Stored(
        sop_class_uid=entry.sop_class_uid,
        sop_instance_uid=entry.sop_instance_uid,
        study_instance_uid=entry.study_instance_uid,
        series_instance_uid=entry.series_instance_uid,
        warnings=taken.warnings,
    )
