"""How is the metadata of WADO-RS given? (PS3.18 §10.4.1.1.2 and Annex F)."""

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace

from starlette.requests import Request
from starlette.responses import Response

from hilum.codec.media_type import XML_PARTS
from hilum.core.operations import Describe
from hilum.frontends.dicomweb import entity_tag
from hilum.frontends.dicomweb.asked import Asked, asked
from hilum.frontends.dicomweb.bodies import Bodies, Gathered, Given
from hilum.frontends.dicomweb.compressed import WORTH, coding, compressed, compressing
from hilum.frontends.dicomweb.documents import Form, form
from hilum.frontends.dicomweb.held import Shortfall, held
from hilum.frontends.dicomweb.json_array import resumed
from hilum.frontends.dicomweb.streamed import Answer, Headers, Streamed
from hilum.frontends.dicomweb.waiting import NOTHING, Waiting
from hilum.model.errors import NotFound
from hilum.model.identity import Level

_CACHING = {"Vary": "Accept, Accept-Encoding", "Cache-Control": "private, no-cache"}
"""Keep it, for this client alone, and ask whether it is still so before it is used again."""


async def describe(request: Request) -> Response:
    """Everything but bulk data of a study, a series or an instance.

    200; 206 with a Warning when some could not be retrieved; 304 when the client has it; 404 when
    nothing is there. 202 and 503 where the client is to come again (see `waiting`).
    """
    about = asked(request)
    written = form(request, one=about.ref.level is Level.IMAGE)
    waiting = Waiting(request, about)
    if about.broker.mounts[about.mount].describes_moves:
        later = await waiting.begun()
        if later is not None:
            return later
    described = _Described(request, about, written, coding(request), waiting)
    tag = await described.known_tag()
    if not tag:
        return Streamed(request, described.opened)
    if entity_tag.is_known(request, tag):
        return Response(status_code=304, headers={"ETag": tag, **_CACHING})
    given = described.bodies.get(tag)
    if given is not None and given.length is not None:
        return Streamed(request, lambda: _unpacked(given))
    if given is not None:
        return Response(given.body, headers=given.headers)
    # The boundary is part of the answer, and so the same as long as the answer is.
    same = replace(written, boundary=tag.strip('"'))
    return Streamed(request, replace(described, form=same, tag=tag).opened)


@asynccontextmanager
async def _unpacked(given: Given) -> AsyncIterator[Answer]:
    """An answer that was kept packed."""
    async with aclosing(given.unpacked()) as pieces:
        yield Answer(200, [*given.headers.items()], pieces, given.length)


@dataclass(frozen=True, slots=True)
class _Described:
    """One description, on its way to an answer.

    Attributes:
        coding: content coding that the client likes best; "" for none.
        tag: entity tag that it will have, where that is known before it is made; else "".
    """

    request: Request
    asked: Asked
    form: Form
    coding: str
    waiting: Waiting
    tag: str = ""

    @property
    def bodies(self) -> Bodies:
        """What was given before."""
        bodies: Bodies = self.request.app.state.bodies
        return bodies

    @property
    def operation(self) -> Describe:
        """What the broker is asked."""
        about = self.asked
        return about.operation(Describe, ref=about.ref, bulk_root=about.root)

    async def known_tag(self) -> str:
        """The entity tag that the answer will have, as long as nothing changes; else ""."""
        version = await self.asked.broker.version(self.operation)
        if version is None:
            return ""
        return entity_tag.strong(version, self.asked.root, self.form.kind, self.coding)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Answer]:
        """The answer; its beginning waits for the end, as that of the instances does."""
        short = Shortfall(known=self.waiting.short is not None)
        async with (
            self.asked.broker.describe(self.operation) as objects,
            aclosing(short.noted(objects)) as noted,
        ):
            first = await anext(noted, None)
            if first is None:
                raise short.error or NotFound(NOTHING)
            async with (
                aclosing(resumed([first], noted)) as every,
                aclosing(self.form.written(every)) as pieces,
            ):
                beginning, whole = await held(pieces)
                short.close()
                body = b"".join(map(bytes, beginning))
                missing = self.waiting.short or short.error
                if missing is not None:
                    status, headers = 206, self.waiting.told(missing, None)
                else:
                    status, headers = self._allowed(body if whole else b"")
                headers.append(("Content-Type", self.form.content_type))
                name = "" if whole and len(body) < WORTH else self.coding
                if name:
                    headers.append(("Content-Encoding", name))
                gathered = Gathered(coded=bool(name))
                if status == 304:  # noqa: PLR2004
                    yield Answer(status, headers, b"")
                elif whole:
                    gathered.body = compressed(body, name)
                    yield Answer(status, headers, gathered.body)
                else:
                    async with (
                        aclosing(resumed([body], pieces)) as rest,
                        aclosing(compressing(rest, name)) as coded,
                        aclosing(gathered.passing(coded)) as passing,
                    ):
                        yield Answer(status, headers, passing)
        # It was made of what is there now, which may be more than there was when it was named.
        if status == 200 and self.tag and self.tag == await self.known_tag():  # noqa: PLR2004
            self.bodies.put(self.tag, gathered.given(headers))

    def _allowed(self, body: bytes) -> tuple[int, Headers]:
        """The status of an answer of which nothing is missing, and what is said of keeping it.

        Args:
            body: all of it, or b"".
        """
        tag = self.tag
        if not tag and body and self.form.kind != XML_PARTS:  # whose boundary is another each time
            tag = entity_tag.weak(body)
        headers = [*_CACHING.items(), *([("ETag", tag)] if tag else [])]
        known = bool(tag) and entity_tag.is_known(self.request, tag)
        return 304 if known else 200, headers
