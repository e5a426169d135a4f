"""Makes metadata of instances that are retrieved, where the far side gives none."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager

from hilum.codec import dicom_json
from hilum.codec.deflate import Inflater
from hilum.codec.dicom_json import Attributes
from hilum.codec.header import PIXELS, WORD, swapped, syntax_of
from hilum.codec.prefix import Long, Prefix
from hilum.core.backend import BulkData, Describes, Retrieval, Retrieves
from hilum.core.levels import UNIQUE
from hilum.core.sift import value_of
from hilum.model.errors import (
    BackendFault,
    BadDataset,
    HilumError,
    Incomplete,
    NotFound,
    NotOffered,
)
from hilum.model.identity import Level, Ref
from hilum.model.instance import CHUNK, Instance
from hilum.model.query import Path

_BULK = b'"BulkDataURI":"/bulkdata/'  # no text holds that: its quotation marks would be escaped


class Described:
    """Implements `core.backend.Describes`.

    An instance is read as it streams by, up to its pixels: what stands behind them, a digital
    signature or padding, is not in its metadata. Values are never held as a whole.

    Args:
        retrieves: gives the instances.
        describes: is asked first, where there is one.
        here: whether the instances need not be brought from anywhere; then it is not asked.
    """

    def __init__(
        self,
        retrieves: Retrieves,
        describes: Describes | None = None,
        here: Callable[[Ref], bool] = lambda _: False,
    ) -> None:
        self._retrieves = retrieves
        self._describes = describes
        self._here = here

    @asynccontextmanager
    async def describe(self, ref: Ref, bulk_root: str, /) -> AsyncIterator[AsyncIterator[bytes]]:
        """See `core.backend.Describes`.

        Raises:
            Incomplete: at the end, when some could not be read or did not come.
        """
        async with AsyncExitStack() as stack:
            if self._describes is not None and not self._here(ref):
                try:
                    theirs = self._describes.describe(ref, bulk_root)
                    objects = await stack.enter_async_context(theirs)
                except NotOffered:
                    pass
                else:
                    yield objects
                    return
            retrieval = await stack.enter_async_context(self._retrieves.retrieve([ref]))
            ours = _objects(retrieval, bulk_root)
            yield await stack.enter_async_context(aclosing(ours))

    @asynccontextmanager
    async def bulk(self, ref: Ref, path: Path, /) -> AsyncIterator[BulkData]:
        """See `core.backend.Describes`."""
        async with AsyncExitStack() as stack:
            if self._describes is not None and not self._here(ref):
                try:
                    bulk = await stack.enter_async_context(self._describes.bulk(ref, path))
                except NotOffered:
                    pass
                else:
                    yield bulk
                    return
            if ref.instance is None or not path:
                raise NotFound("no such instance")
            retrieval = await stack.enter_async_context(self._retrieves.retrieve([ref]))
            instance = await anext(retrieval.instances, None)
            if instance is None:
                raise NotFound("no such instance")
            chunks = await stack.enter_async_context(aclosing(_plain(instance)))
            try:
                value, pieces = await _value(instance, path, chunks)
            except BadDataset as error:
                raise BackendFault(f"the instance cannot be read: {error}") from error
            await stack.enter_async_context(aclosing(pieces))
            yield value


async def _objects(retrieval: Retrieval, bulk_root: str) -> AsyncGenerator[bytes, None]:
    """The metadata of each instance, as they come."""
    missing: list[str] = []
    try:
        async for instance in retrieval.instances:
            try:
                yield await _object(instance, bulk_root)
            except HilumError:
                missing.append(instance.sop_instance_uid)
    except Incomplete as error:
        count = error.count + len(missing)
        raise Incomplete(str(error), (*missing, *error.missing), count) from error
    if missing:
        raise Incomplete(f"{len(missing)} instances could not be read", tuple(missing))


async def _object(instance: Instance, bulk_root: str) -> bytes:
    """The metadata of one instance.

    Raises:
        HilumError: it cannot be read.
    """
    prefix = Prefix(instance.transfer_syntax_uid)
    async with aclosing(_plain(instance)) as chunks:
        async for chunk in chunks:
            long = prefix.feed(chunk)
            if long is not None and long.tag in PIXELS:
                break
    attributes = prefix.described().attributes
    url = bulk_root + _resource(attributes, instance)
    return dicom_json.dumps(attributes).replace(_BULK, f'"BulkDataURI":"{url}/bulkdata/'.encode())


def _resource(attributes: Attributes, instance: Instance) -> str:
    """Where the instance is, below the mount."""
    study, series, sop_instance = (
        value_of(attributes, f"{UNIQUE[level]:08X}")
        for level in (Level.STUDY, Level.SERIES, Level.IMAGE)
    )
    own = sop_instance or instance.sop_instance_uid
    return f"/studies/{study}/series/{series}/instances/{own}"


async def _plain(instance: Instance) -> AsyncGenerator[bytes, None]:
    """The chunks of an instance, inflated where they are deflated."""
    if not syntax_of(instance.transfer_syntax_uid).deflated:
        async for chunk in instance.chunks:
            yield chunk
        return
    inflater = Inflater()
    async for chunk in instance.chunks:
        for piece in inflater.feed(chunk):
            yield piece
    if rest := inflater.close(cut=True):
        yield rest


async def _value(
    instance: Instance, path: Path, chunks: AsyncGenerator[bytes, None]
) -> tuple[BulkData, AsyncGenerator[bytes, None]]:
    """One value, and the generator behind it, which is to be closed.

    Raises:
        NotFound: there is none.
        BadDataset: the instance cannot be read.
    """
    prefix = Prefix(instance.transfer_syntax_uid)
    syntax = instance.transfer_syntax_uid
    async for chunk in chunks:
        long = prefix.feed(chunk)
        if long is None:
            continue
        if path == (long.tag,):
            pieces = _passing(prefix.begun, long, chunks)
            return BulkData(syntax, long.size, pieces, encapsulated=long.size is None), pieces
        if long.tag in PIXELS:
            break
    data = prefix.data
    text = "/".join(str(part) if at % 2 else f"{part:08X}" for at, part in enumerate(path))
    kept_as = prefix.transfer_syntax_uid
    offset, length, vr, encapsulated = dicom_json.bulk_at(data, kept_as, text)
    value = data[offset : offset + length]
    if syntax_of(kept_as).big and not encapsulated and vr in WORD:
        value = swapped(value, WORD[vr])
    pieces = _pieces(value)
    return BulkData(syntax, length, pieces, encapsulated), pieces


async def _pieces(value: bytes) -> AsyncGenerator[bytes, None]:
    for start in range(0, len(value), CHUNK):
        yield value[start : start + CHUNK]


async def _passing(
    begun: bytes, long: Long, chunks: AsyncGenerator[bytes, None]
) -> AsyncGenerator[bytes, None]:
    """A long value as it comes, in little endian.

    Raises:
        BackendFault: it ends too early.
    """
    word = WORD.get(long.vr, 1) if long.big else 1
    carried = begun
    while True:
        whole = len(carried) - len(carried) % word
        for piece in (carried[at : at + CHUNK] for at in range(0, whole, CHUNK)):
            yield swapped(piece, word) if word > 1 else piece
        carried = carried[whole:]
        if long.ended:
            break
        chunk = await anext(chunks, None)
        if chunk is None:
            raise BackendFault("a value ends before its length")
        taken, _ = long.take(chunk)
        carried += taken
    if carried:
        yield carried
