"""What is the body of an answer that lies in pieces? One message, whose pieces nobody joins."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

from hilum.net.lying import Lying

Piece: TypeAlias = bytes | memoryview | Lying


class Pieces:
    """The `body` of an ASGI message, in pieces; for our own server, which asks for its length."""

    __slots__ = ("_length", "pieces")

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self.pieces = pieces
        self._length = sum(map(len, pieces))

    def __len__(self) -> int:
        return self._length


Some: TypeAlias = bytes | Pieces
"""Some of a body: in one piece, or in several that leave together."""


def flat(several: Iterable[Some]) -> Iterator[Piece]:
    """The pieces themselves."""
    for some in several:
        if isinstance(some, Pieces):
            yield from some.pieces
        else:
            yield some
