"""Which work of rendering is done in the workshop? Files come by path, images go back."""

import mmap
import os
import sys
from typing import Final

from hilum.imaging import rendered as work
from hilum.imaging.rendered import Rendered
from hilum.imaging.wish import Viewport, Wish
from hilum.model.errors import BadPixels, Vanished
from hilum.workshop.hands import Threads
from hilum.workshop.reading import FAULT, READ

_SMALL: Final = 4 * 1024 * 1024  # bytes of a data set that is read whole


def rendered(  # noqa: PLR0913, PLR0917 - a file, and `imaging.rendered.rendered`
    path: str,
    offset: int,
    size: int,
    transfer_syntax_uid: str,
    sop_class_uid: str,
    number: int | None,
    wish: Wish,
    ranges: tuple[str, ...],
    threads: int,
) -> Rendered:
    """An instance in a file, as `imaging.rendered.rendered` gives it."""
    data, hands = _mapped(path, offset, size), Threads(threads)
    return work.rendered(data, transfer_syntax_uid, sop_class_uid, number, wish, ranges, hands)


def thumbnail(  # noqa: PLR0913, PLR0917 - a file, and `imaging.rendered.thumbnail`
    path: str,
    offset: int,
    size: int,
    transfer_syntax_uid: str,
    number: int | None,
    viewport: Viewport,
) -> Rendered:
    """An instance in a file, as `imaging.rendered.thumbnail` gives it."""
    return work.thumbnail(_mapped(path, offset, size), transfer_syntax_uid, number, viewport)


def _mapped(path: str, offset: int, size: int) -> memoryview:
    """The data set in a file; what is not looked at is not read, but of a small one.

    Raises:
        Vanished: the file is gone.
    """
    try:
        fd = os.open(path, READ)
    except FileNotFoundError as error:
        raise Vanished(FAULT) from error
    try:
        if not size:
            raise BadPixels("the data set is empty")
        if sys.platform == "linux" and size <= _SMALL:
            # All pages at once: two threads that fault on each of them wait for one another.
            flags = mmap.MAP_SHARED | mmap.MAP_POPULATE
            mapped = mmap.mmap(fd, 0, flags, mmap.PROT_READ)
        else:
            mapped = mmap.mmap(fd, 0, access=mmap.ACCESS_READ)
    finally:
        os.close(fd)
    return memoryview(mapped)[offset : offset + size]
