"""The embedded archive: a backend that keeps instances in files here, and an index of them.

The files are the truth; the index is SQLite and can be made again from them.
"""

import asyncio
import logging
import os
import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, ExitStack, aclosing, asynccontextmanager
from pathlib import Path
from typing import Final

from hilum.backends.archive import holds
from hilum.backends.archive.amount import Amount
from hilum.backends.archive.describe import Bulk, metadata
from hilum.backends.archive.errands import Errands
from hilum.backends.archive.files import ALONE
from hilum.backends.archive.find import Searching
from hilum.backends.archive.index import Index
from hilum.backends.archive.keep import INDEX, files_of, swept, usable
from hilum.backends.archive.lend import lent
from hilum.backends.archive.locate import at_rest, changed, locate_all, version
from hilum.backends.archive.outlast import outlast
from hilum.backends.archive.part import Part
from hilum.backends.archive.readers import Readers
from hilum.backends.archive.removal import remove
from hilum.backends.archive.retrieve import Reading
from hilum.backends.archive.session import Session
from hilum.backends.archive.turn import Turn
from hilum.backends.archive.writer import Writer
from hilum.config.mounts import ArchiveMount
from hilum.core.backend import BulkData, Found, Lent, Retrieval
from hilum.core.changes import Change
from hilum.core.operations import Originator
from hilum.model.errors import BackendFault
from hilum.model.identity import Ref
from hilum.model.instance import Listed
from hilum.model.query import Path as Keys
from hilum.model.query import Query
from hilum.state.database import open_database

log = logging.getLogger(__name__)

_WRITERS = 16  # threads that write files at once
_FILE_READERS = 4
STORES_AT_ONCE: Final = 4
"""Instances of one sender that are worth being stored at once: the disk makes several durable in
the time of one, and the next is received meanwhile."""
_LEAST_ROOM: Final = 64 * 1024 * 1024
"""Bytes free on the disk below which the archive calls itself ill."""


class Archive:
    """Implements all of `core.backend` but Send. See `open_archive`.

    Patients are told apart by Patient ID and its issuer; a study without a Patient ID is a patient
    of its own. The attributes of a study and of a series are those of their oldest instance.
    Answers come in the order in which their entities came first.

    Attributes:
        amount: how much is in it.
    """

    amount: Amount

    def __init__(
        self, settings: ArchiveMount, folder: Path, ae_title: str, part: Part | None = None
    ) -> None:
        self._settings = settings
        self._folder = folder
        self._ae_title = ae_title
        self._part = part
        self._open = ExitStack()

    def start(self) -> None:
        """Open, migrate, sweep; blocks.

        Raises:
            BackendUnavailable: another process has the folder, or it cannot be used.
            BackendFault: the index is from a newer version, or broken.
        """
        try:
            with usable():
                self._start()
        except BaseException:
            self._open.close()
            raise

    def _start(self) -> None:
        made = self._open.callback
        database = self._folder / INDEX
        if self._part is None:
            made(swept(self._settings, self._folder).release)
        engine = open_database(database, writes=True)
        made(engine.dispose)
        index = Index(engine, tells=self._settings.is_followed)
        made(index.close)
        self._files = files_of(self._settings, self._folder, index, self._part or ALONE)
        turn = None
        if self._part is not None:
            turn = Turn(self._folder)
            made(turn.close)
        functions = {holds.FUNCTION: (4, holds.holds)}
        reading = open_database(database, writes=False, functions=functions)
        made(reading.dispose)
        self._writer = Writer(index, self._files, database, self._settings.duplicates, turn)
        self._readers = Readers(reading, self._writer)
        self.amount = Amount(self._readers)
        self._writer.start()
        made(self._writer.stop)
        made(self._readers.close)  # before the writer empties the log, which readers would keep
        self._writing = Errands(_WRITERS, "archive files")
        made(self._writing.close)
        self._reading = ThreadPoolExecutor(_FILE_READERS, thread_name_prefix="archive reading")
        made(self._reading.shutdown)

    def stop(self) -> None:
        """Finish what was begun, and close; blocks."""
        self._open.close()

    async def echo(self) -> None:
        """See `core.backend.Echoes`: the index answers, and the disk can be written."""
        try:
            await self._readers.run(lambda cursor: cursor.rows("SELECT count(*) FROM mark"))
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._reading, self._look_at_disk)
        except OSError as error:
            raise BackendFault("the archive's disk cannot be used") from error

    def _look_at_disk(self) -> None:
        if not os.access(self._files.root, os.W_OK | os.X_OK):
            raise BackendFault("the archive's folder cannot be written")
        if shutil.disk_usage(self._files.root).free < _LEAST_ROOM:
            raise BackendFault("the archive's disk is full")

    def find(self, query: Query, /) -> AbstractAsyncContextManager[Found]:
        """See `core.backend.Finds`. Every attribute can be matched, at every level."""
        return Searching(self._readers, query, self._ae_title)

    @asynccontextmanager
    async def retrieve(self, refs: Sequence[Ref], /) -> AsyncIterator[Retrieval]:
        """See `core.backend.Retrieves`: by series and Instance Number below each reference."""
        found = await self._readers.soon(lambda cursor: locate_all(cursor, list(refs)))
        manifest = [
            Listed(each.sop_instance_uid, each.sop_class_uid, each.transfer_syntax_uid, each.size)
            for each in found
        ]
        reading = Reading(self._files, self._readers, self._reading, found)
        try:
            async with aclosing(reading.instances()) as instances:
                yield Retrieval(manifest, instances)
        finally:
            reading.close()

    @asynccontextmanager
    async def describe(self, ref: Ref, bulk_root: str, /) -> AsyncIterator[AsyncIterator[bytes]]:
        """See `core.backend.Describes`."""
        async with aclosing(metadata(self._readers, ref, bulk_root)) as objects:
            yield objects

    async def version(self, ref: Ref, /) -> str | None:
        """See `core.backend.Versions`."""
        return await self._readers.soon(lambda cursor: version(cursor, ref))

    async def changed(self, studies: Sequence[str], /) -> Mapping[str, float]:
        """See `core.backend.Changes`."""
        return await self._readers.soon(lambda cursor: changed(cursor, studies))

    async def at_rest(self, since: float, most: int, /) -> Sequence[Change]:
        """See `core.changes.TellsChanges`."""
        return await self._readers.soon(lambda cursor: at_rest(cursor, since, most))

    async def settle(self, changes: Sequence[Change], /) -> None:
        """See `core.changes.TellsChanges`."""
        errand = self._writing.begin(self._writer.told, changes)
        cancelled = await errand.outlasted()
        errand.result()
        if cancelled is not None:
            raise cancelled

    @asynccontextmanager
    async def bulk(self, ref: Ref, path: Keys, /) -> AsyncIterator[BulkData]:
        """See `core.backend.Describes`."""
        bulk = Bulk(self._files, self._readers, self._reading)
        try:
            yield await bulk.open(ref, path)
        finally:
            bulk.close()

    def lend(self, ref: Ref, /) -> AbstractAsyncContextManager[Lent]:
        """See `core.backend.Lends`."""
        return lent(self._files, self._readers, self._reading, ref)

    @asynccontextmanager
    async def open(
        self,
        _contexts: Sequence[tuple[str, str]] = (),
        _originator: Originator | None = None,
        /,
    ) -> AsyncIterator[Session]:
        """See `core.backend.Stores`. Any SOP class and transfer syntax is kept.

        Another data set under a SOP Instance UID that is already there is refused (`Conflict`)
        with `duplicates` "keep" and "reject", and takes the place of the old one with "replace".
        The same data set again is a success, whatever the policy.
        """
        yield Session(self._files, self._writer, self._writing)

    async def delete(self, ref: Ref, /) -> int:
        """See `core.backend.Deletes`. Who reads it meanwhile goes on, or gets a NotFound."""
        return await remove(self._files, self._writer, self._writing, ref)


@asynccontextmanager
async def open_archive(
    settings: ArchiveMount, folder: Path, ae_title: str, part: Part | None = None
) -> AsyncIterator[Archive]:
    """The archive in `folder`, which is made when it is not there.

    Before it can be used, its index is brought to this version, and made to agree with the files.

    Args:
        settings: the mount's.
        folder: where `index.db`, `files` and `lost` are; on a local disk.
        ae_title: RetrieveAETitle (0008,0054) of its answers.
        part: which of several processes this is; another one keeps the archive for them, and has
            brought it up to date (`keep.swept`). None: there is one process.

    Raises:
        BackendUnavailable: another process has the folder, or it cannot be used.
        BackendFault: the index is from a newer version, or broken.
    """
    archive = Archive(settings, folder, ae_title, part)
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(1, thread_name_prefix="archive start and stop") as threads:
        starting = loop.run_in_executor(threads, archive.start)
        cancelled = await outlast(starting)
        starting.result()
        try:
            if cancelled is not None:
                raise cancelled
            yield archive
        finally:
            stopping = loop.run_in_executor(threads, archive.stop)
            cancelled = await outlast(stopping)
            stopping.result()
            if cancelled is not None:
                raise cancelled
