"""How tall is a pixel, by its width? (PS3.3 §10.7.1.3, §C.7.6.3.1.7)."""

from typing import Final

from hilum.imaging.grey import groups_of
from hilum.imaging.values import Values

_MEASURES: Final = 0x00289110  # Pixel Measures Sequence
_RATIO: Final = 0x00280034  # Pixel Aspect Ratio
_SPACINGS: Final = (0x00280030, 0x00181164, 0x00182010)  # Pixel, Imager, Nominal Scanned Pixel
_MOST: Final = 16.0
"""Beyond it, one way or the other, no image is known to be, and many a header is wrong."""
_LEAST: Final = 0.01  # what nobody sees; not worth to be interpolated


def height_of_pixel(header: Values, frame: int) -> float:
    """The height of a pixel of a frame, counted from 0, by its width; 1 where nothing tells it.

    What stands for the frame goes before what stands for all; the aspect ratio is for images
    without a spacing.
    """
    measures = (group.item(_MEASURES) for group in groups_of(header, frame))
    spaced = [*(each for each in measures if each is not None), header]
    pairs = [each.numbers(tag) for each in spaced for tag in _SPACINGS]
    for pair in (*pairs, header.numbers(_RATIO)):
        if len(pair) == 2 and min(pair) > 0:  # noqa: PLR2004 - of the rows, and of the columns
            ratio = pair[0] / pair[1]
            seen = 1 / _MOST <= ratio <= _MOST and abs(ratio - 1) >= _LEAST
            return ratio if seen else 1.0
    return 1.0
