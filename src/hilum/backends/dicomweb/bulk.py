"""How is a value fetched that metadata left out? By the server's own URI for it."""

from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from struct import Struct, pack
from typing import Any, Final
from urllib.parse import urlsplit

from hilum.backends.dicomweb.asks import text_of
from hilum.backends.dicomweb.describe import Describing, element_at
from hilum.backends.dicomweb.events import Events
from hilum.backends.dicomweb.resources import of_ref
from hilum.backends.dicomweb.shelf import Shelf
from hilum.codec import media_type
from hilum.codec.fragments import MEDIA
from hilum.codec.header import EXPLICIT_LITTLE, ITEM
from hilum.codec.media_type import MediaType
from hilum.codec.multipart import Event, PartData, PartEnded, PartStarted
from hilum.core.backend import BulkData
from hilum.model.errors import BackendFault, NotFound, NotOffered
from hilum.model.identity import Ref, is_uid
from hilum.model.instance import CHUNK
from hilum.model.query import Path
from hilum.net.access import referred
from hilum.net.client import Accepts

MAX_BULK: Final = 64 * 1024**3
"""Bytes of one value: a bound against a server that never ends."""

_ITEM: Final = Struct("<HHL")  # the header of an item (PS3.5 §7.5)
_MAX_ITEM: Final = 2**32 - 2  # bytes
_SYNTAX_OF: Final = {  # where a part does not say: PS3.18 Table 8.7.3-4
    "image/jpeg": "1.2.840.10008.1.2.4.70",
    "image/dicom-rle": "1.2.840.10008.1.2.5",
    "image/jls": "1.2.840.10008.1.2.4.80",
    "image/jp2": "1.2.840.10008.1.2.4.90",
    "image/jpx": "1.2.840.10008.1.2.4.92",
    "image/jphc": "1.2.840.10008.1.2.4.201",
    "image/jxl": "1.2.840.10008.1.2.4.110",
    "video/mpeg": "1.2.840.10008.1.2.4.100",
    "video/mpeg2": "1.2.840.10008.1.2.4.100",
    "video/mp4": "1.2.840.10008.1.2.4.102",
}


def bulk_accepts() -> Accepts:
    """How a value is asked for: as octets, then as it is kept, then as the server likes."""
    kinds = (
        "application/octet-stream",
        'multipart/related; type="application/octet-stream"; transfer-syntax=*',
        "*/*",
    )
    return Accepts(kinds, frozenset({400, 406, 415}))


class Fetching:
    """Values of an origin server."""

    def __init__(self, describing: Describing) -> None:
        self._describing = describing
        self._client = describing.client

    @asynccontextmanager
    async def bulk(self, ref: Ref, path: Path, /) -> AsyncIterator[BulkData]:
        """See `core.backend.Describes`.

        Raises:
            NotOffered: the server has no metadata, or it does not say where the value is.
        """
        element = await self._element(ref, path)
        if "InlineBinary" in element:
            yield _inline(element["InlineBinary"])
            return
        uri = element.get("BulkDataURI")
        if not isinstance(uri, str):
            raise NotFound("no such bulk data")
        # What it took is not remembered: that depends on the value, compressed or not.
        async with self._client.get(self._own(uri, ref), bulk_accepts()) as answer:
            events = Events(answer, self._client.who)
            first = await events.next()
            kind = _kind_of(first)
            size = _size_of(first)
            syntax = _syntax(kind)
            if size is not None and not events.related and syntax is None:
                async with aclosing(_exactly(events, size)) as chunks:
                    yield BulkData(EXPLICIT_LITTLE, size, chunks)
                return
            async with aclosing(Shelf(MAX_BULK)) as shelf:
                table = await _put_away(events, first, shelf, framed=syntax is not None)
                async with aclosing(_behind(table, shelf)) as chunks:
                    yield BulkData(
                        syntax or EXPLICIT_LITTLE,
                        len(table) + shelf.size,
                        chunks,
                        encapsulated=syntax is not None,
                    )

    async def _element(self, ref: Ref, path: Path) -> dict[str, Any]:
        """The attribute object of the value.

        Raises:
            NotFound: no such instance.
            NotOffered: the metadata does not have it.
        """
        async with self._describing.objects(ref) as objects:
            async for each in objects:
                if text_of(each, "00080018") in {"", ref.instance}:
                    element = element_at(each, path)
                    if element is None:  # some leave Pixel Data out altogether
                        raise NotOffered(f"the metadata of {self._client.who} does not name it")
                    return element
        raise NotFound("no such instance")

    def _own(self, uri: str, ref: Ref) -> str:
        """The absolute URL, on the server's own host.

        One that names another host, as servers behind a proxy do, is looked for below our root;
        others are never asked, whoever wrote them into the metadata.

        Raises:
            BackendFault: it leads elsewhere.
        """
        url = referred(f"{self._client.root}{of_ref(ref)}/metadata", uri)
        if self._client.knows(url):
            return url
        parts = urlsplit(url)
        _, found, tail = parts.path.partition("/studies/")
        if parts.scheme not in {"http", "https"} or not found:
            raise BackendFault(f"{self._client.who} refers to another server")
        return f"{self._client.root}/studies/{tail}" + (f"?{parts.query}" if parts.query else "")


def _inline(text: object) -> BulkData:
    """A value that stands in the metadata.

    Raises:
        BackendFault: it is not what it says.
    """
    try:
        value = b64decode(text if isinstance(text, str) else "", validate=True)
    except NotBase64 as error:
        raise BackendFault("a value is no base64") from error
    return BulkData(EXPLICIT_LITTLE, len(value), _pieces(value))


async def _pieces(value: bytes) -> AsyncGenerator[bytes, None]:
    for at in range(0, len(value), CHUNK):
        yield value[at : at + CHUNK]


def _kind_of(event: Event | None) -> MediaType:
    headers = event.headers if isinstance(event, PartStarted) else {}
    return media_type.parse(headers.get("content-type", ""))


def _size_of(event: Event | None) -> int | None:
    return event.size if isinstance(event, PartStarted) else None


def _syntax(kind: MediaType) -> str | None:
    """The Transfer Syntax of a part that is a compressed frame; None for octets."""
    said = kind.transfer_syntax
    if said in MEDIA:
        return said
    if kind.kind in _SYNTAX_OF:
        return said if is_uid(said) else _SYNTAX_OF[kind.kind]
    return None


async def _exactly(events: Events, size: int) -> AsyncGenerator[bytes, None]:
    """The data of the only part.

    Raises:
        BackendError: it is shorter or longer than was said, or broke off.
    """
    counted = 0
    while isinstance(event := await events.next(), PartData):
        counted += len(event.data)
        yield bytes(event.data)
    if counted != size:
        raise BackendFault("a value has another length than was announced")


async def _put_away(events: Events, first: Event | None, shelf: Shelf, *, framed: bool) -> bytes:
    """Read all parts; each compressed frame becomes an item.

    Returns:
        The Basic Offset Table that belongs before them; b"" for plain octets.

    Raises:
        BackendError: the answer broke off, or a part is too long for an item.
        OutOfResources: there is no room.
    """
    offsets: list[int] = []
    event = first
    while event is not None:
        if isinstance(event, PartStarted) and framed:
            offsets.append(shelf.size)
            await shelf.add(bytes(_ITEM.size))
        elif isinstance(event, PartData):
            await shelf.add(bytes(event.data))
        elif isinstance(event, PartEnded) and framed:
            await _end_item(shelf, offsets[-1])
        event = await events.next()
    if not framed:
        return b""
    if not events.related:
        await _end_item(shelf, offsets[-1])
    table = b"" if offsets[-1] > _MAX_ITEM else pack(f"<{len(offsets)}L", *offsets)
    return _ITEM.pack(ITEM >> 16, ITEM & 0xFFFF, len(table)) + table


async def _end_item(shelf: Shelf, offset: int) -> None:
    """Pad the item that begins there, and say how long it is."""
    if shelf.size & 1:
        await shelf.add(b"\0")
    length = shelf.size - offset - _ITEM.size
    if length > _MAX_ITEM:
        raise BackendFault("a frame is longer than an item can be")
    await shelf.put(offset, _ITEM.pack(ITEM >> 16, ITEM & 0xFFFF, length))


async def _behind(table: bytes, shelf: Shelf) -> AsyncGenerator[bytes, None]:
    if table:
        yield table
    async for piece in shelf.read():
        yield piece
