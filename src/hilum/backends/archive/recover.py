"""What the archive does at its start, before anybody may use it.

Looks at the days whose rows may not have reached the disk: a row whose file is missing or short
is dropped, a whole file without a row is indexed, and a broken one goes to `lost`. Nothing is
deleted, but a second copy of a data set that is kept, after comparing them, and empty files where
such are made ahead.
"""

import logging
import mmap
import os
import sqlite3
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from zlib_ng.zlib_ng import crc32

from hilum.backends.archive.deflated import Dictionaries
from hilum.backends.archive.files import HEAD, Files, numbers_of, read_seal
from hilum.backends.archive.index import SWEPT, Index
from hilum.backends.archive.ingest import entry_of, read
from hilum.backends.archive.record import Entry
from hilum.codec.part10 import read_head
from hilum.model.errors import HilumError

log = logging.getLogger(__name__)

_STEP = 200  # rows in one commit
_PATIENCE = 10.0  # seconds between two lines in the log


@dataclass(slots=True)
class Swept:
    """What was found."""

    files: int = 0
    adopted: int = 0
    dropped: int = 0
    copies: int = 0
    lost: int = 0


def sweep(index: Index, files: Files) -> Swept:
    """Make index and files agree again.

    Raises:
        OSError, sqlite3.Error: the disk fails.
    """
    swept = Swept()
    told = time.monotonic()
    for day in files.days(index.recall(SWEPT)):
        rows = index.sizes(*numbers_of(day))
        present, strange = files.of_day(day)
        swept.files += len(present)
        gone = [number for number, size in rows.items() if present.get(number) != HEAD + size]
        _drop(index, files, gone, swept)
        dropped = set(gone)
        if files.ahead:
            _remove_unused(files, rows, present)
        orphans = [number for number in present if number in dropped or number not in rows]
        for start in range(0, len(orphans), _STEP):
            _adopt_all(index, files, orphans[start : start + _STEP], swept)
            if time.monotonic() - told > _PATIENCE:
                told = time.monotonic()
                log.info("still looking at the files of %s: %d taken in", day, swept.adopted)
        for path in strange:
            _set_aside(files, path, "it is none of the archive's", swept)
    if swept.adopted or swept.dropped or swept.copies or swept.lost:
        log.warning(
            "after an unclean end: %d instances taken in again, %d rows without file dropped, "
            "%d second copies removed, %d broken or contradicting files moved to %s",
            swept.adopted, swept.dropped, swept.copies, swept.lost, files.lost,
        )  # fmt: skip
    return swept


def _remove_unused(files: Files, rows: Mapping[int, int], present: dict[int, int]) -> None:
    """Remove files that were made for those who come next, and into which nothing was written."""
    unused = [number for number, size in present.items() if not size and number not in rows]
    for number in unused:
        files.remove(number)
        del present[number]
    if unused:
        log.info("%d empty files, made ahead and not needed, removed", len(unused))


def _drop(index: Index, files: Files, gone: Sequence[int], swept: Swept) -> None:
    """Drop the rows of files that are missing or short."""
    index.begin()
    try:
        for number in gone:
            log.error("%s is missing or cut: its instance is no longer kept", files.path(number))
            index.drop(number)
            swept.dropped += 1
        index.commit()
    except sqlite3.Error:
        index.rollback()
        raise


def _adopt_all(index: Index, files: Files, numbers: Sequence[int], swept: Swept) -> None:
    index.begin()
    try:
        for number in numbers:
            _adopt(index, files, number, swept)
        index.commit()
    except sqlite3.Error:
        index.rollback()
        raise


def _adopt(index: Index, files: Files, number: int, swept: Swept) -> None:
    """Index a file that has no row, or set it aside."""
    path = Path(files.path(number))
    try:
        entry = examine(files, number, index.dictionaries)
    except (HilumError, ValueError) as error:
        _set_aside(files, path, f"it is broken: {error}", swept)
        return
    if index.add(entry):
        swept.adopted += 1
        return
    there = index.find(entry.sop_instance_uid)
    if there is not None and there.alike(entry) and files.same(number, there.file):
        files.remove(number)
        swept.copies += 1
    else:
        reason = "another data set is kept under its SOP Instance UID"
        _set_aside(files, path, reason, swept)


def _set_aside(files: Files, path: Path, reason: str, swept: Swept) -> None:
    log.error("%s is moved to %s, as %s", path, files.set_aside(path), reason)
    swept.lost += 1


def examine(files: Files, number: int, dictionaries: Dictionaries) -> Entry:
    """Prove a file whole, make it durable, and make its row.

    Raises:
        HilumError, ValueError: it is broken, or none of ours.
    """
    with Path(files.path(number)).open("r+b", 0) as file:
        head = read_head(file.read(HEAD), complete=True)
        seal = read_seal(head.private) if head is not None else None
        if head is None or seal is None or head.offset != HEAD:
            raise ValueError("it has no seal")
        if file.seek(0, os.SEEK_END) != HEAD + seal.length:
            raise ValueError("it has not the length that its seal says")
        with (
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
            memoryview(mapped) as whole,
            whole[HEAD:] as data,
        ):
            if crc32(data) != seal.crc:
                raise ValueError("its content is not what its seal says")
            found = read(data, head.transfer_syntax_uid)
        files.secure(file.fileno(), number)  # it may have been killed before its sync
    return entry_of(found, head.transfer_syntax_uid, number, seal, dictionaries)
