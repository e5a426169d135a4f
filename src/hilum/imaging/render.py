"""How does a decoded frame become an image that a screen can show? (PS3.4 §N.2)."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hilum.imaging import annotation
from hilum.imaging.aspect import height_of_pixel
from hilum.imaging.colour import red_green_blue
from hilum.imaging.grey import Grey, grey_of
from hilum.imaging.palette import coloured, palette_of
from hilum.imaging.picture import Picture, image_of
from hilum.imaging.pixels import Pixels
from hilum.imaging.shades import Shades, shaded
from hilum.imaging.values import Values
from hilum.imaging.viewport import WHOLE, seen
from hilum.imaging.window import Window
from hilum.imaging.wish import Wish

_COLOURS = 3
_PALETTE = "PALETTE COLOR"


def shown(
    frame: NDArray[np.generic], pixels: Pixels, header: Values, number: int, wish: Wish
) -> Picture:
    """The picture of one frame, grey or RGB, cut, scaled and annotated as it is wished.

    Args:
        frame: rows, columns and perhaps samples, decoded.
        pixels: as they are after decoding, in what concerns Photometric Interpretation.
        header: the data set that the frame is of.
        number: of the frame, from 0.
        wish: how it is to look.

    Raises:
        BadPixels: its palette makes no sense.
        NotAcceptable: its colour space is not known here.
        BadRequest: there is nothing of it in the viewport.
    """
    if frame.ndim == _COLOURS and frame.shape[-1] == 1:
        frame = frame[..., 0]
    grey: Grey | None = None
    if frame.ndim == _COLOURS:
        colours = red_green_blue(frame, pixels.photometric, pixels.stored)
        picture: Picture = Image.fromarray(colours)
    elif pixels.photometric == _PALETTE:
        picture = Image.fromarray(coloured(frame, palette_of(header)))
    else:
        grey = grey_of(header, pixels, number)
        if wish.window is not None:
            grey = replace(grey, voi=wish.window)
        shades = shaded(frame, grey)
        picture = shades if isinstance(shades, Shades) else Image.fromarray(shades)
    pixel = height_of_pixel(header, number)
    if wish.viewport is not None or pixel != 1:
        picture = seen(image_of(picture), wish.viewport or WHOLE, pixel)
    if wish.annotations:
        return _annotated(image_of(picture), header, pixels, number, grey, wish)
    return picture


def _annotated(  # noqa: PLR0913, PLR0917 - all that a text can tell of
    image: Image.Image,
    header: Values,
    pixels: Pixels,
    number: int,
    grey: Grey | None,
    wish: Wish,
) -> Image.Image:
    top = annotation.patient(header) if "patient" in wish.annotations else []
    bottom: list[str] = []
    if "technique" in wish.annotations:
        bottom = annotation.technique(header)
        if grey is not None and isinstance(grey.voi, Window):
            bottom.append(f"W {grey.voi.width:g}  C {grey.voi.center:g}")
        if pixels.frames > 1:
            bottom.append(f"frame {number + 1} of {pixels.frames}")
    return annotation.burnt(image, top, bottom)
