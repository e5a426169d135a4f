"""How is a stream of JSON objects written as one array? Piece by piece."""

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from typing import TypeVar

T = TypeVar("T")
PIECE = 64 * 1024  # bytes gathered before they leave


async def array(objects: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """`[` the objects with commas between `]`, in pieces of about `PIECE` bytes."""
    gathered: list[bytes] = []
    size, opening = 0, b"["
    async for each in objects:
        gathered += (opening, each)
        opening = b","
        size += len(each)
        if size >= PIECE:
            yield b"".join(gathered)
            gathered.clear()
            size = 0
    gathered += (b"[]",) if opening == b"[" else (b"]",)
    yield b"".join(gathered)


async def resumed(first: Iterable[T], rest: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
    """A stream whose first pieces were already taken, to see whether there are any."""
    pieces = deque(first)
    del first
    while pieces:  # which are not held until the end of the rest
        yield pieces.popleft()
    async for piece in rest:
        yield piece
