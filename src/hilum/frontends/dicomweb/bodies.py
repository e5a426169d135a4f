"""Which answers were given before, and may be given again? Kept by their entity tags."""

from collections import OrderedDict
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass
from typing import Final

ROOM: Final = 16 * 1024 * 1024  # bytes of all bodies
LARGEST: Final = 12 * 1024 * 1024  # bytes of one


@dataclass(frozen=True, slots=True)
class Given:
    """One answer, whole, with status 200."""

    headers: dict[str, str]
    body: bytes


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
    """

    def __init__(self) -> None:
        self.body: bytes | None = None

    async def passing(self, pieces: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        """The pieces, as they come."""
        gathered: list[bytes] = []
        size = 0
        async for piece in pieces:
            size += len(piece)
            if size <= LARGEST:
                gathered.append(piece)
            else:
                gathered.clear()
            yield piece
        if size <= LARGEST:
            self.body = b"".join(gathered)

    def given(self, headers: Iterable[tuple[str, str]]) -> Given | None:
        """The answer that had that body; None where it is not here."""
        return None if self.body is None else Given(dict(headers), self.body)
