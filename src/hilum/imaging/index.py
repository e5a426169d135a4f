"""Where in a data set does each frame lie? Offset tables are held against the items themselves."""

import sys
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from struct import Struct
from typing import Final, TypeAlias

from hilum.codec.fragments import media_type_of
from hilum.codec.header import ITEM, UNDEFINED, Buffer
from hilum.imaging.codecs import codestreams
from hilum.imaging.pixels import Pixels
from hilum.model.errors import BadPixels, NotFound

Piece: TypeAlias = tuple[int, int]
"""Offset and length in the data set, bytes."""

_32, _64 = "I", "Q"  # unsigned numbers of so many bits, in an array

_HEADER: Final = Struct("<HHL")
_JXL_BOX, _JP2_BOX = b"\0\0\0\x0cJXL ", b"\0\0\0\x0cjP  "
_BEGINS: Final = (b"\xff\xd8", b"\xff\x4f", b"\xff\x0a", _JXL_BOX, _JP2_BOX)
"""JPEG and JPEG-LS, JPEG 2000, JPEG XL; the latter two in their file formats."""
_END: Final = b"\xff\xd9"
"""JPEG, JPEG-LS and JPEG 2000 all end so (EOI, EOC); a byte of padding may follow."""


@dataclass(frozen=True, slots=True)
class NativeIndex:
    """Frames one behind the other (PS3.5 §8.1.1).

    Attributes:
        frames: as announced.
        start: where the first one begins.
        length: bytes that are there, of all.
        size: of a frame, bits.
        unit: bits that cannot be taken apart: a byte, or a word whose bytes are in the other
            order.
    """

    frames: int
    start: int
    length: int
    size: int
    unit: int = 8

    def pieces(self, number: int) -> list[Piece]:
        """Where the bytes of a frame are, counted from 0; the frame begins at `bit` in them.

        Raises:
            NotFound: there are not so many frames.
            BadPixels: the data set ends before or within it.
        """
        _in_range(number, self.frames)
        first = number * self.size // self.unit * self.unit // 8
        end = -(-(number + 1) * self.size // self.unit) * self.unit // 8
        whole = -(-(number + 1) * self.size // 8)
        if whole > self.length:
            raise BadPixels(
                f"frame {number + 1} of {self.frames} is cut off: it ends at byte {whole}"
                f" of the pixels, and {self.length} are there"
            )
        return [(self.start + first, min(end, self.length) - first)]

    def bit(self, number: int) -> int:
        """Bits before the frame in its piece: frames of 1-bit pixels may share a byte."""
        return number * self.size % self.unit


@dataclass(frozen=True, slots=True)
class EncapsulatedIndex:
    """Frames in fragments (PS3.5 §A.4).

    Attributes:
        frames: as announced; 1 for video.
        starts, lengths: of the fragments, bytes.
        firsts: of each frame, its first fragment; fewer than `frames` where the end is missing.
        cut: the last fragment is not whole.
    """

    frames: int
    starts: "array[int]"
    lengths: "array[int]"
    firsts: Sequence[int]
    cut: bool = False

    def pieces(self, number: int) -> list[Piece]:
        """Where the bytes of a frame are, counted from 0: one fragment behind the other.

        Raises:
            NotFound: there are not so many frames.
            BadPixels: the data set ends before or within it.
        """
        _in_range(number, self.frames)
        found = len(self.firsts)
        if number >= found or (self.cut and number == found - 1):
            raise BadPixels(f"frame {number + 1} of {self.frames} is cut off")
        first = self.firsts[number]
        end = self.firsts[number + 1] if number + 1 < found else len(self.starts)
        return [(self.starts[each], self.lengths[each]) for each in range(first, end)]

    def bit(self, number: int) -> int:
        """Nothing stands before a frame in its pieces."""
        _in_range(number, self.frames)
        return 0


FrameIndex: TypeAlias = NativeIndex | EncapsulatedIndex


def _in_range(number: int, frames: int) -> None:
    if not 0 <= number < frames:
        raise NotFound(f"there is no frame {number + 1}, but {frames}")


def frame(data: Buffer, index: FrameIndex, number: int) -> bytes | memoryview:
    """The bytes of a frame, counted from 0.

    Those of one piece are a view, which holds an mmap open as long as it lives.

    Raises:
        NotFound, BadPixels: as `pieces`.
    """
    pieces = index.pieces(number)
    view = memoryview(data)
    if len(pieces) == 1:
        offset, length = pieces[0]
        return view[offset : offset + length]
    return b"".join(view[offset : offset + length] for offset, length in pieces)


def native(pixels: Pixels, start: int, length: int) -> NativeIndex:
    """Frames of a value that is not encapsulated."""
    unit = 16 if pixels.torn else 8
    return NativeIndex(pixels.frames, start, length, pixels.bits, unit)


def encapsulated(
    data: Buffer,
    pixels: Pixels,
    value: Piece,
    extended: Piece | None = None,
    *,
    ended: bool = False,
) -> EncapsulatedIndex:
    """Frames of a value that is made of items, the Basic Offset Table first.

    The headers of the items are read once. A table is believed where it names, in order, the
    beginning of an item for each frame; else codestreams show where frames begin and end.

    Args:
        data: holds the value.
        pixels: says how many frames there should be.
        value: the items, without their delimiter.
        extended: the value of Extended Offset Table (7FE0,0001), where there is one.
        ended: the data set ends within the value; the last frames may be missing.

    Raises:
        BadPixels: it cannot be said which fragments are which frames.
    """
    starts, lengths, cut = _items(data, *value)
    ended = ended or cut
    table = (starts[0], lengths[0]) if starts else None
    starts, lengths = starts[1:], lengths[1:]
    count, frames = len(starts), pixels.frames
    if media_type_of(pixels.transfer_syntax_uid).startswith("video/"):
        frames = 1
    if not count and not ended:
        raise BadPixels("there are no pixels between their delimiters")
    if frames == 1 or not count:
        return EncapsulatedIndex(frames, starts, lengths, range(min(count, 1)), cut)
    firsts = _believed(data, extended, _64, starts, frames, ended=ended)
    if firsts is None:
        firsts = _believed(data, table, _32, starts, frames, ended=ended)
    if firsts is not None:
        return EncapsulatedIndex(frames, starts, lengths, firsts, cut)
    if count == frames:
        return EncapsulatedIndex(frames, starts, lengths, range(count), cut)
    syntax = pixels.transfer_syntax_uid
    firsts = _scanned(data, syntax, starts, lengths, frames, ended=ended)
    cut = cut or (len(firsts) < frames and codestreams(syntax))  # the last may go on
    return EncapsulatedIndex(frames, starts, lengths, firsts, cut)


def _items(data: Buffer, start: int, length: int) -> tuple["array[int]", "array[int]", bool]:
    """Where the values of the items begin, how long they are, and whether the last one is cut."""
    position, end, cut = start, start + length, False
    starts, lengths = array(_64), array(_32)
    while position + _HEADER.size <= end:
        group, element, size = _HEADER.unpack_from(data, position)
        if group << 16 | element != ITEM or size == UNDEFINED:
            raise BadPixels("something that is no item stands between the fragments")
        position += _HEADER.size
        cut = position + size > end
        if cut:
            size = end - position
        starts.append(position)
        lengths.append(size)
        position += size
    return starts, lengths, cut


def _believed(  # noqa: PLR0913 - what a table is held against
    data: Buffer,
    table: Piece | None,
    words: str,
    starts: "array[int]",
    frames: int,
    *,
    ended: bool,
) -> "array[int] | None":
    """The first fragment of each frame by an offset table; None when it lies.

    Args:
        data: holds the table.
        table: where it is.
        words: of what kind its numbers are, in Little Endian.
        starts: of the items, from the first one on, of which the table counts.
        frames: announced.
        ended: the last frames may be missing.
    """
    named, base = array(words), starts[0]
    width = named.itemsize
    if table is None or table[1] // width != frames or frames > len(data):
        return None
    named.frombytes(bytes(data[table[0] : table[0] + frames * width]))
    if sys.byteorder == "big":
        named.byteswap()
    if ended:
        named = named[: bisect_right(named, starts[-1] - base)]
    if not named or len(named) > len(starts) or named[0] != 0:
        return None
    firsts, place = array(_32), 0
    for each in named:
        place = bisect_left(starts, base + each, place)
        if place == len(starts) or starts[place] != base + each:
            return None
        firsts.append(place)
        place += 1
    return firsts


def _scanned(  # noqa: PLR0913 - as above
    data: Buffer,
    syntax: str,
    starts: "array[int]",
    lengths: "array[int]",
    frames: int,
    *,
    ended: bool,
) -> "array[int]":
    """The first fragment of each frame, by what the fragments hold.

    Raises:
        BadPixels: that does not make the number of frames that is announced.
    """
    fragments = list(zip(starts.tolist(), lengths.tolist(), strict=True))
    ways: list[list[int]] = [[i for i, (_, length) in enumerate(fragments) if length]]
    if codestreams(syntax):
        begins = [
            i for i, (at, _) in enumerate(fragments) if bytes(data[at : at + 8]).startswith(_BEGINS)
        ]
        ends = [bytes(data[max(at, at + n - 3) : at + n]) for at, n in fragments]
        after = [i for i, (end, _) in enumerate(pairwise(ends), 1) if _END in end]
        ways = [begins, [0, *after], *ways]
    for firsts in ways:
        fits = len(firsts) == frames or (ended and len(firsts) < frames)
        if fits and firsts and firsts[0] == 0:
            return array(_32, firsts)
    raise BadPixels(
        f"{frames} frames are announced, and {len(fragments)} fragments do not say which they are"
    )
