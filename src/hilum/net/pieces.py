"""What is the body of an answer that lies in pieces? One message, whose pieces nobody joins."""

from collections.abc import Sequence

from hilum.net.lying import Lying

Piece = bytes | Lying


class Pieces:
    """The `body` of an ASGI message, in pieces; for our own server, which asks for its length."""

    __slots__ = ("_length", "pieces")

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self.pieces = pieces
        self._length = sum(map(len, pieces))

    def __len__(self) -> int:
        return self._length
