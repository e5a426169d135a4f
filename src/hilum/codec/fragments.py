"""Which frames are in encapsulated Pixel Data? Bytes in, frames out (PS3.5 §A.4)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from struct import Struct, unpack

from hilum.codec.header import ITEM, UNDEFINED
from hilum.model.errors import BadDataset

MAX_OFFSETS = 16 * 1024 * 1024  # bytes of a Basic Offset Table

_HEADER = Struct("<HHL")
_RLE = "1.2.840.10008.1.2.5"
_BEGINS = (b"\xff\xd8", b"\xff\x4f")  # JPEG and JPEG-LS, JPEG 2000: start of a codestream
_OCTETS = "application/octet-stream"

_MEDIA = {
    "image/jpeg": ("4.50", "4.51", "4.57", "4.70"),
    "image/jls": ("4.80", "4.81"),
    "image/jp2": ("4.90", "4.91"),
    "image/jpx": ("4.92", "4.93"),
    "image/jphc": ("4.201", "4.202", "4.203"),
    "image/jxl": ("4.110", "4.111", "4.112"),
    "image/dicom-rle": ("5",),
    "video/mpeg": ("4.100", "4.100.1", "4.101", "4.101.1"),
    "video/mp4": (
        *("4.102", "4.102.1", "4.103", "4.103.1", "4.104", "4.104.1"),
        *("4.105", "4.105.1", "4.106", "4.106.1", "4.107", "4.108"),
    ),
}
MEDIA: Mapping[str, str] = {
    f"1.2.840.10008.1.2.{last}": kind for kind, lasts in _MEDIA.items() for last in lasts
}
"""Media type of a frame by Transfer Syntax, PS3.18 Tables 8.7.3-4 and 8.7.3-5."""


def media_type_of(transfer_syntax_uid: str) -> str:
    """The media type of a frame in this syntax."""
    return MEDIA.get(transfer_syntax_uid, _OCTETS)


@dataclass(frozen=True, slots=True)
class FrameStarted:
    """A frame begins; the bytes that follow are its own, up to the next."""


Piece = FrameStarted | bytes


class FrameReader:
    """Push parser of a value's items: Basic Offset Table first, without the sequence delimiter.

    Where the table says nothing, a fragment begins a frame when it begins a codestream; in RLE
    each does (PS3.5 §A.4.2); in video only the first.
    """

    def __init__(self, transfer_syntax_uid: str) -> None:
        self._each = transfer_syntax_uid == _RLE or transfer_syntax_uid not in MEDIA
        self._video = MEDIA.get(transfer_syntax_uid, "").startswith("video/")
        self._buffer = b""
        self._table: frozenset[int] | None = None
        self._position = 0  # of the next item, from the first one after the table
        self._left = 0  # bytes of the current fragment to come
        self._frames = 0

    def feed(self, data: bytes) -> Iterator[Piece]:
        """Take in `data`, give what it completes. Read all of it before feeding more.

        Raises:
            BadDataset: these are no items.
        """
        self._buffer += data
        while self._buffer:
            if self._left:
                piece, self._buffer = self._buffer[: self._left], self._buffer[self._left :]
                self._left -= len(piece)
                yield piece
            elif self._table is None:
                if not self._read_table():
                    return
            else:
                begins = self._read_header()
                if begins is None:
                    return
                if begins:
                    self._frames += 1
                    yield FrameStarted()

    def close(self) -> None:
        """Say that no more data comes.

        Raises:
            BadDataset: an item is not complete.
        """
        if self._buffer or self._left or self._table is None:
            raise BadDataset("encapsulated pixels are cut off")

    def _item(self) -> int | None:
        """The length of the item that begins the buffer; None: more bytes are needed."""
        if len(self._buffer) < _HEADER.size:
            return None
        group, number, length = _HEADER.unpack_from(self._buffer)
        if group << 16 | number != ITEM or length == UNDEFINED:
            raise BadDataset("encapsulated pixels have something else between their items")
        return int(length)

    def _read_table(self) -> bool:
        length = self._item()
        if length is not None and length > MAX_OFFSETS:
            raise BadDataset("the Basic Offset Table is too long")
        if length is None or len(self._buffer) < _HEADER.size + length:
            return False
        table = self._buffer[_HEADER.size : _HEADER.size + length // 4 * 4]
        self._table = frozenset(unpack(f"<{len(table) // 4}L", table))
        self._buffer = self._buffer[_HEADER.size + length :]
        return True

    def _read_header(self) -> bool | None:
        """Take an item's header; whether it begins a frame. None: more bytes are needed."""
        length = self._item()
        if length is None or len(self._buffer) < _HEADER.size + min(length, 2):
            return None
        start = self._buffer[_HEADER.size : _HEADER.size + min(length, 2)]
        begins = not self._frames or self._begins(start)
        self._position += _HEADER.size + length
        self._left = length
        self._buffer = self._buffer[_HEADER.size :]
        return begins

    def _begins(self, start: bytes) -> bool:
        if self._table:
            return self._position in self._table
        return not self._video and (self._each or start in _BEGINS)
