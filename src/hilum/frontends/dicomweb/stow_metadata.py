"""How do metadata and bulk data come in as instances? (PS3.18 §10.5.1, Table 8.7.3-3).

All of the request is put away first, as no part says what belongs to it; then one instance after
another is put together, and goes the way of those that come as files.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final
from urllib.parse import urljoin

from hilum.codec import dicom_json, dicom_xml, media_type
from hilum.codec.compose import Composed, Stretch, composed, syntax_of_part
from hilum.codec.dataset_pieces import pieces_of
from hilum.codec.json_dataset import first_of
from hilum.codec.json_stream import JsonStream
from hilum.codec.media_type import DICOM, DICOM_XML, METADATA, MediaType
from hilum.codec.part10 import encode_meta
from hilum.frontends.dicomweb.spool import Spool
from hilum.frontends.dicomweb.upload import Part
from hilum.model.errors import BadDataset, BadRequest, HilumError, TooLarge
from hilum.model.identity import is_uid
from hilum.model.instance import CHUNK
from hilum.model.outcome import Stored

MAX_OBJECT: Final = 16 * 1024 * 1024
"""Bytes of the metadata of one instance; values that are longer belong into bulk data."""

_NAME = 4096  # characters of what bulk data is called
_BEGIN = 16 * 1024  # bytes of a part in which it must say what it is
_SMALL = 32 * 1024  # bytes of metadata that are read at once
_UIDS = ("00080016", "00080018", "0020000D", "0020000E")  # SOP Class, Instance; study, series


@dataclass(frozen=True, slots=True)
class _Metadata:
    """The metadata of one instance, put away."""

    offset: int
    length: int
    kind: str


@dataclass(slots=True)
class _Bulk:
    """All bulk data that came under one name, and whether an instance refers to it."""

    stretches: list[Stretch] = field(default_factory=list)
    used: bool = False


class Gathered:
    """A request of metadata and bulk data.

    Args:
        spool: where it is put away.
        base: its own URL, to which relative names refer.
        max_instances: the most whose metadata may come.
    """

    def __init__(self, spool: Spool, base: str, max_instances: int) -> None:
        self._spool = spool
        self._base = base
        self._max_instances = max_instances
        self._metadata: list[_Metadata] = []
        self._bulk: dict[str, _Bulk] = {}
        self._strays = 0

    @property
    def unused(self) -> int:
        """Parts that no instance referred to; once all instances were given."""
        return self._strays + sum(
            len(each.stretches) for each in self._bulk.values() if not each.used
        )

    async def gather(self, kind: MediaType, parts: AsyncGenerator[Part, None]) -> None:
        """Put all parts of the request away.

        Raises:
            BadRequest: it is malformed, or has no metadata.
            OutOfResources: there is no room for it.
        """
        async with aclosing(parts):
            async for part in parts:
                await self._take(part, kind.related or kind.kind)
        if not self._metadata:
            raise BadRequest("the request has no metadata")

    async def instances(self) -> AsyncGenerator[Part, None]:
        """Each instance as a file of PS3.10, in the order of their metadata.

        Raises:
            OutOfResources: what was put away cannot be read again.
        """
        for each in self._metadata:
            part = await self._part(each)
            yield part
            await part.skip()

    async def _take(self, part: Part, root: str) -> None:
        said = media_type.parse(part.headers.get("content-type", ""))
        name = self._name(part.headers)
        if said.kind in METADATA or (not name and said.kind in {"", "application/json"}):
            await self._metadata_of(part, said.kind if said.kind in METADATA else root)
        else:
            await self._bulk_of(part, said, name)

    def _name(self, headers: Mapping[str, str]) -> str:
        """What a part is called; "" where it has no name."""
        name = headers.get("content-location", "").strip(' \t"<>')
        number = headers.get("content-id", "").strip(" \t<>")
        return self._resolved(name or (f"cid:{number}" if number else ""))[:_NAME]

    def _resolved(self, uri: str) -> str:
        """A name as it is compared: absolute (RFC 3986 §5)."""
        if not uri:
            return ""
        try:
            return urljoin(self._base, uri.strip())
        except ValueError:  # half an IPv6 address
            return uri

    async def _metadata_of(self, part: Part, kind: str) -> None:
        """Put metadata away, instance by instance.

        Raises:
            BadRequest: it is no array of objects.
            TooLarge: an instance has too much of it.
        """
        if kind == DICOM_XML:
            document = bytearray()
            async for chunk in part.chunks():
                document += chunk
                if len(document) > MAX_OBJECT:
                    raise TooLarge(f"an instance has more than {MAX_OBJECT} bytes of metadata")
            await self._keep(bytes(document), kind)
            return
        stream = JsonStream(MAX_OBJECT)
        try:
            async for chunk in part.chunks():
                for text in stream.feed(chunk):
                    await self._keep(text, kind)
            stream.close()
        except BadDataset as error:
            raise BadRequest(f"the metadata cannot be read: {error}") from error

    async def _keep(self, text: bytes, kind: str) -> None:
        if len(self._metadata) >= self._max_instances:
            raise TooLarge(f"there is metadata of more than {self._max_instances} instances")
        self._metadata.append(_Metadata(await self._spool.append(text), len(text), kind))

    async def _bulk_of(self, part: Part, said: MediaType, name: str) -> None:
        """Put bulk data away, under its name."""
        start, begin = self._spool.size, b""
        async for chunk in part.chunks():
            if len(begin) < _BEGIN:
                begin += chunk[: _BEGIN - len(begin)]
            await self._spool.append(chunk)
        if not name:
            self._strays += 1
            return
        syntax = syntax_of_part(said.kind, said.transfer_syntax, begin)
        stretch = Stretch(start, self._spool.size - start, syntax)
        self._bulk.setdefault(name, _Bulk()).stretches.append(stretch)

    def _resolve(self, uri: str) -> list[Stretch]:
        """The bulk data of a name: all parts that have it, in their order; else its frames."""
        name = self._resolved(uri)[:_NAME]
        found = self._bulk.get(name)
        if found is not None:
            found.used = True
            return found.stretches
        frames: list[Stretch] = []
        while (frame := self._bulk.get(f"{name}/frames/{len(frames) + 1}")) is not None:
            frame.used = True
            frames += frame.stretches[:1]
        return frames

    async def _part(self, metadata: _Metadata) -> Part:
        """One instance, put together; or why it cannot be."""
        text = await self._spool.read(metadata.offset, metadata.length)
        work = partial(self._put_together, text, metadata.kind)
        known, found = work() if len(text) <= _SMALL else await self._spool.run(work)
        if isinstance(found, HilumError):
            return Part({}, _nothing, known=known, failure=found)
        head = encode_meta(known.sop_class_uid, known.sop_instance_uid, found.transfer_syntax_uid)
        size = len(head) + found.size
        return Part({"content-type": DICOM}, partial(self._file, head, found), size, known=known)

    def _put_together(self, text: bytes, kind: str) -> tuple[Stored, Composed | HilumError]:
        known = Stored(sop_class_uid="", sop_instance_uid="")
        try:
            load = dicom_xml.loads if kind == DICOM_XML else dicom_json.loads
            attributes: Mapping[str, Any] = load(text)
            known = _known(attributes)
            return known, composed(pieces_of(attributes), attributes, self._resolve)
        except TooLarge as error:
            return known, BadDataset(str(error))
        except BadDataset as error:
            return known, error

    async def _file(self, head: bytes, instance: Composed) -> AsyncIterator[bytes]:
        yield head
        for part in instance.parts:
            if isinstance(part, bytes):
                for at in range(0, len(part), CHUNK):
                    yield part[at : at + CHUNK]
            else:
                async for chunk in self._spool.chunks(part.offset, part.length):
                    yield chunk


def _known(attributes: Mapping[str, Any]) -> Stored:
    """The UIDs that metadata names, as far as they are UIDs."""
    found = (str(first_of(attributes, tag) or "") for tag in _UIDS)
    sop_class, sop_instance, study, series = (uid if is_uid(uid) else "" for uid in found)
    return Stored(
        sop_class_uid=sop_class,
        sop_instance_uid=sop_instance,
        study_instance_uid=study,
        series_instance_uid=series,
    )


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield b""  # makes it a generator
