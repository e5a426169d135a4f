"""Which work of rendering is done in the workshop? Files come by path, images go back."""

import mmap

from hilum.imaging import rendered as work
from hilum.imaging.rendered import Rendered
from hilum.imaging.wish import Viewport, Wish
from hilum.model.errors import BadPixels, Vanished
from hilum.workshop.hands import Threads
from hilum.workshop.reading import FAULT


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
    """The data set in a file; what is not looked at is not read.

    Raises:
        Vanished: the file is gone.
    """
    try:
        file = open(path, "rb")  # noqa: PTH123, SIM115 - a plain path, a plain file
    except FileNotFoundError as error:
        raise Vanished(FAULT) from error
    with file:
        if not size:
            raise BadPixels("the data set is empty")
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))[
            offset : offset + size
        ]
