"""How is metadata given on? Object by object, with our own URLs in it (PS3.18 §10.4.1.1.2)."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from typing import Any, Final

from hilum.backends.dicomweb.asks import Asking, json_accepts, text_of
from hilum.backends.dicomweb.resources import of_ref
from hilum.backends.dicomweb.wanted import expected
from hilum.codec import dicom_json
from hilum.codec.dicom_json import Attributes
from hilum.codec.json_stream import JsonStream
from hilum.model.errors import BackendFault, BadRequest, Incomplete, NotOffered
from hilum.model.identity import Ref
from hilum.model.query import Path
from hilum.net.answer import Answer
from hilum.net.client import Client

_ABSENT: Final = frozenset({404, 410})
_NOT_DONE: Final = frozenset({400, 405, 406, 415, 501})
_PARTIAL = 206
_RETRIEVE_URL = "00081190"
_KEYS: Final = (("studies", "0020000D"), ("series", "0020000E"), ("instances", "00080018"))


class Describing:
    """The metadata of an origin server, by a client for retrievals and one for queries."""

    def __init__(self, client: Client, asking: Asking) -> None:
        self.client = client
        self._asking = asking
        self._accepts = json_accepts()

    @asynccontextmanager
    async def describe(self, ref: Ref, bulk_root: str, /) -> AsyncIterator[AsyncIterator[bytes]]:
        """See `core.backend.Describes`.

        Raises:
            NotOffered: the server holds it and has no metadata of it.
        """
        async with self.objects(ref) as objects, aclosing(_ours(objects, ref, bulk_root)) as ours:
            yield ours

    @asynccontextmanager
    async def objects(self, ref: Ref) -> AsyncIterator[AsyncIterator[Attributes]]:
        """The metadata as the server gives it.

        Raises:
            NotOffered: as `describe`.
        """
        url = self.client.root + of_ref(ref) + "/metadata"
        statuses = _ABSENT | _NOT_DONE
        async with self.client.get(url, self._accepts, expected=statuses) as answer:
            if answer.status < 300:  # noqa: PLR2004 - success
                objects = _objects(answer, self.client.who)
                async with aclosing(objects):
                    yield objects
                return
            status = answer.status
        if status in _NOT_DONE or (await expected(self._asking, [ref])).listed:
            raise NotOffered(f"{self.client.who} has no metadata")
        nothing = _nothing()
        async with aclosing(nothing):
            yield nothing


async def _nothing() -> AsyncGenerator[Attributes, None]:
    nothing: tuple[Attributes, ...] = ()
    for each in nothing:
        yield each


async def _objects(answer: Answer, who: str) -> AsyncGenerator[Attributes, None]:
    stream = JsonStream()
    try:
        async for piece in answer:
            for text in stream.feed(piece):
                yield dicom_json.loads(text)
        stream.close()
    except BadRequest as error:
        raise BackendFault(f"{who} did not answer in DICOM JSON") from error
    if answer.status == _PARTIAL:
        raise Incomplete("the metadata is not complete", count=1)


async def _ours(
    objects: AsyncIterator[Attributes], ref: Ref, bulk_root: str
) -> AsyncGenerator[bytes, None]:
    """The same with our URLs for bulk data, and without those of the server."""
    async for attributes in objects:
        attributes.pop(_RETRIEVE_URL, None)
        keys = zip(_KEYS, (ref.study, ref.series, ref.instance), strict=True)
        path = "".join(
            f"/{name}/{text_of(attributes, tag) or known or ''}" for (name, tag), known in keys
        )
        _readdress(attributes, f"{bulk_root}{path}/bulkdata/")
        yield dicom_json.dumps(attributes)


def _readdress(attributes: Attributes, prefix: str) -> None:
    """Let each BulkDataURI lead to us, by the path of its element."""
    for tag, element in attributes.items():
        if "BulkDataURI" in element:
            element["BulkDataURI"] = prefix + tag.upper()
        for number, item in enumerate(_items(element)):
            if item is not None:
                _readdress(item, f"{prefix}{tag.upper()}/{number}/")


def _items(element: dict[str, Any]) -> Iterator[Attributes | None]:
    """The items of a sequence; None for what is no data set."""
    values = element.get("Value") if element.get("vr") == "SQ" else None
    for item in values if isinstance(values, list) else ():
        sound = isinstance(item, dict) and all(isinstance(each, dict) for each in item.values())
        yield item if sound else None


def element_at(attributes: Attributes, path: Path) -> dict[str, Any] | None:
    """The attribute object at a path of tags, with item numbers between."""
    level: Attributes | None = attributes
    for tag, number in zip(path[:-1:2], path[1::2], strict=True):
        items = list(_items(_named(level or {}, tag) or {}))
        level = items[number] if number < len(items) else None
    return _named(level or {}, path[-1])


def _named(attributes: Attributes, tag: int) -> dict[str, Any] | None:
    key = f"{tag:08X}"
    return attributes.get(key) or attributes.get(key.lower())
