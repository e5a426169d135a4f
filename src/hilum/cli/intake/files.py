"""Which files are below a folder, and what instance is in one."""

import os
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from io import FileIO
from pathlib import Path

from anyio import CapacityLimiter, to_thread

from hilum.codec.identifiers import look
from hilum.codec.part10 import Head, read_head
from hilum.model.errors import BadDataset
from hilum.model.instance import CHUNK, Instance

_HEAD = 64 * 1024  # bytes; more than nearly every head has
_MOST = 1024 * 1024  # bytes, the longest head that is read


OTHER = "its File Meta Information names another instance"


class Unreadable(Exception):
    """The file is not taken; the text says why."""


def below(paths: Sequence[Path]) -> Iterator[Path]:
    """Every file at and below `paths`, in a stable order; links to folders are not followed."""
    for path in paths:
        if path.is_dir():
            yield from _within(path)
        else:
            yield path


def _within(folder: Path) -> Iterator[Path]:
    try:
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
    except OSError:
        yield folder  # opening it will say what is wrong
        return
    for entry in found:
        if entry.is_dir(follow_symlinks=False):
            yield from _within(Path(entry.path))
        elif entry.is_file() or entry.is_symlink():
            yield Path(entry.path)


@dataclass(frozen=True, slots=True)
class Filed(Instance):
    """An instance that is in a file.

    Attributes:
        warnings: what is odd about the file.
    """

    warnings: tuple[str, ...] = ()


@asynccontextmanager
async def opened(path: Path, limiter: CapacityLimiter) -> AsyncIterator[Filed]:
    """The instance in a file of PS3.10, or in one that is only a data set.

    Args:
        path: of the file.
        limiter: how many threads read at the same time.

    Raises:
        Unreadable: it cannot be opened, or is not DICOM.
    """
    file, head, begun, size = await to_thread.run_sync(_open, path, limiter=limiter)
    try:
        yield Filed(
            sop_instance_uid=head.sop_instance_uid,
            sop_class_uid=head.sop_class_uid,
            transfer_syntax_uid=head.transfer_syntax_uid,
            chunks=_chunks(file, head.offset, begun, limiter),
            size=size - head.offset,
            warnings=head.warnings,
        )
    finally:
        file.close()


def _open(path: Path) -> tuple[FileIO, Head, list[bytes], int]:
    """The file behind what was read of it: its head, its first bytes or all of them, its size."""
    try:
        file = FileIO(path)
    except OSError as error:
        raise Unreadable(f"cannot be opened: {error.strerror}") from None
    try:
        size = os.fstat(file.fileno()).st_size
        first = file.read(_HEAD)
        head = read_head(first, complete=len(first) >= size)
        while head is None:
            more = file.read(_MOST)
            first += more
            head = read_head(first, complete=not more or len(first) >= size)
        begun = [first]
        if len(first) < size <= CHUNK:
            begun.append(file.read(size - len(first)))
        is_whole = sum(map(len, begun)) >= size
        named = _identified(head, first, complete=len(first) >= size)
        if named is None:
            named = _identified(head, b"".join(begun), complete=is_whole) or head
        if is_whole:
            file.close()
    except BadDataset as error:
        file.close()
        raise Unreadable(str(error)) from None
    except OSError as error:
        file.close()
        raise Unreadable(f"cannot be read: {error.strerror}") from None
    except BaseException:
        file.close()
        raise
    return file, named, begun, size


def _identified(head: Head, first: bytes, *, complete: bool) -> Head | None:
    """The head with the identifiers of the data set: what a file is called does not decide.

    None where more of it must be read for that.
    """
    try:
        data = memoryview(first)[head.offset :]
        found = look(data, head.transfer_syntax_uid, study=False, complete=complete)
    except BadDataset:
        return head  # whoever stores it will say what is wrong
    if found is None:
        return None
    if not (found.sop_class_uid and found.sop_instance_uid):
        return head
    named = (head.sop_class_uid, head.sop_instance_uid)
    kind, uid = found.sop_class_uid, found.sop_instance_uid
    other = [OTHER] if all(named) and named != (kind, uid) else []
    return replace(
        head, sop_class_uid=kind, sop_instance_uid=uid, warnings=(*head.warnings, *other)
    )


async def _chunks(
    file: FileIO, offset: int, begun: list[bytes], limiter: CapacityLimiter
) -> AsyncIterator[bytes]:
    """The data set: what was read of it already, and the rest, if the file is still open."""
    first, *others = begun
    for start in range(offset, len(first), CHUNK):
        yield first[start : start + CHUNK]
    for other in others:
        yield other
    while not file.closed and (chunk := await to_thread.run_sync(_read, file, limiter=limiter)):
        yield chunk


def _read(file: FileIO) -> bytes:
    try:
        return file.read(CHUNK)
    except OSError as error:
        raise BadDataset(f"cannot be read: {error.strerror}") from error
