"""How do metadata and bulk data become one instance again? (PS3.18 §10.5.1, PS3.5 §A.4)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from struct import pack
from typing import Any, Final

from hilum.codec.dataset_pieces import LONGEST, Piece, Place, head_of, item_of, sequence_end
from hilum.codec.fragments import MEDIA
from hilum.codec.header import (
    DEFLATED,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    LONG,
    UNDEFINED,
)
from hilum.codec.json_dataset import first_of
from hilum.model.errors import BadDataset
from hilum.model.identity import is_uid

_PIXELS = 0x7FE00010
_OFFSETS = 2**32  # bytes that the Basic Offset Table reaches
_OF_BYTES = frozenset("OB OD OF OL OV OW UN UI".split())  # noqa: SIM905 - easier to read; padded by NUL
_BYTE = 8  # bits


@dataclass(frozen=True, slots=True)
class Stretch:
    """Bulk data that lies somewhere.

    Attributes:
        offset, length: where, in bytes.
        transfer_syntax_uid: of compressed pixels; "" for octets.
    """

    offset: int
    length: int
    transfer_syntax_uid: str = ""


Resolve = Callable[[str], Sequence[Stretch]]
"""What is called so; nothing where nobody knows it."""


@dataclass(frozen=True, slots=True)
class Composed:
    """An encoded data set of which a part lies elsewhere.

    Attributes:
        parts: in their order, what is here and what is there.
        size: bytes in all of them.
    """

    transfer_syntax_uid: str
    parts: Sequence[bytes | Stretch]
    size: int


def composed(pieces: Sequence[Piece], attributes: Mapping[str, Any], resolve: Resolve) -> Composed:
    """A data set with its bulk data in place.

    It is in Explicit VR Little Endian, or, where its pixels are compressed, in their Transfer
    Syntax, each frame a fragment of its own, with a Basic Offset Table.

    Args:
        pieces: of the data set, see `dataset_pieces`.
        attributes: of the data set, in the DICOM JSON Model.
        resolve: finds bulk data.

    Raises:
        BadDataset: bulk data is missing, or is not what the metadata says; the text names the tag.
    """
    found = {place: _found(place, resolve) for place in pieces if isinstance(place, Place)}
    syntaxes = {
        each.transfer_syntax_uid
        for place, stretches in found.items()
        for each in stretches
        if place.tag == _PIXELS and each.transfer_syntax_uid
    }
    if len(syntaxes) > 1:
        raise BadDataset("its pixels are in several Transfer Syntaxes")
    parts: list[bytes | Stretch] = []
    for piece in pieces:
        if isinstance(piece, bytes):
            parts.append(piece)
        elif piece.tag == _PIXELS and syntaxes & {e.transfer_syntax_uid for e in found[piece]}:
            frames = _number(attributes, "00280008") if piece.is_root else 1
            parts += _encapsulated(found[piece], frames, *syntaxes)
        else:
            parts += _plain(piece, found[piece], attributes)
    size = sum(len(each) if isinstance(each, bytes) else each.length for each in parts)
    return Composed(next(iter(syntaxes), EXPLICIT_LITTLE), parts, size)


def _found(place: Place, resolve: Resolve) -> Sequence[Stretch]:
    stretches = resolve(place.uri)
    name = f"({place.tag >> 16:04X},{place.tag & 0xFFFF:04X})"
    if not stretches:
        raise BadDataset(f"no part has the bulk data of {name}")
    if len(stretches) > 1 and place.tag != _PIXELS:
        raise BadDataset(f"several parts have the bulk data of {name}")
    if sum(each.length for each in stretches) > LONGEST and not stretches[0].transfer_syntax_uid:
        raise BadDataset(f"the bulk data of {name} is too long for a data set")
    if any(each.length > LONGEST for each in stretches):
        raise BadDataset(f"a part with the bulk data of {name} is too long for a data set")
    return stretches


def _plain(
    place: Place, stretches: Sequence[Stretch], attributes: Mapping[str, Any]
) -> Iterator[bytes | Stretch]:
    """A native value; several parts of pixels are its frames."""
    length = sum(each.length for each in stretches)
    vr = place.vr
    if place.tag == _PIXELS and place.is_root:
        # Where the metadata is of compressed pixels, it says OB; native ones are words.
        vr = "OW" if _number(attributes, "00280100") > _BYTE or vr not in LONG else vr
    yield head_of(place.tag, vr, length + length % 2)
    yield from stretches
    if length % 2:
        yield b"\0" if vr in _OF_BYTES else b" "


def _encapsulated(
    stretches: Sequence[Stretch], frames: int, syntax: str
) -> Iterator[bytes | Stretch]:
    """Compressed pixels: the table, then an item for each fragment."""
    is_video = MEDIA.get(syntax, "").startswith("video/")
    if not is_video and frames != 1 and len(stretches) != frames:
        raise BadDataset(f"it has {frames} frames, and {len(stretches)} parts hold them")
    yield head_of(_PIXELS, "OB", UNDEFINED)
    yield from _table(stretches, 1 if is_video or frames == 1 else frames)
    for each in stretches:
        yield item_of(each.length + each.length % 2)
        yield each
        if each.length % 2:
            yield b"\0"
    yield sequence_end()


def _table(stretches: Sequence[Stretch], frames: int) -> Iterator[bytes]:
    """The Basic Offset Table; empty, as it may be, where it does not reach to the last frame."""
    offsets, at = [], 0
    for each in stretches[:frames]:
        offsets.append(at)
        at += len(item_of(0)) + each.length + each.length % 2
    if offsets[-1] >= _OFFSETS:
        offsets = []
    yield item_of(4 * len(offsets))
    yield pack(f"<{len(offsets)}L", *offsets)


def _number(attributes: Mapping[str, Any], tag: str) -> int:
    """A number of the metadata; 1 where it says none."""
    try:
        return int(first_of(attributes, tag) or 1)
    except (TypeError, ValueError):
        return 1


_NATIVE = frozenset((IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG, DEFLATED))
DEFAULTS: Final[Mapping[str, str]] = {
    "image/jpeg": "1.2.840.10008.1.2.4.70",
    "image/jls": "1.2.840.10008.1.2.4.80",
    "image/jp2": "1.2.840.10008.1.2.4.90",
    "image/jpx": "1.2.840.10008.1.2.4.92",
    "image/jphc": "1.2.840.10008.1.2.4.201",
    "image/jxl": "1.2.840.10008.1.2.4.110",
    "image/dicom-rle": "1.2.840.10008.1.2.5",
    "video/mpeg": "1.2.840.10008.1.2.4.100",
    "video/mp4": "1.2.840.10008.1.2.4.102",
}
"""The Transfer Syntax of a media type that names none (PS3.18 Tables 8.7.3-4 to 8.7.3-6)."""

_PROCESSES = {0xC0: "4.50", 0xC1: "4.51", 0xF7: "4.80"}  # start of frame -> Transfer Syntax
_LOSSLESS, _SCAN = 0xC3, 0xDA
_FIRST_ORDER = 1  # the predictor of 4.70


def syntax_of_part(kind: str, named: str, begin: bytes) -> str:
    """The Transfer Syntax of a part with compressed pixels; "" of one with octets.

    A part that says only image/jpeg is taken for what its own header says: by the standard's
    default it would be lossless, and what is sent so is mostly baseline.

    Args:
        kind: its media type.
        named: the transfer-syntax that it names, or "".
        begin: its first bytes.
    """
    if named in _NATIVE:
        return ""
    if is_uid(named):
        return named
    return (kind == "image/jpeg" and _jpeg(begin)) or DEFAULTS.get(kind, "")


def _jpeg(begin: bytes) -> str:
    """What a JPEG codestream is (ISO/IEC 10918-1 §B.1.1), "" where that is not seen."""
    at, is_lossless = 2, False
    while at + 4 <= len(begin) and begin[at] == 0xFF:  # noqa: PLR2004 - a marker
        marker, length = begin[at + 1], int.from_bytes(begin[at + 2 : at + 4], "big")
        if marker in _PROCESSES:
            return "1.2.840.10008.1.2." + _PROCESSES[marker]
        if marker == _SCAN and is_lossless and at + 4 < len(begin):
            selection = at + 5 + 2 * begin[at + 4]
            first = begin[selection : selection + 1] == bytes([_FIRST_ORDER])
            return "1.2.840.10008.1.2." + ("4.70" if first else "4.57")
        is_lossless = is_lossless or marker == _LOSSLESS
        at += 2 + length
    return "1.2.840.10008.1.2.4.57" if is_lossless else ""
