"""A whole instance from one Transfer Syntax to another, frame by frame."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import accumulate
from struct import pack
from typing import Final, TypeAlias
from zlib import MAX_WBITS, compressobj

import numpy as np

from hilum.codec import reencode
from hilum.codec.elements import walk
from hilum.codec.header import (
    DEFLATED,
    EXPLICIT_LITTLE,
    ITEM,
    SEQUENCE_END,
    UNDEFINED,
    Buffer,
    syntax_of,
)
from hilum.codec.walked import Walked
from hilum.imaging import codecs, native
from hilum.imaging.decode import Decoded, decode
from hilum.imaging.encode import Loss, becomes, encode
from hilum.imaging.index import FrameIndex, frame
from hilum.imaging.pixels import PIXEL_DATA, Pixels
from hilum.imaging.read import found
from hilum.imaging.splice import PIECE, Changes, Spliced, Value
from hilum.model.errors import BadDataset, BadPixels, NotAcceptable

Write: TypeAlias = Callable[[bytes], object]

HELD: Final = 8 * 1024 * 1024
"""Bytes of encoded frames that are kept until all are there, so that the Basic Offset Table can
be written before them. Where they are more, it is empty, which is allowed (PS3.5 §A.4)."""

_PHOTOMETRIC, _PLANAR = 0x00280004, 0x00280006
_STORED, _HIGH = 0x00280101, 0x00280102
_LOSSY, _RATIO, _METHOD = 0x00282110, 0x00282112, 0x00282114
_TABLES: Final = (0x7FE00001, 0x7FE00002, 0x7FE00003)  # Extended Offset Table and what is with it
_METHODS: Final = {codecs.JPEG: "ISO_10918_1", codecs.JPEG_LS: "ISO_14495_1"}
_MAX_LENGTH: Final = 0xFFFFFFFE  # bytes of a value that is not encapsulated


def transcode_possible(source_ts: str, target_ts: str) -> bool:
    """Whether an instance can be taken from one Transfer Syntax to the other without loss.

    It depends on its pixels, too: more than 16 bits are not for JPEG.
    """
    if reencode.possible(source_ts, target_ts):
        return True
    target = codecs.CODECS.get(target_ts)
    lossless = target is not None and target.lossless
    return lossless and codecs.can_decode(source_ts) and codecs.can_encode(target_ts)


def transcode(buffer: Buffer, source_ts: str, target_ts: str, write: Write) -> None:
    """Write a data set in another Transfer Syntax; its pixels and its SOP Instance UID stay.

    What was lossy before is said to be so, "01" in Lossy Image Compression (0028,2110).
    JPEG that is stored as YCbCr becomes RGB, as other toolkits give it. One frame is in memory
    at a time, and `HELD` encoded ones.

    Args:
        buffer: the encoded data set, without File Meta Information.
        source_ts: its Transfer Syntax.
        target_ts: the one that it gets.
        write: takes the next bytes.

    Raises:
        BadDataset: it cannot be understood.
        BadPixels: its pixels cannot be decoded.
        NotAcceptable: they cannot be in that syntax, or there is no codec.
    """
    if reencode.possible(source_ts, target_ts):
        _reencoded(buffer, source_ts, target_ts, write)
        return
    image = Image(walk(buffer, source_ts), source_ts, target_ts)
    image.write(write, {})


def _reencoded(buffer: Buffer, source_ts: str, target_ts: str, write: Write) -> None:
    """Pixels stay as they are, in another byte order at most."""
    reencoder = reencode.Reencoder(source_ts, target_ts)
    for at in range(0, len(buffer), PIECE):
        for piece in reencoder.pieces(bytes(buffer[at : at + PIECE])):
            write(piece)
    write(reencoder.close())


class Image:
    """An instance that is on its way to another Transfer Syntax.

    Args:
        walked: its elements.
        source_ts: its Transfer Syntax.
        target_ts: the one that it gets.
        loss: that is taken; None: none.

    Raises:
        BadPixels, NotAcceptable: as `transcode`.
    """

    def __init__(
        self, walked: Walked, source_ts: str, target_ts: str, loss: Loss | None = None
    ) -> None:
        if walked.partial:
            raise NotAcceptable("the deflated data set is too long to be encoded otherwise")
        self.walked = walked
        self._source_ts = source_ts
        self._target_ts = target_ts
        self._loss = loss
        self._codec = codecs.encoder(target_ts)
        self._pixels, self._index = found(walked, source_ts)
        if self._pixels is None:
            if self._codec.kind != codecs.NATIVE or self._codec.encapsulated:
                raise NotAcceptable("there are no pixels that could be compressed")
            if walked.truncated:
                raise BadDataset("the data set is cut off")
            return
        self._first = self._decoded(0)
        self._known = _understood(self._pixels, self._first)
        self.target = becomes(self._known, target_ts, loss)

    def _decoded(self, number: int) -> Decoded:
        """A frame, with what is in its high bits."""
        pixels, index = self._image()
        data = bytes(frame(self.walked.data, index, number))  # no error may hold an mmap open
        return decode(data, pixels, index.bit(number), rgb=True, whole=True)

    def _image(self) -> tuple[Pixels, FrameIndex]:
        if self._pixels is None or self._index is None:
            raise NotAcceptable("there are no pixels")
        return self._pixels, self._index

    def frames(self) -> Iterator[bytes]:
        """The frames, encoded, one after the other.

        Raises:
            BadPixels: one of them cannot be decoded, or is not like the first one.
            NotAcceptable: as `encode`.
        """
        for number in range(self._image()[1].frames):
            decoded = self._decoded(number) if number else self._first
            alike = decoded.photometric == self._first.photometric
            known = self._known
            beyond = decoded.precision > known.stored and (
                native.clean(decoded.array, known) is not decoded.array
            )
            if not alike or beyond or decoded.array.dtype != native.dtype_of(known):
                raise BadPixels(f"frame {number + 1} is not like the first one")
            yield encode(decoded.array, self.target, self._loss)

    def write(self, write: Write, changes: Changes, frames: list[bytes] | None = None) -> None:
        """Write the data set.

        Args:
            write: takes the next bytes.
            changes: to the header, further ones.
            frames: what `frames` gave, where it is there already.

        Raises:
            BadDataset, BadPixels, NotAcceptable: as `transcode`.
        """
        out = _Deflated(write) if self._target_ts == DEFLATED else None
        put = out.write if out else write
        headers = self._target_ts if not self._codec.encapsulated else EXPLICIT_LITTLE
        tag = None if self._pixels is None else self._pixels.tag
        changes = {**(self._changes() if self._pixels else {}), **changes}
        spliced = Spliced(self.walked, self._source_ts, headers, tag, changes)
        for piece in spliced.before():
            put(piece)
        if self._pixels is not None:
            encoded = iter(frames) if frames is not None else self.frames()
            if self._codec.encapsulated:
                _encapsulated(encoded, put)
            else:
                self._native(encoded, put)
            for piece in spliced.after():
                put(piece)
        if out is not None:
            out.close()

    def _changes(self) -> dict[int, Value | None]:
        """What the header must say otherwise (PS3.5 §8.2)."""
        before, after = self._image()[0], self.target
        changes: dict[int, Value | None] = dict.fromkeys(_TABLES)
        changes[_PHOTOMETRIC] = Value("CS", after.photometric)
        if after.samples > 1:
            changes[_PLANAR] = Value("US", int(after.by_plane))
        if after.stored != before.stored:
            changes[_STORED] = Value("US", after.stored)
            changes[_HIGH] = Value("US", after.stored - 1)
        source = codecs.CODECS[self._source_ts]
        said = {element[0] for element in self.walked.elements if element[3]}
        if not source.lossless and source.kind in _METHODS:  # PS3.3 §C.7.6.1.1.5: for ever
            changes[_LOSSY] = Value("CS", "01")
            if _METHOD not in said:
                changes[_METHOD] = Value("CS", _METHODS[source.kind])
        return changes

    def _native(self, frames: Iterator[bytes], write: Write) -> None:
        """Pixel Data that are not encapsulated, their length said before."""
        pixels = self.target
        length = -(-pixels.bits * pixels.frames // 8)
        if length > _MAX_LENGTH:
            raise NotAcceptable("uncompressed, the pixels are more than one element can hold")
        padded = length + length % 2
        write(_header(pixels, self._target_ts, padded))
        if pixels.allocated == native.ONE_BIT and pixels.bits % 8:
            frames = _packed(frames, pixels.bits)
        for each in frames:
            write(each)
        write(b"\0" * (padded - length))


def _understood(pixels: Pixels, first: Decoded) -> Pixels:
    """How the decoded pixels are described, of which this is the first frame.

    JPEG 2000 may hold more bits than its data set says, all of which are pixels.
    """
    photometric, stored = first.photometric, pixels.stored
    if first.precision > stored and native.clean(first.array, pixels) is not first.array:
        stored = min(first.precision, pixels.allocated)
    return replace(pixels, photometric=photometric, stored=stored)


def _header(pixels: Pixels, transfer_syntax_uid: str, length: int) -> bytes:
    """The header of Pixel Data."""
    syntax = syntax_of(transfer_syntax_uid)
    order, group, number = ">" if syntax.big else "<", PIXEL_DATA >> 16, PIXEL_DATA & 0xFFFF
    if syntax.implicit:
        return pack(order + "HHL", group, number, length)
    return pack(order + "HH2sHL", group, number, pixels.vr.encode(), 0, length)


def _encapsulated(frames: Iterator[bytes], write: Write) -> None:
    """Pixel Data of one fragment for each frame, after a Basic Offset Table (PS3.5 §A.4)."""
    write(pack("<HH2sHL", PIXEL_DATA >> 16, PIXEL_DATA & 0xFFFF, b"OB", 0, UNDEFINED))
    held: list[bytes] = []
    size = 0
    for each in frames:
        item = _item(each)
        size += len(item)
        held.append(item)
        if size > HELD:
            break
    else:
        offsets = [0, *accumulate(len(each) for each in held[:-1])]
        write(_item(pack(f"<{len(offsets)}L", *offsets)))
        for item in held:
            write(item)
        write(pack("<HHL", SEQUENCE_END >> 16, SEQUENCE_END & 0xFFFF, 0))
        return
    write(_item(b""))
    for item in held:
        write(item)
    held.clear()
    for each in frames:
        write(_item(each))
    write(pack("<HHL", SEQUENCE_END >> 16, SEQUENCE_END & 0xFFFF, 0))


def _item(value: bytes) -> bytes:
    padding = b"\0" * (len(value) % 2)
    return pack("<HHL", ITEM >> 16, ITEM & 0xFFFF, len(value) + len(padding)) + value + padding


def _packed(frames: Iterator[bytes], size: int) -> Iterator[bytes]:
    """Frames of single bits, one beginning where the other ends; each came in its own bytes."""
    rest = np.zeros(0, np.uint8)
    for each in frames:
        bits = np.unpackbits(np.frombuffer(each, np.uint8), count=size, bitorder="little")
        bits = np.concatenate((rest, bits))
        whole = len(bits) // 8 * 8
        rest = bits[whole:]
        yield np.packbits(bits[:whole], bitorder="little").tobytes()
    yield np.packbits(rest, bitorder="little").tobytes()


class _Deflated:
    """Deflates what is written (PS3.5 §A.5)."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._deflater = compressobj(wbits=-MAX_WBITS)
        self._size = 0

    def write(self, data: bytes) -> None:
        """The next bytes of the plain data set."""
        self._put(self._deflater.compress(data))

    def close(self) -> None:
        """There are no more."""
        self._put(self._deflater.flush())
        self._put(b"\0" * (self._size % 2))

    def _put(self, data: bytes) -> None:
        self._size += len(data)
        if data:
            self._write(data)
