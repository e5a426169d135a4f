"""What does a codestream say of itself? Its own header, read before anything is decoded."""

from dataclasses import dataclass
from typing import Final

from hilum.model.errors import BadPixels

_SOI: Final = b"\xff\xd8"
_FRAME_HEADERS: Final = frozenset(
    (*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0), 0xF7)
)
"""SOF markers of JPEG (ISO 10918-1 Table B.1), and that of JPEG-LS (ISO 14495-1 §C.1.1)."""
_BARE: Final = frozenset((0x01, *range(0xD0, 0xD9)))  # markers without a segment
_FILL, _SCAN, _APP0, _APP14 = 0xFF, 0xDA, 0xE0, 0xEE
_MAX_MARKERS: Final = 10_000
_SIZ: Final = b"\xff\x4f\xff\x51"  # start of codestream, then the size (ISO 15444-1 §A.5.1)
_BOXES: Final = 1024 * 1024  # bytes in which a codestream in a file of boxes is looked for
_COMPONENT: Final = 3  # bytes of a component in both headers
_RED_GREEN_BLUE: Final = (b"RGB", b"rgb")  # names of components


@dataclass(frozen=True, slots=True)
class Codestream:
    """The size of an image, as its codestream has it.

    Attributes:
        rows, columns, samples: as in `Pixels`.
        precision: bits of a sample.
        signed: samples may be negative; JPEG does not say.
        marker: the second byte of the start of frame (SOF), in JPEG.
        transform: of the colours, as JFIF, Adobe's marker or the names of the components say:
            0 none, 1 YCbCr; None: nothing says it.
        start: where the codestream begins in the frame.
    """

    rows: int
    columns: int
    samples: int
    precision: int
    signed: bool = False
    marker: int = 0
    transform: int | None = None
    start: int = 0


def jpeg(frame: bytes) -> Codestream:
    """The header of JPEG or JPEG-LS.

    Raises:
        BadPixels: there is none.
    """
    if not frame.startswith(_SOI):
        raise BadPixels("the frame is no JPEG codestream")
    position, jfif, adobe = 2, False, None
    for _ in range(_MAX_MARKERS):
        while frame[position : position + 2] == b"\xff\xff":  # fill bytes
            position += 1
        if len(frame) < position + 4 or frame[position] != _FILL:
            break
        marker = frame[position + 1]
        if marker in _BARE:
            position += 2
            continue
        length = int.from_bytes(frame[position + 2 : position + 4], "big")
        segment = frame[position + 4 : position + 2 + length]
        if marker in _FRAME_HEADERS and len(segment) >= 6 + _COMPONENT:
            return Codestream(
                rows=int.from_bytes(segment[1:3], "big"),
                columns=int.from_bytes(segment[3:5], "big"),
                samples=segment[5],
                precision=segment[0],
                marker=marker,
                transform=_transform(jfif, adobe, segment[6::_COMPONENT][:3]),
            )
        if marker == _SCAN:
            break
        if marker == _APP14 and segment.startswith(b"Adobe") and len(segment) >= 12:  # noqa: PLR2004 - its length
            adobe = segment[11]
        jfif = jfif or (marker == _APP0 and segment.startswith(b"JFIF\0"))
        position += 2 + length
    raise BadPixels("the JPEG codestream says nothing of its size")


def _transform(jfif: bool, adobe: int | None, components: bytes) -> int | None:  # noqa: FBT001
    """What libjpeg and browsers take the colours for, in their order."""
    if jfif:  # which knows no other colours (ITU-T T.871 §7)
        return 1
    if adobe is None and components in _RED_GREEN_BLUE:
        return 0
    return adobe


def jpeg_2000(frame: bytes) -> Codestream:
    """The header of JPEG 2000, bare or in a file of boxes (JP2).

    Raises:
        BadPixels: there is none, or its components differ from each other.
    """
    start = 0 if frame.startswith(_SIZ) else frame.find(_SIZ, 0, _BOXES)
    size = frame[start + 4 : start + 4 + 38 + 4 * _COMPONENT]
    samples = int.from_bytes(size[36:38], "big")
    if start < 0 or len(size) < 38 + _COMPONENT * samples or not 1 <= samples <= 4:  # noqa: PLR2004 - bytes before the components; as many as `Pixels` may have
        raise BadPixels("the JPEG 2000 codestream says nothing of its size")
    width, height, left, top = (int.from_bytes(size[at : at + 4], "big") for at in (4, 8, 12, 16))
    components = {size[38 + 3 * each : 41 + 3 * each] for each in range(samples)}
    depth, across, down = components.pop()
    if components or (across, down) != (1, 1):
        raise BadPixels("the components of the JPEG 2000 codestream are not all alike")
    return Codestream(
        rows=height - top,
        columns=width - left,
        samples=samples,
        precision=(depth & 0x7F) + 1,
        signed=bool(depth & 0x80),
        start=start,
    )
