"""How one instance is stored: gathered, written, indexed, and its duplicates judged."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TypeVar, TypeVarTuple

from hilum.backends.archive.files import Files
from hilum.backends.archive.index import Row
from hilum.backends.archive.ingest import Part, Taken, take_small
from hilum.backends.archive.outlast import outlast
from hilum.backends.archive.writer import Fate, Job, Outcome, Writer
from hilum.model.errors import BackendFault, Conflict, HilumError, OutOfResources
from hilum.model.instance import CHUNK, Instance
from hilum.model.outcome import Stored

log = logging.getLogger(__name__)

ASTRAY = "an instance names another patient than its study has"

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Session:
    """A way into the archive. It holds nothing between instances.

    Args:
        threads: those that write files.
    """

    def __init__(self, files: Files, writer: Writer, threads: ThreadPoolExecutor) -> None:
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


class _CannotWriteError(Exception):
    """Our disk fails, as opposed to the source of the chunks."""


class _Arrival:
    """One instance being stored.

    What runs in a thread cannot be stopped, and owns files: so a cancellation, whichever way it
    comes, is remembered until the thread is done.
    """

    def __init__(
        self, files: Files, writer: Writer, threads: ThreadPoolExecutor, instance: Instance
    ) -> None:
        self._files = files
        self._writer = writer
        self._threads = threads
        self._instance = instance
        self._loop = asyncio.get_running_loop()
        self._cancelled: asyncio.CancelledError | None = None
        self._part: Part | None = None
        self._taken: Taken | None = None
        self._job: Job | None = None

    async def stored(self) -> Stored:
        """The whole way of the instance."""
        try:
            last = await self._receive()
        except _CannotWriteError:
            await self._discard()
            return self._failed(OutOfResources("the archive cannot write to its disk"))
        except BaseException:
            await self._discard()
            raise
        stored = await self._keep(last)
        if self._cancelled is not None:
            raise self._cancelled
        return stored

    async def _receive(self) -> list[bytes]:
        """Read all chunks, writing each MiB that is not the last one; the rest is given back."""
        waiting: list[bytes] = []
        size = 0
        async for chunk in _of(self._instance):
            if size + len(chunk) > CHUNK:
                try:
                    await self._in_thread(self._append, waiting)
                except OSError as error:
                    log.exception("the archive cannot write to its disk")
                    raise _CannotWriteError from error
                if self._cancelled is not None:
                    raise self._cancelled
                waiting, size = [], 0
            waiting.append(chunk)
            size += len(chunk)
        return waiting

    def _append(self, chunks: list[bytes]) -> None:
        """Write to the growing file, making it first; in a thread."""
        if self._part is None:
            self._part = Part(self._files, self._instance)
        self._part.append(chunks)

    async def _keep(self, last: list[bytes]) -> Stored:
        """Write the rest, have it indexed, and say how it went."""
        try:
            await self._in_thread(self._finish, last)
            return await self._indexed()
        except HilumError as error:
            await self._discard()
            return self._failed(error)
        except OSError:
            log.exception("the archive cannot write to its disk")
            await self._discard()
            return self._failed(OutOfResources("the archive cannot write to its disk"))

    def _finish(self, last: list[bytes]) -> None:
        """Make the file whole and safe, and hand its row to the writer; in a thread."""
        dictionaries = self._writer.dictionaries
        if self._part is None:
            take_small(self._files, dictionaries, self._instance, last, self._hand_on)
        else:
            self._part.append(last)
            self._part.finish(dictionaries, self._hand_on)

    def _hand_on(self, taken: Taken, compared: int = 0) -> None:
        """Give the writer a row; from any thread."""
        self._taken = taken
        self._job = Job(taken.entry, self._loop.create_future(), self._loop, compared)
        self._writer.put(self._job)

    async def _indexed(self) -> Stored:
        """Wait for the commit, and judge what the writer says."""
        while True:
            job, taken = self._job, self._taken
            if job is None or taken is None:
                raise BackendFault("the archive lost an instance on its way")
            outcome = await self._outcome(job.done)
            if outcome.fate is not Fate.ALIKE or outcome.there is None:
                return await self._judged(taken, outcome)
            if await self._in_thread(self._same, taken, outcome.there):
                await self._discard()
                return _kept(taken)
            self._hand_on(taken, outcome.there.file)

    async def _judged(self, taken: Taken, outcome: Outcome) -> Stored:
        if outcome.fate is Fate.REFUSED:
            raise Conflict("another data set is kept under this SOP Instance UID")
        self._files.settle(taken.entry.file)
        if not outcome.durable:
            return self._failed(OutOfResources("the replacement could not be made durable"))
        if outcome.there is not None:
            try:
                await self._in_thread(self._retire, outcome.there, outcome.damaged)
            except OSError:
                log.exception("a replaced file could not be removed")
        if outcome.astray:
            log.warning("study %s: %s", taken.entry.study_instance_uid, ASTRAY)
            return _kept(replace(taken, warnings=(*taken.warnings, ASTRAY)))
        return _kept(taken)

    def _retire(self, there: Row, damaged: bool) -> None:  # noqa: FBT001 - run in a thread
        """Remove a file that was replaced; keep what is left of one that was damaged."""
        if not damaged:
            self._files.remove(there.file)
        elif (path := Path(self._files.path(there.file))).exists():
            self._files.set_aside(path)

    def _same(self, taken: Taken, there: Row) -> bool:
        try:
            return self._files.same(taken.entry.file, there.file)
        except OSError:
            log.exception("%s cannot be read", self._files.path(there.file))
            return False

    async def _discard(self) -> None:
        """Take the file away, if there is one."""
        part, taken = self._part, self._taken
        try:
            if part is not None:
                await self._in_thread(part.discard)
            elif taken is not None:
                await self._in_thread(self._files.remove, taken.entry.file)
        except OSError:
            log.exception("a file that is not kept could not be removed")

    async def _in_thread(self, function: Callable[[*Ts], T], *args: *Ts) -> T:
        return await self._outcome(self._loop.run_in_executor(self._threads, function, *args))

    async def _outcome(self, future: asyncio.Future[T]) -> T:
        """The result of a future; a cancellation meanwhile is remembered."""
        self._cancelled = await outlast(future) or self._cancelled
        return future.result()

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


async def _of(instance: Instance) -> AsyncIterator[bytes]:
    """The chunks, none longer than `CHUNK`."""
    async for chunk in instance.chunks:
        for start in range(0, len(chunk), CHUNK):
            yield chunk[start : start + CHUNK]


def _kept(taken: Taken) -> Stored:
    entry = taken.entry
    return Stored(
        sop_class_uid=entry.sop_class_uid,
        sop_instance_uid=entry.sop_instance_uid,
        study_instance_uid=entry.study_instance_uid,
        series_instance_uid=entry.series_instance_uid,
        warnings=taken.warnings,
    )
