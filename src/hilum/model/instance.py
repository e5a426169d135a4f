"""A SOP Instance in flight: described, but never decoded."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

CHUNK = 1024 * 1024  # bytes, the most in one piece

Piece: TypeAlias = bytes | memoryview
Following: TypeAlias = Callable[[int], Awaitable[list[Piece]]]
"""Gives the next pieces, those together that come together; none at the end.

It is told how many bytes it may wait for, to give them at once.
"""

Part: TypeAlias = tuple[int, int, int]
"""A part of a file: descriptor, offset, bytes."""


@dataclass(frozen=True, slots=True)
class Instance:
    """One SOP Instance passing through.

    Attributes:
        sop_instance_uid: SOP Instance UID (0008,0018).
        sop_class_uid: SOP Class UID (0008,0016).
        transfer_syntax_uid: how `chunks` are encoded (0002,0010).
        chunks: the encoded data set, without preamble and File Meta Information
            (PS3.10 §7.1). Pieces of at most `CHUNK` bytes, each immutable. Can be read once.
            Reading raises HilumError when the source fails.
        size: bytes in all `chunks` together, or None where the source does not say.
    """

    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    chunks: AsyncIterator[bytes]
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """What a source knows of an instance before its bytes are asked for.

    Attributes:
        transfer_syntax_uid: as kept, or None where the source cannot say.
        study_instance_uid, series_instance_uid: where it belongs; None where that is not said.
    """

    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str | None = None
    size: int | None = None
    study_instance_uid: str | None = None
    series_instance_uid: str | None = None


def ready(chunks: AsyncIterator[bytes]) -> Part | None:
    """All that `chunks` would give, as a part of a file here; None: it must be read.

    Instead of reading them. The caller closes the file.
    """
    offered: Callable[[], Part | None] | None = getattr(chunks, "ready", None)
    return None if offered is None else offered()


def gathering(chunks: AsyncIterator[bytes]) -> Following:
    """How to read `chunks` with as little work as can be; instead of reading them otherwise.

    What offers `several` gives its pieces as they came: a DIMSE message, `DataStream.several`.
    """
    several: Following | None = getattr(chunks, "several", None)
    if several is not None:
        return several

    async def alone(_enough: int) -> list[Piece]:
        chunk = await anext(chunks, None)
        return [] if chunk is None else [chunk]

    return alone
