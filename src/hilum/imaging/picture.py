"""How is an image written for a browser? JPEG, PNG, JPEG 2000, and GIF that moves."""

from collections.abc import Iterator, Sequence
from io import BytesIO
from struct import pack
from typing import Final, TypeAlias

import numpy as np
from PIL import GifImagePlugin, Image, features

from hilum.imaging import jpeg
from hilum.imaging.jpeg import ALONE, Hands
from hilum.imaging.shades import Shades

JPEG: Final = "image/jpeg"
PNG: Final = "image/png"
GIF: Final = "image/gif"
JP2: Final = "image/jp2"
STILL: Final = (JPEG, PNG, GIF, *((JP2,) if features.check("jpg_2000") else ()))
"""Media types of one frame, the default first (PS3.18 Table 8.7.4-1)."""
MOVING: Final = (GIF,)
"""Media types of several frames in one."""

_LEVEL = 1  # of a PNG's compression: six times as fast as the default, a fifth larger
_QUICKEST = 2  # hundredths of a second; what is shorter, browsers show slowly
_LONGEST = 0xFFFF  # hundredths of a second
_GREYS = b"\xf7\0\0" + bytes(level for level in range(256) for _ in range(3))


Picture: TypeAlias = Image.Image | Shades
"""Grey or RGB."""


def written(
    picture: Picture, kind: str, quality: int, profile: bytes = b"", hands: Hands = ALONE
) -> bytes:
    """One picture in one of the media types of `STILL`.

    Raises:
        NotAcceptable: it is larger than a JPEG can be.
    """
    if kind == JPEG and not profile:
        rows = np.asarray(picture) if isinstance(picture, Image.Image) else picture
        return jpeg.written(rows, quality, hands)
    image = image_of(picture)
    buffer = BytesIO()
    icc = profile or None
    if kind == JPEG:
        subsampling = 0 if quality >= jpeg.FINE else 2
        image.save(buffer, "JPEG", quality=quality, subsampling=subsampling, icc_profile=icc)
    elif kind == PNG:
        image.save(buffer, "PNG", compress_level=_LEVEL, icc_profile=icc)
    elif kind == JP2:
        image.save(buffer, "JPEG2000", icc_profile=icc)
    else:
        image.save(buffer, "GIF")
    return buffer.getvalue()


def image_of(picture: Picture) -> Image.Image:
    """The whole of it."""
    return picture if isinstance(picture, Image.Image) else Image.fromarray(picture[:])


def animated(images: Iterator[Image.Image], delays: Sequence[float]) -> Iterator[bytes]:
    """An endless GIF, piece by piece: no more than one image is in memory.

    Args:
        images: all of one size and mode, grey or RGB.
        delays: how long each is shown, milliseconds.
    """
    first = True
    for image, delay in zip(images, delays, strict=True):
        frame = image if image.mode == "L" else image.quantize(256, dither=Image.Dither.NONE)
        if first:
            yield b"GIF89a" + pack("<HH", *image.size)
            yield _GREYS if image.mode == "L" else b"\x70\0\0"  # in colour each brings its own
            yield b"\x21\xff\x0bNETSCAPE2.0\x03\x01\0\0\0"
            first = False
        shown = min(_LONGEST, max(_QUICKEST, round(delay / 10)))
        yield b"\x21\xf9\x04\x04" + pack("<H", shown) + b"\0\0"
        yield from GifImagePlugin.getdata(frame, include_color_table=frame.mode == "P")
    yield b";"
