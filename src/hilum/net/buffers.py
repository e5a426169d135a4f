"""Where does a connection's data lie that was read? In a few buffers that are used again.

What asyncio gives to a protocol that has none is copied once more, into memory that is new each
time.
"""

from typing import Final

SMALL: Final = 64 * 1024  # bytes of the first buffer: most answers have no more
LARGE: Final = 2 * 1024 * 1024  # bytes of those behind it: big reads are cheap ones
_LEAST: Final = 256 * 1024  # bytes that a large one must have left to be read into
_KEPT: Final = 2  # buffers that are used again


class Buffers:
    """The buffers of one connection, one after another.

    Their contents are given on without a copy, and stay as they are for as long as anybody has
    them: a buffer of which nothing is left with anybody is used again, or else another one made.
    """

    def __init__(self) -> None:
        self._large: list[bytearray] = []
        self._view = self._shown = memoryview(b"")
        self._at = 0

    def room(self) -> memoryview:
        """What to read into."""
        size = len(self._view)
        if size - self._at < (_LEAST if size >= LARGE else 1):
            self._view = self._shown = memoryview(b"")
            self._view = memoryview(self._another() if size else bytearray(SMALL))
            self._shown = self._view.toreadonly()
            self._at = 0
        return self._view[self._at :]

    def filled(self, size: int) -> memoryview:
        """The first `size` bytes of that room, which were read now."""
        begin, self._at = self._at, self._at + size
        return self._shown[begin : self._at]

    def release(self) -> None:
        """Have none, until there is something to read again."""
        self._large.clear()
        self._view = self._shown = memoryview(b"")
        self._at = 0

    def _another(self) -> bytearray:
        for each in self._large:
            if _is_free(each):
                return each
        made = bytearray(LARGE + 1)
        made.pop()
        if len(self._large) < _KEPT:
            self._large.append(made)
        return made


def _is_free(buffer: bytearray) -> bool:
    """Whether nobody has any of it: what somebody has can change its contents, but not its size."""
    try:
        buffer.append(0)
    except BufferError:
        return False
    buffer.pop()
    return True
