"""Which answers were given before, and may be given again? Kept by their entity tags."""

from collections import OrderedDict
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass
from typing import Final

import zstandard

from hilum.core.budget import Share

ROOM: Final = 16 * 1024 * 1024  # bytes of all bodies
LARGEST: Final = 8 * 1024 * 1024  # bytes of one; a longer one is kept packed
PIECE: Final = 256 * 1024  # bytes that are unpacked at a time
PACKER: Final = 1024 * 1024  # bytes that packing takes itself

_LEVEL = 1  # of zstd: two GB of metadata in a second, a twentieth or less is left


@dataclass(frozen=True, slots=True)
class Given:
    """One answer, whole, with status 200.

    Attributes:
        headers: its headers.
        body: its body, by zstd where it is packed.
        length: bytes of the body, once it is unpacked; None where it is not packed.
    """

    headers: dict[str, str]
    body: bytes
    length: int | None = None

    async def unpacked(self) -> AsyncGenerator[bytes, None]:
        """The body of one that is packed."""
        for piece in zstandard.ZstdDecompressor().read_to_iter(self.body, write_size=PIECE):
            yield piece


class Bodies:
    """Answers, of which those go first that nobody asked for the longest time.

    Args:
        room: bytes of all bodies.
    """

    def __init__(self, room: int = ROOM) -> None:
        self._room = room
        self._given: OrderedDict[str, Given] = OrderedDict()
        self._size = 0

    def get(self, tag: str) -> Given | None:
        """The answer of that entity tag, if it is here."""
        given = self._given.get(tag)
        if given is not None:
            self._given.move_to_end(tag)
        return given

    def put(self, tag: str, given: Given | None) -> None:
        """Keep one, where there is one."""
        if given is None or tag in self._given or len(given.body) > self._room:
            return
        self._given[tag] = given
        self._size += len(given.body)
        while self._size > self._room:
            _, oldest = self._given.popitem(last=False)
            self._size -= len(oldest.body)


class Gathered:
    """A body that is remembered while it passes.

    Attributes:
        body: all of it, once it has passed; None before, and when it is too long to be kept.
        length: as that of `Given`.

    Args:
        coded: it is compressed already.
    """

    def __init__(self, *, coded: bool = False) -> None:
        self.body: bytes | None = None
        self.length: int | None = None
        self._coded = coded

    async def passing(self, pieces: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        """The pieces, as they come; none is kept where many others hold much."""
        share = Share()
        if share.room < 2 * PACKER:
            async for piece in pieces:
                yield piece
            return
        share.take(PACKER)
        gathered, size = _Some(), 0
        packed = None if self._coded else _Some()
        packer = zstandard.ZstdCompressor(level=_LEVEL).compressobj()
        try:
            async for piece in pieces:
                size += len(piece)
                gathered.add(piece)
                if packed is not None:
                    packed.add(packer.compress(piece))
                yield piece
            self.body = gathered.whole()
            if self.body is None and packed is not None:
                packed.add(packer.flush())
                self.body, self.length = packed.whole(), size
        finally:
            share.close()
            gathered.close()
            if packed is not None:
                packed.close()

    def given(self, headers: Iterable[tuple[str, str]]) -> Given | None:
        """The answer that had that body; None where it is not here."""
        return None if self.body is None else Given(dict(headers), self.body, self.length)


class _Some:
    """Pieces, as long as they are no more than `LARGEST` bytes together, and there is room."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._share = Share()
        self._is_much = False

    def add(self, piece: bytes) -> None:
        if self._is_much or not piece:
            return
        share = self._share
        share.take(len(piece))
        self._is_much = share.held > LARGEST or not share.room
        if self._is_much:
            self.close()
        else:
            self._pieces.append(piece)

    def whole(self) -> bytes | None:
        return None if self._is_much else b"".join(self._pieces)

    def close(self) -> None:
        self._pieces.clear()
        self._share.close()
