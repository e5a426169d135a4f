"""How is the metadata of WADO-RS given? (PS3.18 §10.4.1.1.2 and Annex F)."""

import zlib
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from hilum.core.operations import Describe
from hilum.frontends.dicomweb.asked import Asked, asked, gzip_accepted, json_type
from hilum.frontends.dicomweb.held import Shortfall, held
from hilum.frontends.dicomweb.json_array import array, resumed
from hilum.frontends.dicomweb.streamed import Answer, Headers, Streamed
from hilum.frontends.dicomweb.waiting import NOTHING, Waiting
from hilum.model.errors import NotFound

WORTH = 1024  # bytes; less is not compressed
LEVEL = 1  # of compression: JSON shrinks to a tenth already, at twice the speed of the default
_GZIP = 16 + zlib.MAX_WBITS


async def describe(request: Request) -> Response:
    """Everything but bulk data of a study, a series or an instance; 404 when nothing is there."""
    about = asked(request)
    kind = json_type(request)
    waiting = Waiting(request, about)
    if about.broker.mounts[about.mount].describes_moves:
        later = await waiting.begun()
        if later is not None:
            return later
    described = _Described(about, kind, waiting, compressed=gzip_accepted(request))
    return Streamed(request, described.opened)


@dataclass(frozen=True, slots=True)
class _Described:
    """One description, on its way to an answer.

    Attributes:
        kind: media type of the answer.
        compressed: whether the client takes gzip.
    """

    asked: Asked
    kind: str
    waiting: Waiting
    compressed: bool

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Answer]:
        """The answer; its beginning waits for the end, as that of the instances does."""
        operation = Describe(
            mount=self.asked.mount,
            request_id=self.asked.request_id,
            ref=self.asked.ref,
            bulk_root=self.asked.root,
        )
        short = Shortfall(known=self.waiting.short is not None)
        async with (
            self.asked.broker.describe(operation) as objects,
            aclosing(short.noted(objects)) as noted,
            aclosing(array(noted)) as pieces,
        ):
            beginning, whole = await held(pieces)
            first = b"".join(beginning)
            short.close()
            if first == b"[]":
                raise short.error or NotFound(NOTHING)
            headers: Headers = [("Content-Type", self.kind), ("Vary", "Accept-Encoding")]
            missing = self.waiting.short or short.error
            status = 200 if missing is None else 206
            if missing is not None:
                headers += self.waiting.told(missing, None)
            zipped = self.compressed and not (whole and len(first) < WORTH)
            if zipped:
                headers.append(("Content-Encoding", "gzip"))
            if whole:
                body = zlib.compress(first, LEVEL, _GZIP) if zipped else first
                yield Answer(status, headers, body)
                return
            rest = resumed([first], pieces)
            async with aclosing(_gzipped(rest) if zipped else rest) as given:
                yield Answer(status, headers, given)


async def _gzipped(pieces: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    compressor = zlib.compressobj(LEVEL, wbits=_GZIP)
    async for piece in pieces:
        compressed = compressor.compress(piece)
        if compressed:
            yield compressed
    yield compressor.flush()
