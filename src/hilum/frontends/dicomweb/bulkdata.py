"""How is a value given that metadata left out? (PS3.18 §10.4.1.1.5 and Table 8.7.3-5)."""

import re
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace

from starlette.requests import Request
from starlette.responses import Response

from hilum.codec.elements import MAX_DEPTH
from hilum.codec.fragments import FrameReader, FrameStarted
from hilum.codec.header import EXPLICIT_LITTLE
from hilum.codec.media_type import OCTETS, RELATED, MediaType
from hilum.codec.multipart import closing, new_boundary, part_head
from hilum.core.backend import BulkData
from hilum.core.operations import Bulk
from hilum.frontends.dicomweb.asked import Asked, accepts, asked
from hilum.frontends.dicomweb.entity_tag import is_known, strong
from hilum.frontends.dicomweb.frame_types import Stored, Way, chosen
from hilum.frontends.dicomweb.frames import Frames
from hilum.frontends.dicomweb.json_array import resumed
from hilum.frontends.dicomweb.ranges import only, out_of_range, span
from hilum.frontends.dicomweb.streamed import Answer, Headers, Streamed
from hilum.frontends.dicomweb.waiting import Waiting
from hilum.model.errors import BackendFault, NotAcceptable, NotFound
from hilum.model.query import Path

_PATH = re.compile(rf"[0-9A-Fa-f]{{8}}(/[0-9]{{1,7}}/[0-9A-Fa-f]{{8}}){{0,{MAX_DEPTH}}}")


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
    return Streamed(request, _Value(request, about, _path(text), accepts(request)).opened)


def _path(text: str) -> Path:
    parts = text.split("/")
    return tuple(int(part, 10 if index % 2 else 16) for index, part in enumerate(parts))


@dataclass(frozen=True, slots=True)
class _Value:
    """One value, on its way to an answer.

    Attributes:
        ranges: what the client accepts, the best first.
    """

    request: Request
    asked: Asked
    path: Path
    ranges: Sequence[MediaType]
    boundary: str = field(default_factory=new_boundary)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Answer]:
        """The answer; the value's first bytes are there before it is."""
        operation = self.asked.operation(Bulk, ref=self.asked.ref, path=self.path)
        async with AsyncExitStack() as stack:
            bulk = await stack.enter_async_context(self.asked.broker.bulk(operation))
            if not bulk.encapsulated:
                yield await _begun(self._plain(bulk), stack)
                return
            way = self._untouched(bulk.transfer_syntax_uid)
            if way is not None:
                headers = [("Content-Type", self._related(way.kind))]
                yield await _begun(Answer(200, headers, self._frames(bulk, way)), stack)
                return
        # Only who looks into the instance can say more of its frames, and decode them.
        async with Frames(self.request, self.asked, self.ranges, None).opened() as answer:
            yield answer

    def _related(self, kind: str) -> str:
        return f'{RELATED}; type="{kind}"; boundary={self.boundary}'

    def _untouched(self, stored: str) -> Way | None:
        """How frames go out as they are kept, in a multipart; None: they do not.

        Raises:
            NotAcceptable: the client does not take them so, and nobody can look into them.
        """
        try:
            return chosen(self.ranges, Stored(stored), single=False)
        except NotAcceptable:
            if self.asked.broker.mounts[self.asked.mount].lends is None:
                raise
        return None

    def _plain(self, bulk: BulkData) -> Answer:
        """A value that is not compressed, or a range of it."""
        way = chosen(self.ranges, Stored(EXPLICIT_LITTLE), single=True, alone=True)
        tag = None if bulk.key is None else strong(bulk.key)
        headers: Headers = [] if tag is None else [("ETag", tag)]
        if tag is not None and is_known(self.request, tag):
            return Answer(304, headers, b"")
        if not way.alone:
            head = part_head(self.boundary, {"Content-Type": way.content_type}, first=True)
            tail = closing(self.boundary)
            length = None if bulk.size is None else len(head) + bulk.size + len(tail)
            kind = ("Content-Type", self._related(way.kind))
            return Answer(200, [kind], _octets(head, bulk, tail), length)
        headers.append(("Content-Type", OCTETS))
        if bulk.size is None:
            return Answer(200, headers, _octets(b"", bulk, b""))
        part = span(self.request, bulk.size, tag)
        if part is None:
            return out_of_range(bulk.size)
        if not part.partial:
            body = _octets(b"", bulk, b"")
        elif bulk.part is not None:
            body = only(bulk.part(part.start, part.length), replace(part, start=0))
        else:
            body = only(bulk.chunks, part)
        return Answer(part.status, headers + part.headers, body, part.length)

    async def _frames(self, bulk: BulkData, way: Way) -> AsyncGenerator[bytes, None]:
        reader = FrameReader(bulk.transfer_syntax_uid)
        kind = {"Content-Type": way.content_type}
        first, head = True, b""
        async for chunk in bulk.chunks:
            for piece in reader.feed(chunk):
                if isinstance(piece, FrameStarted):
                    head += part_head(self.boundary, kind, first=first)
                    first = False
                else:
                    yield head + piece
                    head = b""
        reader.close()
        yield head + closing(self.boundary)


async def _begun(answer: Answer, stack: AsyncExitStack) -> Answer:
    """The answer, once the first bytes of its body are there."""
    body = answer.body
    if not isinstance(body, AsyncGenerator):
        return answer
    await stack.enter_async_context(aclosing(body))
    first = await anext(body, b"")
    return Answer(answer.status, answer.headers, resumed([first], body), answer.length)


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
