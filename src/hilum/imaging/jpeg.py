"""How is a picture written as JPEG? In strips, which several hands write at once.

A restart marker (ITU-T T.81 §E.1.4) begins the entropy coding anew, so that what is between two of
them knows nothing of the rest: strips that were written as pictures of their own, one under the
other, are one picture when such a marker stands between each two. The pixels are the same ones.
"""

from collections.abc import Callable, Sequence
from math import prod
from typing import Final, Protocol, TypeVar

import numpy as np
import simplejpeg  # type: ignore[import-untyped]
from numpy.typing import NDArray

from hilum.model.errors import NotAcceptable

FINE: Final = 90
"""Quality from which its colours are as sharp as its light."""
LONGEST: Final = 65500
"""Rows or columns, at most."""

_WORTH: Final = 128 * 1024  # samples in a strip: below, another hand costs more than it does
_MOST_BLOCKS: Final = 0xFFFF  # between two restart markers
_FRAME, _SCAN, _INTERVAL, _FIRST, _END = 0xC0, 0xDA, 0xDD, 0xD0, b"\xff\xd9"
_GREY: Final = 2  # dimensions

T = TypeVar("T")
R = TypeVar("R")


class Hands(Protocol):
    """Who does several things at once."""

    @property
    def count(self) -> int:
        """How many things at once."""

    def each(self, work: Callable[[T], R], items: Sequence[T], /) -> list[R]:
        """What `work` makes of each, in their order; it must let go of the interpreter."""


class Alone:
    """Does one thing after the other."""

    count = 1

    @staticmethod
    def each(work: Callable[[T], R], items: Sequence[T], /) -> list[R]:
        """See `Hands`."""
        return [work(item) for item in items]


ALONE: Final = Alone()


class Rows(Protocol):
    """A picture of which some rows may be had, as of an array."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and columns; and red, green and blue where it is in colour."""

    def __getitem__(self, rows: slice, /) -> NDArray[np.uint8]:
        """Some rows of it."""


def written(picture: Rows, quality: int, hands: Hands = ALONE) -> bytes:
    """A picture as JPEG.

    Args:
        picture: grey, or red, green and blue.
        quality: 1 to 100.
        hands: who writes.

    Raises:
        NotAcceptable: it is larger than a JPEG can be.
    """
    is_grey = len(picture.shape) == _GREY
    space, sampling = ("GRAY", "Gray") if is_grey else ("RGB", "444" if quality >= FINE else "420")
    block = 16 if sampling == "420" else 8  # rows and columns that are coded together

    def one(part: slice) -> bytes:
        strip = picture[part]
        strip = strip[..., np.newaxis] if is_grey else strip
        data: bytes = simplejpeg.encode_jpeg(strip, quality, space, sampling)
        return data

    rows, columns = picture.shape[:2]
    if max(rows, columns) > LONGEST:
        raise NotAcceptable(f"a JPEG has at most {LONGEST} rows and columns")
    across, down = -(-columns // block), -(-rows // block)
    count = min(hands.count, prod(picture.shape) // _WORTH, down)
    if count <= 1:
        return one(slice(rows))
    each = min(-(-down // count), _MOST_BLOCKS // across)
    parts = [slice(at, at + each * block) for at in range(0, rows, each * block)]
    return _joined(hands.each(one, parts), rows, across * each)


def _joined(strips: Sequence[bytes], rows: int, interval: int) -> bytes:
    """The one picture of several, which are one under the other.

    Args:
        strips: of all the same columns and tables, and all but the last of the same rows.
        rows: of all together.
        interval: blocks in each but the last.
    """
    head = bytearray()
    body: list[bytes | bytearray | memoryview] = [head]
    for number, strip in enumerate(strips):
        frame, scan, start = _marks(strip)
        if not number:
            head += strip[:scan]
            head[frame + 5 : frame + 7] = rows.to_bytes(2, "big")
            head += bytes((0xFF, _INTERVAL, 0, 4)) + interval.to_bytes(2, "big")
            head += strip[scan:start]
        else:
            body.append(bytes((0xFF, _FIRST + (number - 1) % 8)))
        body.append(memoryview(strip)[start : -len(_END)])
    return b"".join((*body, _END))


def _marks(data: bytes) -> tuple[int, int, int]:
    """Where the headers of frame and scan are, and where the pixels begin."""
    at, frame = 2, 0
    while data[at + 1] != _SCAN:
        if data[at + 1] == _FRAME:
            frame = at
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return frame, at, at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
