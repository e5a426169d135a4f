"""How does one instance go out? As it is, re-encoded as it streams by, or transcoded before."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Final

from hilum.codec import part10, reencode
from hilum.codec.reencode import Reencoder
from hilum.core.backend import Transcodes
from hilum.model.errors import BackendFault, BadDataset, NotAcceptable
from hilum.model.instance import Instance, Listed, gathering
from hilum.net.pieces import Pieces, Some

ENOUGH: Final = 128 * 1024  # bytes that are waited for, to be sent together
SMALL: Final = 256 * 1024  # bytes; a chunk up to this is joined with the head before it


def streams(stored: str, syntax: str) -> bool:
    """Whether an instance goes from one Transfer Syntax to the other as it streams by."""
    return stored == syntax or reencode.possible(stored, syntax)


@asynccontextmanager
async def settled(
    instance: Instance, syntax: str, other: str | None, transcodes: Transcodes | None
) -> AsyncIterator[tuple[Instance, str]]:
    """An instance that streams, and the Transfer Syntax in which it does.

    Args:
        instance: as it is stored.
        syntax: in which it is to go out.
        other: in which it may go out as well, where it cannot be transcoded; it streams to that.
        transcodes: what takes pixels from one to the other.

    Raises:
        NotAcceptable, OutOfResources: it cannot be given as asked.
    """
    stored = instance.transfer_syntax_uid
    if transcodes is None or streams(stored, syntax):
        yield instance, syntax
        return
    async with transcodes.transcoded(instance, syntax, or_as_it_is=other is not None) as made:
        yield made, syntax if other is None or made.transfer_syntax_uid == syntax else other


async def encoded(head: bytes, instance: Instance, syntax: str) -> AsyncGenerator[Some, None]:
    """One instance as a file of PS3.10, in that Transfer Syntax.

    Args:
        head: what stands before it.
        instance: which `streams` to that syntax.
        syntax: that it gets.

    Raises:
        NotAcceptable: it cannot be re-encoded.
        BackendFault: it has another length than was announced.
    """
    head += meta(instance, syntax)
    if syntax != instance.transfer_syntax_uid:
        async with aclosing(_reencoded(head, instance, syntax)) as pieces:
            async for piece in pieces:
                yield piece
        return
    following, counted = gathering(instance.chunks), 0
    before = [head]
    while several := await following(ENOUGH):
        counted += sum(map(len, several))
        yield Pieces([*before, *several])
        before = []
    _check(instance, counted)
    if before:
        yield head


async def _reencoded(head: bytes, instance: Instance, syntax: str) -> AsyncGenerator[bytes, None]:
    """The same in another one."""
    counted = 0
    encoder = Reencoder(instance.transfer_syntax_uid, syntax)
    try:
        async for chunk in instance.chunks:
            counted += len(chunk)
            for piece in encoder.pieces(chunk):
                if head and len(piece) > SMALL:
                    yield head
                    yield piece
                else:
                    yield head + piece
                head = b""
        # What is kept cut off is given cut off, as it is where nothing is re-encoded: or else one
        # such instance would take those behind it from its study.
        head += encoder.close(cut=True)
    except BadDataset as error:
        raise NotAcceptable("an instance cannot be re-encoded as asked") from error
    _check(instance, counted)
    if head:
        yield head


def _check(instance: Instance, counted: int) -> None:
    if instance.size is not None and counted != instance.size:
        raise BackendFault("an instance has another length than was announced")


def meta(instance: Instance | Listed, syntax: str) -> bytes:
    """What stands before the data set in a file of PS3.10."""
    return part10.encode_meta(instance.sop_class_uid, instance.sop_instance_uid, syntax)
