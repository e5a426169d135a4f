"""What is known of a file of PS3.10 before the rest of it is read? Its head, and its UIDs."""

from collections.abc import Callable
from typing import Final, Protocol, TypeVar

from hilum.codec import identifiers, part10
from hilum.codec.identifiers import Identifiers
from hilum.codec.part10 import Head
from hilum.model.errors import BadDataset
from hilum.model.instance import Piece

LOOK: Final = 4 * 1024 * 1024
"""Bytes of a data set within which its UIDs must stand."""
_FIRST_LOOK: Final = 2048  # bytes; then twice as many each time

T = TypeVar("T")


class Source(Protocol):
    """Bytes that come in pieces, of which some can be given back."""

    async def read(self) -> Piece:
        """Some more; b"" at the end."""

    def unread(self, data: Piece, /) -> None:
        """Give bytes back, to be read next."""


def at_once(piece: Piece) -> tuple[Head, Identifiers] | None:
    """Head and UIDs of the file that begins so; None where its first bytes do not tell them."""
    some = bytes(piece[:_FIRST_LOOK])
    try:
        head = part10.read_head(some, complete=False)
        if head is None:
            return None
        rest, syntax = memoryview(some)[head.offset :], head.transfer_syntax_uid
        found = identifiers.look(rest, syntax, study=False, complete=False)
    except BadDataset:
        return None
    return None if found is None else (head, found)


async def head_of(source: Source) -> Head:
    """The head of the file; the data set is left.

    Raises:
        BadDataset: this is no file of PS3.10; all of it is left.
    """

    def read(buffer: bytes, complete: bool) -> Head | None:  # noqa: FBT001 - called in one place
        return part10.read_head(buffer, complete=complete)

    head, buffer = await _looked(source, read)
    assert head is not None  # noqa: S101 - as long as more may come, or else it raises
    source.unread(buffer[head.offset :])
    return head


async def identifiers_of(
    source: Source, transfer_syntax_uid: str, *, study: bool
) -> Identifiers | None:
    """The UIDs in a data set, all of which is left; None: not in its first `LOOK` bytes.

    Args:
        source: the data set.
        transfer_syntax_uid: of it.
        study: that of the study is wanted too.

    Raises:
        BadDataset: it is no data set.
    """

    def read(buffer: bytes, complete: bool) -> Identifiers | None:  # noqa: FBT001 - as above
        return identifiers.look(buffer, transfer_syntax_uid, study=study, complete=complete)

    found, buffer = await _looked(source, read, LOOK)
    source.unread(buffer)
    return found


async def _looked(
    source: Source, look: Callable[[bytes, bool], T | None], most: int | None = None
) -> tuple[T | None, bytes]:
    """What the beginning says, and all of it that was read."""
    buffer, enough = b"", 0
    while True:
        buffer, complete = await _more(source, buffer, enough)
        try:
            found = look(buffer, complete)
        except BadDataset:
            source.unread(buffer)
            raise
        if found is not None or (most is not None and len(buffer) > most):
            return found, buffer
        enough = max(2 * len(buffer), _FIRST_LOOK)


async def _more(source: Source, data: bytes, enough: int) -> tuple[bytes, bool]:
    """At least so many bytes, `data` the first of them, or all; and whether these are all.

    Joined once, however small the pieces that they come in; of a memoryview no more is copied.
    """
    pieces: list[Piece] = [data]
    size, most = len(data), max(enough, _FIRST_LOOK)
    while more := await source.read():
        if isinstance(more, memoryview) and size + len(more) > most:
            source.unread(more[most - size :])
            more = more[: most - size]
        pieces.append(more)
        size += len(more)
        if size >= enough:
            return b"".join(pieces), False
    return b"".join(pieces), True
