"""How does a data set leave that lies in a file? It is read between the heads of its PDUs.

One call reads many fragments, and one sends them: no object is made of each, and no copy. All
associations of an event loop have one buffer, as its contents have left before another gets it.
"""

import asyncio
import os
from typing import Final
from weakref import WeakKeyDictionary

from hilum.codec import pdu

LEAST: Final = 2048  # bytes of a fragment; with smaller ones there would be too many at once
_AT_ONCE: Final = 256 * 1024  # bytes that are read and sent together
_KEPT: Final = 4  # sizes, each with a buffer


class Framed:
    """P-DATA-TFs of one length, to be filled from a file.

    Args:
        size: the most data bytes in one, from `pdu.fragment_size`.

    Attributes:
        size: the same.
        room: the most data bytes in all.
    """

    def __init__(self, size: int) -> None:
        count = max(_AT_ONCE // (size + pdu.HEAD), 1)
        view = memoryview(bytearray(count * (size + pdu.HEAD)))
        self.size = size
        self.room = count * size
        self._view = view
        self._heads = [view[at : at + pdu.HEAD] for at in range(0, len(view), size + pdu.HEAD)]
        self._bodies = [view[at : at + size] for at in range(pdu.HEAD, len(view), size + pdu.HEAD)]

    def filled(
        self, file: int, offset: int, length: int, context_id: int, *, last: bool
    ) -> memoryview:
        """PDUs with a part of a file, which stay as they are until the next are filled.

        Args:
            file: its descriptor.
            offset: of the part.
            length: of it, at least one byte and at most `room`; whole fragments, if not the last.
            context_id: of the presentation context.
            last: the data set ends with it.

        Raises:
            OSError: it cannot be read, or is shorter than that.
        """
        size = self.size
        before, rest = divmod(length - 1, size)  # full ones before the last, if that is full or not
        rest += 1
        bodies = [*self._bodies[:before], self._bodies[before][:rest]]
        if os.preadv(file, bodies, offset) != length:
            raise OSError("a file is shorter than it was")
        full = pdu.data_head(context_id, size, last=False)
        for head in self._heads[:before]:
            head[:] = full
        self._heads[before][:] = pdu.data_head(context_id, rest, last=last)
        return self._view[: length + (before + 1) * pdu.HEAD]


_made: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[int, Framed]] = WeakKeyDictionary()


def framed(loop: asyncio.AbstractEventLoop, size: int) -> Framed:
    """Those of a size; what peers take is mostly the same. Another event loop has its own."""
    made = _made.setdefault(loop, {})
    if size not in made:
        if len(made) == _KEPT:
            made.clear()
        made[size] = Framed(size)
    return made[size]
