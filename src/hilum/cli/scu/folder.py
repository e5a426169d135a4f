"""Keeps what a C-GET brings, one file of PS3.10 for each instance."""

import errno
import os
from collections.abc import AsyncIterator
from io import BufferedWriter
from pathlib import Path

from anyio import CapacityLimiter, to_thread

from hilum.codec.part10 import encode_meta
from hilum.model.errors import BackendFault, BadDataset, HilumError, OutOfResources
from hilum.model.identity import is_uid
from hilum.model.instance import CHUNK, Instance
from hilum.model.outcome import Stored

_FULL = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG))


class Folder:
    """A folder that takes instances; each appears under its name when it is whole.

    Attributes:
        files: what was written, in the order it came.
        size: bytes of all data sets.
    """

    def __init__(self, path: Path, source_ae_title: str) -> None:
        self._path = path
        self._source = source_ae_title
        self._threads = CapacityLimiter(1)
        self.files: list[Path] = []
        self.size = 0

    async def store(self, instance: Instance, /) -> Stored:
        """Write one instance; one of the same UID that is there already is replaced."""
        try:
            await self._write(instance)
            failure: HilumError | None = None
        except BadDataset as error:
            failure = error
        except OSError as error:
            kind = OutOfResources if error.errno in _FULL else BackendFault
            failure = kind(f"cannot be written: {error.strerror}")
        return Stored(
            sop_class_uid=instance.sop_class_uid,
            sop_instance_uid=instance.sop_instance_uid,
            failure=failure,
        )

    async def _write(self, instance: Instance) -> None:
        uid = instance.sop_instance_uid
        if not is_uid(uid):  # it becomes the name of a file
            raise BadDataset("SOP Instance UID is not a UID")
        path = self._path / f"{uid}.dcm"
        part = self._path / f".{uid}.{os.getpid()}.part"
        meta = encode_meta(instance.sop_class_uid, uid, instance.transfer_syntax_uid, self._source)
        size = 0
        file = await to_thread.run_sync(lambda: part.open("wb"), limiter=self._threads)
        try:
            with file:
                file.write(meta)
                async for batch in _batches(instance.chunks):
                    size += sum(len(piece) for piece in batch)
                    await to_thread.run_sync(_append, file, batch, limiter=self._threads)
            await to_thread.run_sync(part.replace, path, limiter=self._threads)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        self.files.append(path)
        self.size += size


async def _batches(chunks: AsyncIterator[bytes]) -> AsyncIterator[list[bytes]]:
    """The pieces in batches of about `CHUNK` bytes: one trip to a thread for each."""
    batch: list[bytes] = []
    size = 0
    async for piece in chunks:
        batch.append(piece)
        size += len(piece)
        if size >= CHUNK:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _append(file: BufferedWriter, batch: list[bytes]) -> None:
    file.writelines(batch)
