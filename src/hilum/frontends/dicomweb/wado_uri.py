"""How is one instance given by WADO-URI, the older of the two ways? (PS3.18 chapter 9)."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response

from hilum.codec.media_type import DICOM, MediaType, rules_out
from hilum.frontends.dicomweb import rendered, wado
from hilum.frontends.dicomweb.asked import Asked, accepts, asked
from hilum.frontends.dicomweb.shown import Accepted, of
from hilum.frontends.dicomweb.streamed import Answer, Streamed
from hilum.frontends.dicomweb.wado_uri_query import Query, parse
from hilum.frontends.dicomweb.waiting import Waiting
from hilum.frontends.dicomweb.wanted import Wanted
from hilum.imaging.viewport import WHOLE
from hilum.imaging.wish import Viewport
from hilum.model.errors import BadRequest, NotAcceptable, NotOffered
from hilum.workshop.looks import Looks

Opened = Callable[[], AbstractAsyncContextManager[Answer]]


async def retrieve(request: Request) -> Response:
    """One instance: as it is, as `application/dicom`, or rendered.

    Where nothing is said, an image is a JPEG, a report is HTML, and what cannot be rendered is
    DICOM. 400 for a parameter that is wrong; 404; 406 for what is not offered: another media type,
    de-identification, presentation states.
    """
    query = parse(request.query_params.multi_items())
    about = replace(asked(request), ref=query.ref)
    waiting = Waiting(request, about)
    later = await waiting.begun()
    if later is not None:
        return later
    ways = [*_ways(request, about, query, waiting)]
    return Streamed(request, _first_of(ways))


def _ways(request: Request, about: Asked, query: Query, waiting: Waiting) -> list[Opened]:
    """The ways to answer that the client takes, the best first.

    Raises:
        BadRequest: it wants DICOM, and that to look somehow.
        NotAcceptable: it rules out everything.
    """
    every = list(query.kinds) or accepts(request)
    ranges = [each for each in every if each.quality]
    dicom = next((each for each in ranges if each.kind == DICOM), None)
    shown = of([each for each in every if each.kind != DICOM])
    if dicom is None and any(each.takes(DICOM) for each in ranges):
        dicom = MediaType(DICOM)
    if dicom is not None and rules_out(every, DICOM):
        dicom = None
    ways: list[Opened] = []
    if shown.ranges:
        ways.append(_rendered(request, about, query, shown))
    if dicom is not None:
        if not shown.ranges and query.is_rendered:
            raise BadRequest(f"{DICOM} goes out as it is: frames and looks are of rendered images")
        syntax = query.transfer_syntax or dicom.transfer_syntax
        given = wado.given(about, [Wanted(syntax, alone=True)], waiting)
        ways.insert(0 if ranges[0].kind == DICOM else 1, given)
    if not ways:
        raise NotAcceptable("everything that this can be given as is ruled out")
    return ways


def _rendered(request: Request, about: Asked, query: Query, taken: Accepted) -> Opened:
    taken = Accepted(taken.ranges, (False,) * len(taken.ranges))

    @asynccontextmanager
    async def opened() -> AsyncIterator[Answer]:
        wish = query.wish
        if query.region is not None:
            wish = replace(wish, viewport=await _part(request, about, query))
        async with rendered.shown(request, about, wish, taken, query.frame)() as answer:
            yield answer

    return opened


async def _part(request: Request, about: Asked, query: Query) -> Viewport:
    """The region, which is in parts of the image, in its pixels.

    Raises:
        NotAcceptable: this is no image.
    """
    looks: Looks = request.app.state.pictures.looks
    async with rendered.lent(about, about.ref) as file:
        pixels = (await looks.look(file)).pixels
    if pixels is None:
        raise NotAcceptable("this has no pixels of which a region could be shown")
    left, top, right, bottom = query.region or (0, 0, 1, 1)
    across, down = (right - left) * pixels.columns, (bottom - top) * pixels.rows
    box = query.wish.viewport or WHOLE
    begin = left * pixels.columns, top * pixels.rows
    return replace(box, left=begin[0], top=begin[1], across=across, down=down)


def _first_of(ways: Sequence[Opened]) -> Opened:
    """The first way that is possible with this instance; the last one fails for all."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[Answer]:
        async with AsyncExitStack() as stack:
            for way in ways[:-1]:
                try:
                    answer = await stack.enter_async_context(way())
                except (NotAcceptable, NotOffered):
                    continue
                yield answer
                return
            yield await stack.enter_async_context(ways[-1]())

    return opened
