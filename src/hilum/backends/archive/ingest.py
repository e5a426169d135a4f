"""How an instance gets from its sender into a file, and what is to be indexed of it.

An instance of at most 1 MiB is gathered and written in one step in a thread; a longer one is
written piece by piece as it comes. While the disk takes it, its header is read from what was
written and its identifiers are checked; then the file is sealed and synced.
"""

import mmap
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Final

from zlib_ng.zlib_ng import crc32

from hilum.backends.archive import files, record
from hilum.backends.archive.deflated import Dictionaries, deflate
from hilum.backends.archive.disk import write_all
from hilum.backends.archive.files import HEAD, Files, Seal
from hilum.backends.archive.record import Entry
from hilum.codec import again, dicom_json
from hilum.codec.header import syntax_of
from hilum.codec.malformed import malformed
from hilum.codec.part10 import NOT_AS_ANNOUNCED, as_written
from hilum.codec.remembered import Remembered
from hilum.model.errors import BadDataset, ClassMismatch
from hilum.model.identity import is_uid
from hilum.model.instance import Instance

TRUNCATED: Final = "the data set ends within an element"

_UIDS: Final = (
    ("StudyInstanceUID", "0020000D"),
    ("SeriesInstanceUID", "0020000E"),
    ("SOPInstanceUID", "00080018"),
    ("SOPClassUID", "00080016"),
)
_ENOUGH = 4096  # bytes of a data set, to see in what syntax it is
_remembered = Remembered()
_inflating = threading.BoundedSemaphore(2)
"""Deflated data sets that are read at a time: each may take twice `deflate.MAX_INFLATED`."""


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
    with _inflating if syntax_of(transfer_syntax_uid).deflated else nullcontext():
        described = again.read(data, transfer_syntax_uid, _remembered)
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


def _syntax(announced: Instance, begin: bytes | memoryview) -> tuple[str, tuple[str, ...]]:
    """The Transfer Syntax that is true for the data set, and a warning where it was another."""
    given = announced.transfer_syntax_uid
    true = as_written(bytes(begin[:_ENOUGH]), 0, given, complete=True) or given
    return true, () if true == given else (NOT_AS_ANNOUNCED,)


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
    chunks: Sequence[bytes | memoryview],
) -> Taken:
    """Write, read, check and sync an instance of at most 1 MiB; for a thread.

    Raises:
        BadDataset, ClassMismatch: it is not kept, and there is no file.
        OSError: as before.
    """
    syntax, wrong = _syntax(instance, chunks[0] if chunks else b"")
    seal = Seal(sum(map(len, chunks)), _crc(chunks))
    sop_class, sop_instance = (
        uid.strip(" \0") for uid in (instance.sop_class_uid, instance.sop_instance_uid)
    )
    fd, number = store.create()
    try:
        try:
            # What was announced is mostly true: the disk begins before the data set is read.
            known = all(map(is_uid, (sop_class, sop_instance, syntax)))
            head = files.head(sop_class, sop_instance, syntax, seal) if known else bytes(HEAD)
            write_all(fd, [head, *chunks])
            if known:
                store.begin_sync(fd)
            with _whole(fd, chunks) as data:
                found = read(data, syntax)
            _check(instance, found)
            if not known:
                head = files.head(found.sop_class, found.sop_instance, syntax, seal)
                os.lseek(fd, 0, os.SEEK_SET)
                write_all(fd, [head])
            entry = entry_of(found, syntax, number, seal, dictionaries)
            store.finish(fd)
        finally:
            os.close(fd)
    except BaseException:
        store.remove(number)
        raise
    return Taken(entry, found.warnings + wrong)


def _crc(chunks: Sequence[bytes | memoryview]) -> int:
    crc = 0
    for chunk in chunks:
        crc = crc32(chunk, crc)
    return crc


@contextmanager
def _whole(fd: int, chunks: Sequence[bytes | memoryview]) -> Iterator[memoryview]:
    """The data set in one piece; if need be, as the system has it, without a copy."""
    if len(chunks) == 1:
        yield memoryview(chunks[0])
        return
    size = HEAD + sum(map(len, chunks))
    with (
        mmap.mmap(fd, size, access=mmap.ACCESS_READ) as mapped,
        memoryview(mapped) as whole,
        whole[HEAD:] as data,
    ):
        yield data


class Part:
    """A file that grows as its instance comes. All methods are for threads, one at a time."""

    def __init__(self, store: Files, instance: Instance) -> None:
        self._store = store
        self._instance = instance
        self._length = 0
        self._crc = 0
        self._fd, self._number = store.create()
        try:
            write_all(self._fd, [bytes(HEAD)])
        except BaseException:
            self.discard()
            raise

    def append(self, chunks: Sequence[bytes | memoryview]) -> None:
        """Write what came.

        Raises:
            OSError: there is no room.
        """
        write_all(self._fd, chunks)
        for chunk in chunks:
            self._crc = crc32(chunk, self._crc)
            self._length += len(chunk)
        self._store.begin_sync(self._fd)

    def finish(self, dictionaries: Dictionaries) -> Taken:
        """Read, check, seal and sync what was written.

        Raises:
            BadDataset, ClassMismatch, OSError: it is not to be kept; `discard` it.
        """
        with (
            mmap.mmap(self._fd, HEAD + self._length, access=mmap.ACCESS_READ) as mapped,
            memoryview(mapped) as whole,
            whole[HEAD:] as data,
        ):
            syntax, wrong = _syntax(self._instance, data)
            found = read(data, syntax)
        _check(self._instance, found)
        seal = Seal(self._length, self._crc)
        os.lseek(self._fd, 0, os.SEEK_SET)
        head = files.head(found.sop_class, found.sop_instance, syntax, seal)
        write_all(self._fd, [head])
        entry = entry_of(found, syntax, self._number, seal, dictionaries)
        self._store.finish(self._fd)
        self._close()
        return Taken(entry, found.warnings + wrong)

    def discard(self) -> None:
        """Take the file away."""
        self._close()
        self._store.remove(self._number)

    def _close(self) -> None:
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)
