"""How can a status still be right that is sent before the end? The beginning of the body waits."""

import time
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Final, TypeVar

from hilum.core.budget import Share
from hilum.model.errors import (
    BackendError,
    HilumError,
    Incomplete,
    NotAcceptable,
    OutOfResources,
)
from hilum.net.pieces import Piece, Some, flat

HOLD: Final = 1024 * 1024
"""Bytes of a body that wait for its end; fewer where many are given at the same time."""
PATIENCE: Final = 5.0  # seconds that they wait

T = TypeVar("T")


class Shortfall:
    """What did not come, while the status line can still tell of it.

    Attributes:
        error: what the source said at its end, where that was in time.
        left: how many were left out, as the client does not take them as they are.
        refused: why the last of those was.

    What cannot be told any more does not take the others from the client: all that can be had
    goes out, and then the answer is cut off before its end.
    """

    def __init__(self, *, known: bool = False) -> None:
        """Be ready.

        Args:
            known: the client is told beforehand; then it is in time whenever it comes.
        """
        self.error: Incomplete | None = None
        self.left = 0
        self.refused: HilumError | None = None
        self._known = known
        self._open = True
        self._broken: list[str] = []
        self._late: list[str] = []

    def leave(self, error: HilumError, sop_instance_uid: str) -> None:
        """Leave one out."""
        self.refused = error
        if self._open:
            self.left += 1
        else:
            self._late.append(sop_instance_uid)

    def check(self) -> None:
        """Everything that can be had has gone out.

        Raises:
            Incomplete: that is not all, and the client cannot be told any more.
        """
        if self._late:
            raise _with(Incomplete(str(self.refused)), self._late)

    def close(self) -> None:
        """The status line leaves: from now on what is missing cuts the answer off."""
        self._open = False

    async def whole(
        self, pieces: AsyncIterator[Some], sop_instance_uid: str
    ) -> AsyncGenerator[Some, None]:
        """The pieces of one instance; none of them where it breaks off in time to be told of.

        Raises:
            HilumError: it breaks off, and part of it has left.
        """
        waiting: list[Some] = []
        size, began = 0, time.monotonic()
        try:
            async for piece in pieces:
                if size >= HOLD:
                    yield piece
                    continue
                waiting.append(piece)
                size += len(piece)
                if not self._open or size >= _hold() or time.monotonic() - began > PATIENCE:
                    for each in waiting:
                        yield each
                    size, waiting = HOLD, []  # some of it has left
        except BackendError as error:
            if not self._open or size >= HOLD:
                raise
            self._broken.append(sop_instance_uid)
            self.error = _with(self.error or Incomplete(str(error)), self._broken)
            return
        except (NotAcceptable, OutOfResources) as error:
            if size >= HOLD:
                raise
            self.leave(error, sop_instance_uid)
            return
        for each in waiting:
            yield each

    async def noted(self, source: AsyncIterator[T]) -> AsyncGenerator[T, None]:
        """What comes, to a good end also when not all of it does, as long as that can be told.

        Raises:
            Incomplete: it cannot be told any more.
        """
        try:
            async for each in source:
                yield each
        except Incomplete as error:
            if not (self._open or self._known):
                raise _with(error, self._late) from error
            self.error = _with(error, self._broken)


def _with(error: Incomplete, others: list[str]) -> Incomplete:
    """The same, with others that are missing."""
    if not others:
        return error
    missing = tuple(dict.fromkeys((*error.missing, *others)))
    more = len(missing) - len(error.missing)
    return Incomplete(str(error), missing, error.count + more)


async def held(body: AsyncIterator[Some]) -> tuple[list[Piece], bool]:
    """The beginning of a body, and whether that is all of it."""
    pieces: list[Some] = []
    size, began = 0, time.monotonic()
    async for piece in body:
        pieces.append(piece)
        size += len(piece)
        if size >= _hold() or time.monotonic() - began > PATIENCE:
            return [*flat(pieces)], False
    return [*flat(pieces)], True


def _hold() -> int:
    return min(HOLD, Share().room)
