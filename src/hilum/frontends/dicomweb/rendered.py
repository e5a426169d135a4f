"""How are instances shown to who has no DICOM viewer? Retrieve Rendered (PS3.18 §10.4.1.1.3)."""

import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from hilum.codec.multipart import new_boundary
from hilum.core.backend import Lent
from hilum.core.operations import Lend
from hilum.frontends.dicomweb.asked import Asked, asked
from hilum.frontends.dicomweb.below import instances
from hilum.frontends.dicomweb.entity_tag import is_known, strong
from hilum.frontends.dicomweb.renderings import rendered
from hilum.frontends.dicomweb.shown import Accepted, accepted, alone, body, closed, part, related
from hilum.frontends.dicomweb.streamed import Answer, Headers, Streamed
from hilum.frontends.dicomweb.waiting import NOTHING, Waiting
from hilum.imaging.rendered import Rendered
from hilum.imaging.wish import Wish, parse
from hilum.model.errors import BadRequest, NotAcceptable, NotFound, TooLarge
from hilum.model.identity import Ref

MOST_PARTS: Final = 1000
"""Instances, or frames, that one request renders."""

_FRAMES = re.compile(r"[1-9]\d{0,8}(,[1-9]\d{0,8})*")

Made = tuple[Lent, Rendered]


async def instance(request: Request) -> Response:
    """One instance."""
    about, wish = asked(request), parse(request.query_params.multi_items())
    later = await begun(request, about)
    return later or Streamed(request, shown(request, about, wish, accepted(request), None))


async def frames(request: Request) -> Response:
    """One frame, or a list of them as the parts of a multipart."""
    about, wish = asked(request), parse(request.query_params.multi_items())
    numbers = frame_numbers(request.path_params["frames"])
    ranges = accepted(request)
    later = await begun(request, about)
    if later is not None:
        return later
    if len(numbers) == 1:
        return Streamed(request, shown(request, about, wish, ranges, numbers[0]))
    return Streamed(request, _Several(request, about, wish, ranges).of_frames(numbers))


async def several(request: Request) -> Response:
    """All instances of a study or a series that can be rendered, in their order."""
    about, wish = asked(request), parse(request.query_params.multi_items())
    later = await begun(request, about)
    return later or Streamed(request, _Several(request, about, wish, accepted(request)).opened)


def shown(
    request: Request, about: Asked, wish: Wish, taken: Accepted, number: int | None
) -> Callable[[], AbstractAsyncContextManager[Answer]]:
    """The answer that is one rendering.

    Args:
        request: that of the client.
        about: names the instance.
        wish: how it is to look.
        taken: media types that the client takes.
        number: of the frame, from 0; None: the instance.
    """
    return _Shown(request, about, wish, taken, number).opened


def lent(about: Asked, ref: Ref) -> AbstractAsyncContextManager[Lent]:
    """One instance as a file here."""
    return about.broker.lend(about.operation(Lend, ref=ref))


async def begun(request: Request, about: Asked) -> Response | None:
    """What to answer a client that is to come again, as for instances."""
    if about.broker.mounts[about.mount].describes_moves:
        return await Waiting(request, about).begun()
    return None


def frame_numbers(text: str) -> list[int]:
    """A list of frames, counted from 0.

    Raises:
        BadRequest: it is none.
        TooLarge: it is too long.
    """
    if not _FRAMES.fullmatch(text):
        raise BadRequest("frames are a list of numbers from 1, with commas between")
    numbers = [int(each) - 1 for each in text.split(",")]
    if len(numbers) > MOST_PARTS:
        raise TooLarge(f"one request renders at most {MOST_PARTS} frames")
    return numbers


@dataclass(frozen=True, slots=True)
class _Shown:
    """One rendering, on its way to an answer.

    Attributes:
        number: of the frame, from 0; None: the instance.
    """

    request: Request
    asked: Asked
    wish: Wish
    accepted: Accepted
    number: int | None

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Answer]:
        """The answer."""
        ranges = self.accepted.ranges
        async with lent(self.asked, self.asked.ref) as file:
            tag = strong(file.key, repr((self.number, self.wish, self.accepted)))
            headers: Headers = [("ETag", tag), ("Cache-Control", "private, no-cache")]
            headers.append(("Vary", "Accept"))
            if is_known(self.request, tag):
                yield Answer(304, headers, [])
                return
            made = await rendered(self.request, file, self.number, self.wish, ranges)
            if not self.accepted.in_parts(made.kind):
                headers += alone(made)
                async with body(file, made) as (content, length):
                    yield Answer(200, headers, content, length)
                return
            boundary = new_boundary()
            headers.append(("Content-Type", related(made, boundary)))
            async with (
                aclosing(part(boundary, file, made, first=True)) as pieces,
                aclosing(closed(pieces, boundary)) as whole,
            ):
                yield Answer(200, headers, whole)


@dataclass(frozen=True, slots=True)
class _Several:
    """Several renderings, on their way to an answer of parts."""

    request: Request
    asked: Asked
    wish: Wish
    accepted: Accepted
    boundary: str = field(default_factory=new_boundary)

    def of_frames(self, numbers: list[int]) -> Callable[[], AbstractAsyncContextManager[Answer]]:
        """The answer of a list of frames."""

        @asynccontextmanager
        async def opened() -> AsyncIterator[Answer]:
            async with lent(self.asked, self.asked.ref) as file:
                # Whether all are there must be known before the first one leaves.
                last = max(numbers)
                await rendered(self.request, file, last, self.wish, self.accepted.ranges)
                async with self._begun(self._frames(file, numbers)) as answer:
                    yield answer

        return opened

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Answer]:
        """The answer of a study or series."""
        refs = await instances(self.asked, self.asked.ref, MOST_PARTS + 1)
        if not refs:
            raise NotFound(NOTHING)
        if len(refs) > MOST_PARTS:
            raise TooLarge(f"one request renders at most {MOST_PARTS} instances")
        async with self._begun(self._instances(refs)) as answer:
            yield answer

    @asynccontextmanager
    async def _begun(self, made: AsyncGenerator[Made, None]) -> AsyncIterator[Answer]:
        """The answer; its first part is there before it is."""
        async with aclosing(made):
            first = await anext(made, None)
            if first is None:
                raise NotAcceptable("there is nothing here that can be rendered as accepted")
            headers: Headers = [("Content-Type", related(first[1], self.boundary))]
            async with (
                aclosing(self._parts(first, made)) as parts,
                aclosing(closed(parts, self.boundary)) as whole,
            ):
                yield Answer(200, headers, whole)

    async def _parts(
        self, first: Made, rest: AsyncGenerator[Made, None]
    ) -> AsyncGenerator[bytes, None]:
        is_first = True
        each: Made | None = first
        while each is not None:
            async with aclosing(part(self.boundary, *each, first=is_first)) as pieces:
                async for piece in pieces:
                    yield piece
            is_first = False
            each = await anext(rest, None)

    async def _frames(self, file: Lent, numbers: list[int]) -> AsyncGenerator[Made, None]:
        for number in numbers:
            made = await rendered(self.request, file, number, self.wish, self.accepted.ranges)
            yield file, made

    async def _instances(self, refs: Sequence[Ref]) -> AsyncGenerator[Made, None]:
        """Those that can be rendered; the others are left out."""
        for ref in refs:
            async with lent(self.asked, ref) as file:
                try:
                    made = await rendered(self.request, file, None, self.wish, self.accepted.ranges)
                except NotAcceptable:
                    continue
                yield file, made
