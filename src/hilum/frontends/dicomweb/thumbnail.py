"""Which small picture stands for a study, series, instance or frame? (PS3.18 §10.4.1.1.4)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from hilum.core.backend import Lent
from hilum.frontends.dicomweb.asked import Asked, asked, one_of
from hilum.frontends.dicomweb.below import MOST, imaging_series, instances
from hilum.frontends.dicomweb.entity_tag import is_known, strong
from hilum.frontends.dicomweb.rendered import begun, frame_numbers, lent
from hilum.frontends.dicomweb.renderings import thumbnail
from hilum.frontends.dicomweb.streamed import Answer, Headers, Streamed
from hilum.imaging.picture import JPEG
from hilum.imaging.rendered import Rendered
from hilum.imaging.wish import Viewport, parse_thumbnail
from hilum.model.errors import NotAcceptable, NotFound
from hilum.model.identity import Level, Ref

USUAL: Final = Viewport(128, 128)
"""Pixels into which it fits, where nobody asks for others."""
FRESH: Final = 600  # seconds for which it may be shown without asking again
TRIES: Final = 3  # series of a study, and instances of each, that are looked at for an image


async def show(request: Request) -> Response:
    """The thumbnail of a resource."""
    about = asked(request)
    viewport = parse_thumbnail(request.query_params.multi_items()) or USUAL
    one_of(request, (JPEG,))
    number = None
    if "frames" in request.path_params:
        numbers = frame_numbers(request.path_params["frames"])
        number = numbers[(len(numbers) - 1) // 2]
    if about.ref.level is not Level.IMAGE:
        return Streamed(request, _Thumbnail(request, about, viewport, None).opened)
    later = await begun(request, about)
    return later or Streamed(request, _Thumbnail(request, about, viewport, number).opened)


@dataclass(frozen=True, slots=True)
class _Thumbnail:
    """One thumbnail, on its way to an answer.

    Attributes:
        number: of the frame, from 0; None: the one in the middle.
    """

    request: Request
    asked: Asked
    viewport: Viewport
    number: int | None

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Answer]:
        """The answer.

        Raises:
            NotFound: there is no image.
        """
        for ref in await self._representatives():
            async with lent(self.asked, ref) as file:
                try:
                    made = await thumbnail(self.request, file, self.number, self.viewport)
                except (NotFound, NotAcceptable):
                    continue
            yield self._answer(file, made)
            return
        raise NotFound("there is no thumbnail of this")

    def _answer(self, file: Lent, made: Rendered) -> Answer:
        tag = strong(file.key, repr((self.number, self.viewport)))
        headers: Headers = [("ETag", tag), ("Cache-Control", f"private, max-age={FRESH}")]
        if is_known(self.request, tag):
            return Answer(304, headers, [])
        return Answer(200, [*headers, ("Content-Type", made.kind)], made.body)

    async def _representatives(self) -> list[Ref]:
        """The instances that may stand for the resource, the best first."""
        ref = self.asked.ref
        if ref.level is Level.IMAGE:
            return [ref]
        series = [ref] if ref.level is Level.SERIES else await imaging_series(self.asked, ref)
        found: list[Ref] = []
        others: list[Ref] = []  # for where a report, or what is damaged, is in the middle
        for each in series[:TRIES]:
            below = await instances(self.asked, replace(each, study=ref.study), MOST)
            first = max((len(below) - TRIES) // 2, 0)
            near = below[first : first + TRIES]
            if near:
                found.append(near.pop((len(near) - 1) // 2))
            others += near
        return found + others
