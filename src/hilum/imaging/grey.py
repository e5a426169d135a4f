"""Which shade of grey has a stored value? From Modality LUT to P-Values (PS3.4 §N.2)."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from hilum.imaging.lut import Lut, lut_of
from hilum.imaging.pixels import Pixels
from hilum.imaging.values import Values
from hilum.imaging.window import FUNCTIONS, LINEAR, Floats, Window, spanning

BYTE = 8  # bits
WORD = 16  # bits; up to here a table of all values is made
TABLES = 64  # kept; 64 KiB each


@dataclass(frozen=True, slots=True)
class Grey:
    """How the stored values of one grey frame become shades.

    Attributes:
        stored: Bits Stored; 0 where the values are floating point.
        signed: values are two's complement.
        slope, intercept: of the Modality LUT, where it is no table.
        modality: the table, where it is one.
        voi: VOI LUT; None: from the pixels.
        presentation: Presentation LUT, where it is a table.
        inverted: the lowest is shown white.
        padding: from and to which stored value a pixel is none.
        full: the highest stored value that can be, where the whole range is meant to be shown.
    """

    stored: int
    signed: bool = False
    slope: float = 1.0
    intercept: float = 0.0
    modality: Lut | None = None
    voi: Lut | Window | None = None
    presentation: Lut | None = None
    inverted: bool = False
    padding: tuple[float, float] | None = None
    full: int | None = None


def grey_of(header: Values, pixels: Pixels, frame: int) -> Grey:
    """How a frame, counted from 0, is to be shown.

    What stands for the frame goes before what stands for all frames, and that before the root.
    """
    groups = groups_of(header, frame)
    slope, intercept, modality = _modality(header, groups)
    return Grey(
        stored=0 if pixels.tag != _PIXEL_DATA else pixels.stored,
        signed=pixels.signed,
        slope=slope,
        intercept=intercept,
        modality=modality,
        voi=_voi(header, groups),
        presentation=lut_of(header.item(0x20500010)),
        inverted=_inverted(header, pixels),
        padding=_padding(header, pixels),
        full=_full(header, pixels),
    )


_PIXEL_DATA = 0x7FE00010
_SHARED = 0x52009229
_PER_FRAME = 0x52009230


def groups_of(header: Values, frame: int) -> list[Values]:
    """The functional groups of a frame (PS3.3 §C.7.6.16), those of its own first."""
    found = (header.item(_PER_FRAME, frame), header.item(_SHARED))
    return [each for each in found if each is not None]


def _group(groups: list[Values], tag: int) -> Values | None:
    return next((item for each in groups if (item := each.item(tag)) is not None), None)


def _modality(header: Values, groups: list[Values]) -> tuple[float, float, Lut | None]:
    """Slope, intercept and table of the Modality LUT (PS3.3 §C.11.1)."""
    table = lut_of(header.item(0x00283000))
    if table is not None:
        return 1.0, 0.0, table
    source = _group(groups, 0x00289145) or header
    slope, intercept = source.number(0x00281053), source.number(0x00281052)
    return (1.0 if slope is None else slope), (0.0 if intercept is None else intercept), None


def _voi(header: Values, groups: list[Values]) -> Lut | Window | None:
    """The first VOI LUT: a table goes before a window (PS3.3 §C.11.2 leaves the choice)."""
    group = _group(groups, 0x00289132)
    for source in (header,) if group is None else (group, header):
        table = lut_of(source.item(0x00283010))
        if table is not None:
            return table
        center, width = source.number(0x00281050), source.number(0x00281051)
        if center is None or width is None:
            continue
        function = source.text(0x00281056).upper() or LINEAR
        window = Window(center, width, function if function in FUNCTIONS else LINEAR)
        if window.usable:
            return window
    return None


def _inverted(header: Values, pixels: Pixels) -> bool:
    """Presentation LUT Shape; where there is none MONOCHROME1 tells (PS3.3 §C.11.6)."""
    shape = header.text(0x20500020).upper()
    return shape == "INVERSE" if shape else pixels.photometric == "MONOCHROME1"


def _padding(header: Values, pixels: Pixels) -> tuple[float, float] | None:
    """Pixel Padding Value and its Range Limit (PS3.3 §C.7.5.1.1.2)."""
    if pixels.tag == 0x7FE00008:  # noqa: PLR2004 - Float Pixel Data
        first, last = header.number(0x00280122), header.number(0x00280124)
    elif pixels.tag != _PIXEL_DATA:
        first, last = header.number(0x00280123), header.number(0x00280125)
    else:
        first, last = header.number(0x00280120), header.number(0x00280121)
    if first is None:
        return None
    ends = [first, first if last is None else last]
    if pixels.tag == _PIXEL_DATA:  # its VR does not always fit Pixel Representation
        ends = [float(plain(np.array(int(each)), pixels.stored, pixels.signed)) for each in ends]
    return min(ends), max(ends)


def _full(header: Values, pixels: Pixels) -> int | None:
    """The highest value of pixels that are shown as they are: segments, and up to 8 bits."""
    if pixels.tag != _PIXEL_DATA:
        return None
    fractions = header.whole(0x0062000E)  # Maximum Fractional Value
    if header.text(0x00620001).upper() == "FRACTIONAL" and fractions > 0:
        return fractions
    if header.text(0x00620001).upper() == "LABELMAP":
        return None
    return (1 << pixels.stored) - 1 if pixels.stored <= BYTE and not pixels.signed else None


@lru_cache(maxsize=TABLES)
def table(grey: Grey, bits: int) -> NDArray[np.uint8]:
    """The shade of each of the values that `bits` can write, read as unsigned."""
    values = np.arange(1 << bits, dtype=np.int64)
    return shades_of(plain(values, grey.stored, grey.signed), grey)


def shades_of(values: Floats, grey: Grey) -> NDArray[np.uint8]:
    """Shades of true stored values."""
    voi = grey.voi
    if voi is None:  # only where somebody asks for a table without one
        voi = spanning(0, (1 << grey.stored) - 1)
    shades = voi.shades(modal(np.nan_to_num(values, posinf=1e300, neginf=-1e300), grey))
    if grey.presentation is not None:
        last = len(grey.presentation.entries) - 1
        shades = grey.presentation.shades(shades * last + grey.presentation.first)
    if grey.inverted:
        shades = 1 - shades
    result = np.floor(shades * 255 + 0.5).astype(np.uint8)
    if grey.padding is not None:
        result[(values >= grey.padding[0]) & (values <= grey.padding[1])] = 0
    return result


def modal(values: Floats, grey: Grey) -> Floats:
    """What the Modality LUT gives."""
    if grey.modality is not None:
        return grey.modality.values(values)
    return values * grey.slope + grey.intercept


def plain(frame: NDArray[np.generic], stored: int, signed: bool) -> Floats:  # noqa: FBT001 - as in the header
    """Stored values without the bits above them, with their sign (PS3.5 §8.1.1)."""
    if frame.dtype.kind == "f" or not 0 < stored < 64:  # noqa: PLR2004 - bits of a word
        return frame.astype(np.float64)
    mask = (1 << stored) - 1
    values = frame.astype(np.int64) & mask
    if signed:
        values = values - ((values >> (stored - 1)) << stored)
    return values.astype(np.float64)
