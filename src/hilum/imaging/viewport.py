"""Which part of an image is seen, and how large? Cutting, scaling, flipping."""

from typing import Final

from PIL import Image, ImageOps

from hilum.imaging.wish import Viewport
from hilum.model.errors import BadRequest

_GAP = 3.0  # how much finer than the result an image is when it is scaled in two steps


WHOLE: Final = Viewport(0, 0)
"""All of an image, as large as it is."""
MOST_PIXELS: Final = 256 * 1024 * 1024
"""Of a frame; each is worth up to 8 bytes while it is worked on."""


def seen(image: Image.Image, viewport: Viewport, pixel: float = 1.0) -> Image.Image:
    """The part that the viewport names, as large as fits into it; its shape is kept.

    Args:
        image: as it is stored.
        viewport: counts in its pixels.
        pixel: their height by their width; those of the result are square.

    Raises:
        BadRequest: it names nothing of the image.
    """
    left, top = viewport.left, viewport.top
    across = image.width - left if viewport.across is None else viewport.across
    down = image.height - top if viewport.down is None else viewport.down
    right = min(left + abs(across), image.width)
    bottom = min(top + abs(down), image.height)
    if right <= left or bottom <= top:
        raise BadRequest(
            f"the parameter viewport names nothing of {image.width} x {image.height} pixels"
        )
    shape = _square(right - left, bottom - top, pixel)
    size = fitting(
        *shape, *((viewport.width, viewport.height) if viewport.width else _most(*shape))
    )
    box = (left, top, right, bottom)
    result = image
    if box != (0, 0, *image.size) or size != image.size:
        result = image.resize(size, Image.Resampling.BICUBIC, box=box, reducing_gap=_GAP)
    if across < 0:
        result = ImageOps.mirror(result)
    return ImageOps.flip(result) if down < 0 else result


def _square(width: float, height: float, pixel: float) -> tuple[float, float]:
    """The size in square pixels, of which there are no fewer than of the others."""
    return (width, height * pixel) if pixel >= 1 else (width / pixel, height)


def _most(width: float, height: float) -> tuple[int, int]:
    """The size itself, or what of that shape is not too large."""
    scale = min(1.0, (MOST_PIXELS / (width * height)) ** 0.5)
    return max(1, round(width * scale)), max(1, round(height * scale))


def fitting(width: float, height: float, most_width: int, most_height: int) -> tuple[int, int]:
    """The largest size of that shape within a box."""
    scale = min(most_width / width, most_height / height)
    return (
        min(most_width, max(1, round(width * scale))),
        min(most_height, max(1, round(height * scale))),
    )
