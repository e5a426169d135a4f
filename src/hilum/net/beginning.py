"""What is known of a file of PS3.10 before the rest of it is read? Its head, and its UIDs."""

from collections.abc import Callable
from typing import Final, Protocol, TypeVar

from hilum.codec import identifiers, part10
from hilum.codec.identifiers import Identifiers
from hilum.codec.part10 import Head
from hilum.model.errors import BadDataset

LOOK: Final = 4 * 1024 * 1024
"""Bytes of a data set within which its UIDs must stand."""
_FIRST_LOOK: Final = 4096  # bytes; then twice as many each time

T = TypeVar("T")


class Source(Protocol):
    """Bytes that come in pieces, of which some can be given back."""

    async def read(self) -> bytes:
        """Some more; b"" at the end."""

    def unread(self, data: bytes, /) -> None:
        """Give bytes back, to be read next."""


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
    """So many bytes, `data` the first of them, or all there are; and whether these are all.

    Joined once, however small the pieces that they come in.
    """
    pieces, size = [data], len(data)
    while (more := await source.read()) and size + len(more) < enough:
        pieces.append(more)
        size += len(more)
    return b"".join((*pieces, more)), not more
