"""How an instance gets from its sender into a file, and what is to be indexed of it.

An instance of at most 1 MiB is gathered and written in one step in a thread; a longer one is
written piece by piece as it comes. Then its header is read from what was written, its identifiers
are checked, and the file is sealed and synced.
"""

import mmap
import os
import threading
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hilum.backends.archive import files, record
from hilum.backends.archive.deflated import Dictionaries, deflate
from hilum.backends.archive.files import HEAD, Files, Seal
from hilum.backends.archive.record import Entry
from hilum.codec import dicom_json
from hilum.codec.malformed import malformed
from hilum.codec.remembered import Remembered
from hilum.model.errors import BadDataset, ClassMismatch
from hilum.model.identity import is_uid
from hilum.model.instance import CHUNK, Instance

TRUNCATED: Final = "the data set ends within an element"

_UIDS: Final = (
    ("StudyInstanceUID", "0020000D"),
    ("SeriesInstanceUID", "0020000E"),
    ("SOPInstanceUID", "00080018"),
    ("SOPClassUID", "00080016"),
)
_buffers = threading.local()
_remembered = Remembered()


@dataclass(frozen=True, slots=True)
class Taken:
    """A file that is whole and sealed, and what is to be written of it."""

    entry: Entry
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Read:
    """What a data set says of itself."""

    study: str
    series: str
    sop_instance: str
    sop_class: str
    attributes: record.Attributes
    warnings: tuple[str, ...]


def read(data: memoryview, transfer_syntax_uid: str) -> _Read:
    """Identify a data set.

    Raises:
        BadDataset: it cannot be read, or one of the four identifiers is missing or malformed.
    """
    if not is_uid(transfer_syntax_uid):
        raise BadDataset("the transfer syntax is not a UID")
    described = dicom_json.from_encoded(data, transfer_syntax_uid, remembered=_remembered)
    uids = []
    for keyword, tag in _UIDS:
        uid = record.uid(described.attributes, tag)
        if not uid:
            raise BadDataset(f"{keyword} ({tag[:4]},{tag[4:]}) is missing")
        if not is_uid(uid):
            raise BadDataset(f"{keyword} ({tag[:4]},{tag[4:]}) is not a UID")
        uids.append(uid)
    warnings = (*described.warnings, *malformed(described.attributes))
    if described.truncated and TRUNCATED not in warnings:
        warnings += (TRUNCATED,)
    return _Read(uids[0], uids[1], uids[2], uids[3], described.attributes, warnings)


def _check(announced: Instance, found: _Read) -> None:
    """Raise ClassMismatch when an instance is not what it was announced as."""
    if announced.sop_class_uid and announced.sop_class_uid.strip(" \0") != found.sop_class:
        raise ClassMismatch("the data set is of another SOP Class than was announced")
    if announced.sop_instance_uid and announced.sop_instance_uid.strip(" \0") != found.sop_instance:
        raise ClassMismatch("the data set has another SOP Instance UID than was announced")


def entry_of(
    found: _Read, transfer_syntax_uid: str, file: int, seal: Seal, dictionaries: Dictionaries
) -> Entry:
    """The row of a file."""
    dictionary = dictionaries.get(found.study, found.series)
    plain = dicom_json.dumps(found.attributes)
    return Entry(
        study_instance_uid=found.study,
        series_instance_uid=found.series,
        sop_instance_uid=found.sop_instance,
        sop_class_uid=found.sop_class,
        transfer_syntax_uid=transfer_syntax_uid,
        file=file,
        size=seal.length,
        crc=seal.crc,
        columns=record.instance_columns(found.attributes),
        plain=plain,
        json=deflate(plain, dictionary),
        dictionary=dictionary,
        attributes=found.attributes,
    )


def take_small(
    store: Files,
    dictionaries: Dictionaries,
    instance: Instance,
    chunks: Sequence[bytes],
) -> Taken:
    """Read, check, write and sync an instance of at most `CHUNK` bytes; for a thread.

    Raises:
        BadDataset, ClassMismatch: it is not kept, and there is no file.
        OSError: as before.
    """
    buffer = _buffer()
    end = HEAD
    for chunk in chunks:
        buffer[end : end + len(chunk)] = chunk
        end += len(chunk)
    syntax = instance.transfer_syntax_uid
    with memoryview(buffer)[HEAD:end] as data:
        found = read(data, syntax)
        _check(instance, found)
        seal = Seal(end - HEAD, zlib.crc32(data))
    buffer[:HEAD] = files.head(found.sop_class, found.sop_instance, syntax, seal)
    fd, number = store.create()
    try:
        try:
            with memoryview(buffer)[:end] as whole:
                files.write_all(fd, [whole])
            store.finish(fd, number)
        finally:
            os.close(fd)
        return Taken(entry_of(found, syntax, number, seal, dictionaries), found.warnings)
    except BaseException:
        store.remove(number)
        raise


def _buffer() -> bytearray:
    """The buffer of this thread, used again and again: fresh memory costs more than copying."""
    buffer: bytearray | None = getattr(_buffers, "buffer", None)
    if buffer is None:
        buffer = _buffers.buffer = bytearray(HEAD + CHUNK)
    return buffer


class Part:
    """A file that grows as its instance comes. All methods are for threads, one at a time."""

    def __init__(self, store: Files, instance: Instance) -> None:
        self._store = store
        self._instance = instance
        self._length = 0
        self._crc = 0
        self._fd, self._number = store.create()
        try:
            files.write_all(self._fd, [bytes(HEAD)])
        except BaseException:
            self.discard()
            raise

    def append(self, chunks: Sequence[bytes]) -> None:
        """Write what came.

        Raises:
            OSError: there is no room.
        """
        files.write_all(self._fd, chunks)
        for chunk in chunks:
            self._crc = zlib.crc32(chunk, self._crc)
            self._length += len(chunk)

    def finish(self, dictionaries: Dictionaries) -> Taken:
        """Read, check, seal and sync what was written.

        Raises:
            BadDataset, ClassMismatch, OSError: it is not to be kept; `discard` it.
        """
        syntax = self._instance.transfer_syntax_uid
        with (
            mmap.mmap(self._fd, HEAD + self._length, access=mmap.ACCESS_READ) as mapped,
            memoryview(mapped) as whole,
            whole[HEAD:] as data,
        ):
            found = read(data, syntax)
        _check(self._instance, found)
        seal = Seal(self._length, self._crc)
        os.lseek(self._fd, 0, os.SEEK_SET)
        head = files.head(found.sop_class, found.sop_instance, syntax, seal)
        files.write_all(self._fd, [head])
        self._store.finish(self._fd, self._number)
        self._close()
        return Taken(entry_of(found, syntax, self._number, seal, dictionaries), found.warnings)

    def discard(self) -> None:
        """Take the file away."""
        self._close()
        self._store.remove(self._number)

    def _close(self) -> None:
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)
