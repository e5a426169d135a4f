"""How is a value given that metadata left out? (PS3.18 §10.4.1.1.5 and Table 8.7.3-5)."""

import re
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response

from hilum.codec.fragments import FrameReader, FrameStarted, media_type_of
from hilum.codec.header import EXPLICIT_LITTLE
from hilum.codec.media_type import OCTETS, RELATED, MediaType, includes
from hilum.codec.multipart import closing, new_boundary, part_head
from hilum.core.backend import BulkData
from hilum.core.operations import Bulk
from hilum.frontends.dicomweb.asked import Asked, accepts, asked
from hilum.frontends.dicomweb.json_array import resumed
from hilum.frontends.dicomweb.streamed import Answer, Streamed
from hilum.frontends.dicomweb.waiting import Waiting
from hilum.frontends.dicomweb.wanted import AS_STORED
from hilum.model.errors import BackendFault, NotAcceptable, NotFound
from hilum.model.query import Path

_PATH = re.compile(r"[0-9A-Fa-f]{8}(/[0-9]{1,7}/[0-9A-Fa-f]{8}){0,16}")


async def bulkdata(request: Request) -> Response:
    """One value of one instance: octets, or the frames of compressed pixels as they are kept."""
    about = asked(request)
    text = request.path_params["path"]
    if not _PATH.fullmatch(text):
        raise NotFound("a value is addressed by tags, with item numbers between")
    if about.broker.mounts[about.mount].describes_moves:
        later = await Waiting(request, about).begun()
        if later is not None:
            return later
    return Streamed(request, _Value(about, _path(text), accepts(request)).opened)


def _path(text: str) -> Path:
    parts = text.split("/")
    return tuple(int(part, 10 if index % 2 else 16) for index, part in enumerate(parts))


@dataclass(frozen=True, slots=True)
class _Value:
    """One value, on its way to an answer.

    Attributes:
        ranges: what the client accepts, the best first.
    """

    asked: Asked
    path: Path
    ranges: Sequence[MediaType]
    boundary: str = field(default_factory=new_boundary)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Answer]:
        """The answer; the value's first bytes are there before it is."""
        operation = self.asked.operation(Bulk, ref=self.asked.ref, path=self.path)
        async with self.asked.broker.bulk(operation) as bulk:
            if bulk.encapsulated:
                kind, length = self._related(self._frame_type(bulk.transfer_syntax_uid)), None
                body = self._frames(bulk)
            elif self._alone():
                kind, length = OCTETS, bulk.size
                body = _octets(b"", bulk, b"")
            else:
                head = part_head(self.boundary, {"Content-Type": _OCTETS_PART}, first=True)
                tail = closing(self.boundary)
                around = len(head) + len(tail)
                kind = self._related(OCTETS)
                length = None if bulk.size is None else around + bulk.size
                body = _octets(head, bulk, tail)
            async with aclosing(body):
                first = await anext(body, b"")
                yield Answer(200, [("Content-Type", kind)], resumed([first], body), length)

    def _related(self, kind: str) -> str:
        return f'{RELATED}; type="{kind}"; boundary={self.boundary}'

    def _alone(self) -> bool:
        """Whether a plain value goes out alone; else it is the only part of a multipart.

        Raises:
            NotAcceptable: the client takes neither.
        """
        for each in self.ranges:
            if each.takes(OCTETS):
                return True
            if _parts_of(each, OCTETS) and each.transfer_syntax in _PLAIN:
                return False
        raise NotAcceptable(f'this can be given as {OCTETS} or {RELATED}; type="{OCTETS}" only')

    def _frame_type(self, stored: str) -> str:
        """The media type under which compressed frames go out.

        Raises:
            NotAcceptable: the client takes none of them.
        """
        kind = media_type_of(stored)
        for each in self.ranges:
            if each.kind in {"*/*", "*"}:
                return kind
            named = each.transfer_syntax in {"", AS_STORED, stored}
            if _parts_of(each, kind) and named:
                return kind
            # Viewers ask for frames "as octets, in any syntax", and mean: as they are kept.
            if _parts_of(each, OCTETS) and each.transfer_syntax in {AS_STORED, stored}:
                return OCTETS
        raise NotAcceptable(f'this can be given as {RELATED}; type="{kind}" only')

    async def _frames(self, bulk: BulkData) -> AsyncGenerator[bytes, None]:
        stored = bulk.transfer_syntax_uid
        kind = f"{self._frame_type(stored)}; transfer-syntax={stored}"
        reader = FrameReader(stored)
        first, head = True, b""
        async for chunk in bulk.chunks:
            for piece in reader.feed(chunk):
                if isinstance(piece, FrameStarted):
                    head += part_head(self.boundary, {"Content-Type": kind}, first=first)
                    first = False
                else:
                    yield head + piece
                    head = b""
        reader.close()
        yield head + closing(self.boundary)


_PLAIN = frozenset({"", AS_STORED, EXPLICIT_LITTLE})
_OCTETS_PART = f"{OCTETS}; transfer-syntax={EXPLICIT_LITTLE}"


def _parts_of(wanted: MediaType, kind: str) -> bool:
    """Whether the range takes a multipart whose parts are of that kind."""
    if not wanted.takes(RELATED) or wanted.kind in {"*/*", "*"}:
        return False
    return not wanted.related or includes(wanted.related, kind)


async def _octets(head: bytes, bulk: BulkData, tail: bytes) -> AsyncGenerator[bytes, None]:
    """A plain value between two things.

    Raises:
        BackendFault: it has another length than was announced.
    """
    counted = 0
    async for chunk in bulk.chunks:
        counted += len(chunk)
        yield head + chunk
        head = b""
    if bulk.size is not None and counted != bulk.size:
        raise BackendFault("a value has another length than was announced")
    yield head + tail
