"""What is counted of operations? Who counts is told when one begins, and when it has ended."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from hilum.core import operations as ops
from hilum.model.errors import (
    BadRequest,
    HilumError,
    InUse,
    NotFound,
    NotOffered,
    NotStorable,
    Refused,
    TooMany,
)
from hilum.model.instance import Following, Instance, Piece
from hilum.model.principal import Proof

Exposes = Callable[[str], Awaitable[tuple[bytes, str]]]
"""Gives what was counted, and its media type, for a client with that Accept header."""

OK, REFUSED, FAILED, CANCELLED = "ok", "refused", "failed", "cancelled"
OUTCOMES: Final = (OK, REFUSED, FAILED, CANCELLED)
"""How an operation ends: as it was asked; not done, as it was asked wrongly; not done, though we or
a system elsewhere should have; or given up by who asked."""
WORDS: Final[Mapping[type[ops.Operation], str]] = {
    ops.Echo: "echo",
    ops.Find: "query",
    ops.Retrieve: "retrieve",
    ops.Describe: "metadata",
    ops.Bulk: "bulkdata",
    ops.Lend: "pixels",
    ops.Store: "store",
    ops.Delete: "delete",
    ops.Send: "send",
}
_THEIRS: Final = (Refused, BadRequest, NotStorable, InUse, NotOffered, NotFound, TooMany)


@dataclass(slots=True, eq=False)
class Tally:
    """What one operation has done so far.

    Attributes:
        began: by the monotonic clock.
        count: matches found, or instances moved.
        failed: instances that were not.
        size: bytes of their data sets.
    """

    operation: ops.Operation
    began: float = field(default_factory=time.perf_counter)
    count: int = 0
    failed: int = 0
    size: int = 0

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.perf_counter() - self.began

    @property
    def word(self) -> str:
        """What kind of operation it is."""
        return WORDS[type(self.operation)]

    def weighed(self, instance: Instance) -> Instance:
        """The same instance, whose bytes are counted."""
        if instance.size is not None:
            self.size += instance.size
            return instance
        return replace(instance, chunks=_Weighed(instance.chunks, self))


class Records(Protocol):
    """Is told of operations; returns at once."""

    def began(self, tally: Tally, /) -> None:
        """One begins."""

    def ended(self, tally: Tally, error: BaseException | None, /) -> None:
        """It has ended, perhaps by an error."""

    def stored(self, tally: Tally, seconds: float, /) -> None:
        """One instance was taken, or not, which took so long."""


@dataclass(frozen=True, slots=True)
class Running:
    """One operation, and who is told of it."""

    tally: Tally
    records: Records

    def began(self) -> None:
        """It begins now."""
        self.tally.began = time.perf_counter()
        self.records.began(self.tally)

    def ended(self, error: BaseException | None = None) -> None:
        """It has ended, perhaps by an error."""
        self.records.ended(self.tally, error)


class _Weighed(AsyncIterator[bytes]):
    """Pieces that are counted as they are read."""

    def __init__(self, chunks: AsyncIterator[bytes], tally: Tally) -> None:
        self._chunks = chunks
        self._tally = tally
        self._several: Following | None = getattr(chunks, "several", None)

    async def __anext__(self) -> bytes:
        chunk = await anext(self._chunks)
        self._tally.size += len(chunk)
        return chunk

    async def several(self, enough: int) -> list[Piece]:
        """See `model.instance.gathering`."""
        if self._several is None:
            chunk = await anext(self._chunks, None)
            pieces: list[Piece] = [] if chunk is None else [chunk]
        else:
            pieces = await self._several(enough)
        self._tally.size += sum(map(len, pieces))
        return pieces


def outcome(error: BaseException | None) -> str:
    """How an operation ended that raised this, or nothing."""
    if error is None:
        return OK
    if isinstance(error, (asyncio.CancelledError, GeneratorExit)):
        return CANCELLED
    return REFUSED if isinstance(error, _THEIRS) else FAILED


def counts(operation: ops.Operation) -> bool:
    """Whether it was asked for, and is not a part of what was."""
    return operation.who.proof is not Proof.ADMITTED or isinstance(operation, ops.Send)


def why(error: BaseException | None) -> str:
    """What may be told of it."""
    return str(error) if isinstance(error, HilumError) else ""
