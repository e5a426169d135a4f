"""How do the parts of a multipart become the files of a ZIP? (PS3.18 §8.6.1.3, Supplement 211)."""

import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from typing import IO, Final
from zipfile import ZipFile, ZipInfo

from hilum.codec import part10
from hilum.codec.identifiers import look
from hilum.codec.multipart import MultipartReader, PartData, PartEnded, PartStarted
from hilum.model.errors import BadDataset
from hilum.model.identity import Ref, is_uid
from hilum.net.pieces import Some, flat

HELD: Final = 1024 * 1024  # bytes of a file, to know its name, and mostly its size, beforehand
MOST: Final = 1_000_000  # files; each takes about a kilobyte of memory until the end

_MODE = 0o644 << 16  # of the files, where they are unpacked


async def zipped(
    parts: AsyncGenerator[Some, None], boundary: str, ref: Ref
) -> AsyncGenerator[Some, None]:
    """The same files as a ZIP: `{study}/{series}/{instance}.dcm`, not compressed.

    What breaks off has no directory at its end, so that nobody takes it for whole.

    Args:
        parts: a multipart of files of PS3.10.
        boundary: of the multipart.
        ref: what was asked for: the names of folders, where a file does not tell its own.
    """
    reader = MultipartReader(boundary, MOST)
    packed = _Packed(ref)
    try:
        async with aclosing(parts):
            async for chunk in parts:
                for event in reader.feed(b"".join(map(bytes, flat((chunk,))))):
                    match event:
                        case PartStarted():
                            packed.begin()
                        case PartData(data):
                            packed.take(bytes(data))
                        case PartEnded():
                            packed.end()
                    for piece in packed.made():
                        yield piece
        reader.close()
        packed.finish()
        for piece in packed.made():
            yield piece
    finally:
        packed.close()


class _Sink:
    """Takes what zipfile writes. It cannot seek, and so sizes and checksums stand behind a file."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def write(self, piece: bytes) -> int:
        self.pieces.append(bytes(piece))
        return len(piece)

    def flush(self) -> None:
        """Nothing waits."""


class _Packed:
    """A ZIP that is being made. `close` leaves nothing open."""

    def __init__(self, ref: Ref) -> None:
        self._ref = ref
        self._sink = _Sink()
        self._zip = ZipFile(self._sink, "w")  # type: ignore[call-overload]  # it asks for no more than write and flush
        self._file: IO[bytes] | None = None
        self._held: list[bytes] = []
        self._size = 0
        self._names: set[str] = set()

    def begin(self) -> None:
        """A file begins."""
        self._held, self._size = [], 0

    def take(self, data: bytes) -> None:
        """Its next bytes."""
        if self._file is not None:
            self._file.write(data)
            return
        self._held.append(data)
        self._size += len(data)
        if self._size > HELD:
            self._open(complete=False)

    def end(self) -> None:
        """It has ended."""
        if self._file is None:
            self._open(complete=True)
        if self._file is not None:
            self._file.close()
            self._file = None

    def finish(self) -> None:
        """All files are there: write the directory."""
        self._zip.close()

    def made(self) -> Iterator[bytes]:
        """What was written since the last time."""
        pieces, self._sink.pieces = self._sink.pieces, []
        yield from pieces

    def close(self) -> None:
        """Close what is open. What that writes is for nobody any more."""
        if self._file is not None:
            self._file.close()
        self._zip.close()

    def _open(self, *, complete: bool) -> None:
        """Open the file whose beginning, or all of it, is held."""
        beginning = b"".join(self._held)
        self._held = []
        info = ZipInfo(self._name(beginning, complete=complete), time.gmtime()[:6])
        info.external_attr = _MODE
        info.file_size = len(beginning) if complete else 0
        # Only a file whose size is not known must be written as if it were longer than 4 GiB,
        # which not every program can unpack.
        self._file = self._zip.open(info, "w", force_zip64=not complete)
        self._file.write(beginning)

    def _name(self, beginning: bytes, *, complete: bool) -> str:
        study, series, instance = _uids(beginning, complete=complete)
        folders = (self._ref.study or study, self._ref.series or series)
        stem = "/".join((*filter(is_uid, folders), instance if is_uid(instance) else "instance"))
        name, count = f"{stem}.dcm", 1
        while name in self._names:
            count += 1
            name = f"{stem}_{count}.dcm"
        self._names.add(name)
        return name


def _uids(beginning: bytes, *, complete: bool) -> tuple[str, str, str]:
    """UIDs of study, series and instance; "" for what a file does not say at its beginning."""
    try:
        head = part10.read_head(beginning, complete=complete)
        if head is None:
            return "", "", ""
        rest = memoryview(beginning)[head.offset :]
        found = look(rest, head.transfer_syntax_uid, study=True, complete=complete)
    except BadDataset:
        return "", "", ""
    if found is None:
        return "", "", head.sop_instance_uid
    own = found.sop_instance_uid or head.sop_instance_uid
    return found.study_instance_uid, found.series_instance_uid, own
