"""What does an encoded data set say of its pixels? Its header is read, nothing decoded."""

from dataclasses import dataclass, replace
from typing import Final

from hilum.codec import dicom_json
from hilum.codec.dicom_json import Attributes
from hilum.codec.elements import walk
from hilum.codec.header import EXPLICIT_BIG, EXPLICIT_LITTLE, Buffer, settled, syntax_of
from hilum.codec.value import integers
from hilum.codec.walked import FRAGMENTS, LITTLE, Element, Walked
from hilum.imaging import index
from hilum.imaging.codecs import encapsulates
from hilum.imaging.index import FrameIndex
from hilum.imaging.pixels import DOUBLE, FLOAT, PIXEL_DATA, Pixels
from hilum.model.errors import BadPixels

MAX_FRAMES: Final = 16 * 1024 * 1024
"""Number of Frames (0028,0008) that is believed."""
INLINE: Final = 256 * 1024
"""Bytes of a value that `look` describes: any palette, and any look-up table."""

_SAMPLES, _PHOTOMETRIC, _PLANAR = 0x00280002, 0x00280004, 0x00280006
_FRAMES, _ROWS, _COLUMNS = 0x00280008, 0x00280010, 0x00280011
_ALLOCATED, _STORED, _SIGNED = 0x00280100, 0x00280101, 0x00280103
_EXTENDED = 0x7FE00001  # Extended Offset Table
_NAMES: Final = {
    _SAMPLES: "Samples per Pixel",
    _FRAMES: "Number of Frames",
    _PLANAR: "Planar Configuration",
    _ROWS: "Rows",
    _COLUMNS: "Columns",
    _ALLOCATED: "Bits Allocated",
    _STORED: "Bits Stored",
    _SIGNED: "Pixel Representation",
}
_TEXT: Final = frozenset(("IS", "DS", "LO", "SH", "CS"))
_BITS: Final = (1, 8, 16, 32, 64)  # Bits Allocated that are understood
_MAX_SAMPLES: Final = 4  # ARGB and CMYK, both retired
_RGB: Final = 3


@dataclass(frozen=True, slots=True)
class Looked:
    """The header of an instance.

    Attributes:
        pixels: how its frames are written; None: it has no pixels.
        index: where they lie.
        inflated: offsets count in `deflate.inflate` of the data set, not in the data set.
        attributes: the data set in the DICOM JSON Model, where that was asked for.
    """

    pixels: Pixels | None
    index: FrameIndex | None
    inflated: bool = False
    attributes: Attributes | None = None


def look(buffer: Buffer, transfer_syntax_uid: str, *, describe: bool = False) -> Looked:
    """The header of an instance, and where its frames lie.

    Of a deflated data set no more is read than `deflate.MAX_INFLATED`; frames behind are cut off.

    Args:
        buffer: the encoded data set, without File Meta Information.
        transfer_syntax_uid: of the buffer.
        describe: `attributes` are wanted, binary values of up to `INLINE` bytes among them.

    Raises:
        BadDataset: as `elements.walk`.
        BadPixels: what it says of its pixels makes no sense.
    """
    walked = walk(buffer, transfer_syntax_uid)
    attributes = dicom_json.from_walked(walked, INLINE).attributes if describe else None
    pixels, frames = found(walked, transfer_syntax_uid)
    return Looked(pixels, frames, syntax_of(transfer_syntax_uid).deflated, attributes)


def found(walked: Walked, transfer_syntax_uid: str) -> tuple[Pixels | None, FrameIndex | None]:
    """What a data set whose elements are known says of its pixels, and where they lie.

    Raises:
        BadPixels: it makes no sense.
    """
    elements = {element[0]: element for element in walked.elements}  # the last one counts
    element = next((elements[tag] for tag in (PIXEL_DATA, FLOAT, DOUBLE) if tag in elements), None)
    if element is None:
        return None, None
    pixels = _pixels(walked, elements, element, _true(walked, transfer_syntax_uid))
    _, _, start, length, _, kind = element
    if encapsulates(transfer_syntax_uid) not in (None, kind == FRAGMENTS):
        be = "are" if kind == FRAGMENTS else "are not"
        raise BadPixels(f"the pixels {be} encapsulated, against their Transfer Syntax")
    if kind != FRAGMENTS:
        whole = pixels.rows * pixels.columns * pixels.samples * pixels.frames
        if pixels.subsampled and length >= whole:  # they are not, whatever they are called
            pixels = replace(pixels, photometric="YBR_FULL")
        return pixels, index.native(pixels, start, length)
    extended = elements.get(_EXTENDED)
    table = None if extended is None else (extended[2], extended[3])
    ended = start in walked.cut
    return pixels, index.encapsulated(walked.data, pixels, (start, length), table, ended=ended)


def _true(walked: Walked, announced: str) -> str:
    """The Transfer Syntax whose byte order the pixels have."""
    if walked.big == syntax_of(announced).big:
        return announced
    return EXPLICIT_BIG if walked.big else EXPLICIT_LITTLE


def _pixels(
    walked: Walked, elements: dict[int, Element], element: Element, transfer_syntax_uid: str
) -> Pixels:
    """The Image Pixel Module.

    Raises:
        BadPixels: it says what cannot be.
    """
    header = _Header(walked, elements)
    tag, vr, _, length, _, kind = element
    samples = header.number(_SAMPLES, 1)
    if not 1 <= samples <= _MAX_SAMPLES:
        raise BadPixels(f"Samples per Pixel is {samples}")
    signed = header.number(_SIGNED, 0) == 1
    if tag == PIXEL_DATA:
        allocated = header.number(_ALLOCATED, None)
        stored = header.number(_STORED, allocated)
    else:
        allocated = stored = 32 if tag == FLOAT else 64
    if allocated not in _BITS or not 1 <= stored <= allocated:
        raise BadPixels(f"{stored} bits stored in {allocated} allocated are not understood")
    rows, columns = header.number(_ROWS, None), header.number(_COLUMNS, None)
    if not 1 <= rows <= 0xFFFF or not 1 <= columns <= 0xFFFF:  # noqa: PLR2004 - of US
        raise BadPixels(f"the image has {rows} rows and {columns} columns")
    frames = header.number(_FRAMES, 1) or 1  # some write 0 and have one
    if not 1 <= frames <= MAX_FRAMES:
        raise BadPixels(f"Number of Frames is {frames}")
    return Pixels(
        transfer_syntax_uid=transfer_syntax_uid,
        rows=rows,
        columns=columns,
        frames=frames,
        samples=samples,
        photometric=header.text(_PHOTOMETRIC) or ("RGB" if samples == _RGB else "MONOCHROME2"),
        allocated=allocated,
        stored=stored,
        signed=signed,
        by_plane=samples > 1 and header.number(_PLANAR, 0) == 1,
        tag=tag,
        vr="OB" if kind == FRAGMENTS else settled(vr, length, signed=signed),
    )


class _Header:
    """Values of the root level, as bad as they may be written."""

    def __init__(self, walked: Walked, elements: dict[int, Element]) -> None:
        self._walked = walked
        self._elements = elements

    def _raw(self, tag: int) -> bytes:
        element = self._elements.get(tag)
        if element is None or element[4] is not None:
            return b""
        return bytes(self._walked.data[element[2] : element[2] + min(element[3], 64)])

    def text(self, tag: int) -> str:
        """The first value of a code string; "" where there is none."""
        return self._raw(tag).decode("latin-1").split("\\", 1)[0].strip("\0 ").upper()

    def number(self, tag: int, default: int | None) -> int:
        """The first value of a whole number.

        Raises:
            BadPixels: it is none; or it is not there, and there is no default.
        """
        raw = self._raw(tag)
        if not raw.strip(b"\0 " if tag == _FRAMES else b""):
            if default is None:
                raise BadPixels(f"there is no {_NAMES[tag]}")
            return default
        _, vr, _, _, _, kind = self._elements[tag]
        try:
            if vr in _TEXT or tag == _FRAMES:
                first = integers(raw.decode("ascii").split("\\", 1)[0].strip("\0 "))[0]
                return default or 0 if first is None else first
            width = 4 if vr in {"UL", "SL"} else 2
            big = self._walked.big and kind != LITTLE
            return int.from_bytes(raw[:width], "big" if big else "little")
        except (ValueError, OverflowError):
            raise BadPixels(f"{_NAMES[tag]} is not a whole number") from None
