"""Which part of an image is seen, and how large? Cutting, scaling, flipping."""

from PIL import Image, ImageOps

from hilum.imaging.wish import Viewport
from hilum.model.errors import BadRequest

_GAP = 3.0  # how much finer than the result an image is when it is scaled in two steps


def seen(image: Image.Image, viewport: Viewport) -> Image.Image:
    """The part that the viewport names, as large as fits into it; its shape is kept.

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
    size = fitting(right - left, bottom - top, viewport.width, viewport.height)
    box = (left, top, right, bottom)
    result = image
    if box != (0, 0, *image.size) or size != image.size:
        result = image.resize(size, Image.Resampling.BICUBIC, box=box, reducing_gap=_GAP)
    if across < 0:
        result = ImageOps.mirror(result)
    return ImageOps.flip(result) if down < 0 else result


def fitting(width: float, height: float, most_width: int, most_height: int) -> tuple[int, int]:
    """The largest size of that shape within a box."""
    scale = min(most_width / width, most_height / height)
    return (
        min(most_width, max(1, round(width * scale))),
        min(most_height, max(1, round(height * scale))),
    )
