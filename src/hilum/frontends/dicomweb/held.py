"""How can a status still be right that is sent before the end? The beginning of the body waits."""

import time
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Final, TypeVar

from hilum.model.errors import (
    BackendError,
    HilumError,
    Incomplete,
    NotAcceptable,
    OutOfResources,
)

HOLD: Final = 1024 * 1024  # bytes of a body that wait for its end
PATIENCE: Final = 5.0  # seconds that they wait

T = TypeVar("T")


class Shortfall:
    """What did not come, while the status line can still tell of it.

    Attributes:
        error: what the source said at its end, where that was in time.
        left: how many were left out, as the client does not take them as they are.
        refused: why the last of those was.
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

    def leave(self, error: HilumError) -> None:
        """Leave one out.

        Raises:
            HilumError: the client cannot be told any more.
        """
        if not self._open:
            raise error
        self.refused = error
        self.left += 1

    def close(self) -> None:
        """The status line leaves: from now on what is missing cuts the answer off."""
        self._open = False

    async def whole(
        self, pieces: AsyncIterator[bytes], sop_instance_uid: str
    ) -> AsyncGenerator[bytes, None]:
        """The pieces of one instance; none of them where it breaks off in time to be told of.

        Raises:
            HilumError: it breaks off, and part of it has left.
        """
        waiting: list[bytes] = []
        size, began = 0, time.monotonic()
        try:
            async for piece in pieces:
                waiting.append(piece)
                size += len(piece)
                if not self._open or size >= HOLD or time.monotonic() - began > PATIENCE:
                    for each in waiting:
                        yield each
                    size, waiting = HOLD, []
        except BackendError as error:
            if not self._open or size >= HOLD:
                raise
            self._broken.append(sop_instance_uid)
            self.error = self._with_broken(self.error or Incomplete(str(error)))
            return
        except (NotAcceptable, OutOfResources) as error:
            if size >= HOLD:
                raise
            self.leave(error)
            return
        for each in waiting:
            yield each

    def _with_broken(self, error: Incomplete) -> Incomplete:
        if not self._broken:
            return error
        missing = tuple(dict.fromkeys((*error.missing, *self._broken)))
        more = len(missing) - len(error.missing)
        return Incomplete(str(error), missing, error.count + more)

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
                raise
            self.error = self._with_broken(error)


async def held(body: AsyncIterator[bytes]) -> tuple[list[bytes], bool]:
    """The beginning of a body, in pieces, and whether that is all of it."""
    pieces: list[bytes] = []
    size, began = 0, time.monotonic()
    async for piece in body:
        pieces.append(piece)
        size += len(piece)
        if size >= HOLD or time.monotonic() - began > PATIENCE:
            return pieces, False
    return pieces, True
