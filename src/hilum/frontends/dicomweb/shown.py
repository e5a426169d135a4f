"""How does a rendering leave? As a body of its own, or as a part of a multipart."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import BinaryIO, Final

from anyio import to_thread
from starlette.requests import Request

from hilum.codec.media_type import RELATED, MediaType, includes, rules_out
from hilum.codec.multipart import closing, part_head
from hilum.core.backend import Lent
from hilum.frontends.dicomweb.asked import accepts
from hilum.frontends.dicomweb.streamed import Headers
from hilum.imaging.kinds import ALL
from hilum.imaging.rendered import Rendered
from hilum.model.errors import BackendFault

CHUNK: Final = 1024 * 1024  # bytes of a file that are read at once

_SEALED = (  # what somebody wrote into a document does nothing in our name
    "Content-Security-Policy",
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'",
)


@dataclass(frozen=True, slots=True)
class Accepted:
    """What the client takes.

    Attributes:
        ranges: media types, the best first; those of parts where it names multipart.
        related: which of them are of parts.
    """

    ranges: tuple[str, ...]
    related: tuple[bool, ...]

    def in_parts(self, kind: str) -> bool:
        """Whether something of that kind goes out as the only part of a multipart."""
        pairs = zip(self.ranges, self.related, strict=True)
        return next((related for each, related in pairs if includes(each, kind)), False)


def accepted(request: Request) -> Accepted:
    """What the client takes, as it is and in parts."""
    return of(accepts(request))


def of(ranges: Sequence[MediaType]) -> Accepted:
    """What of media types is taken; where some are ruled out, what takes them in is written out."""
    taken = [
        (each.related or "*/*", True) if each.kind == RELATED else (each.kind, False)
        for each in ranges
        if each.quality
    ]
    if len(taken) < len(ranges):
        taken = [
            (kind, related)
            for each, related in taken
            for kind in ALL
            if includes(each, kind) and not rules_out(ranges, _offer(kind, related=related))
        ]
    return Accepted(tuple(each for each, _ in taken), tuple(related for _, related in taken))


def _offer(kind: str, *, related: bool) -> str:
    return f'{RELATED}; type="{kind}"' if related else kind


def alone(made: Rendered) -> Headers:
    """The headers of a rendering that is a body."""
    headers: Headers = [("Content-Type", _content_type(made))]
    return [*headers, _SEALED] if made.kind.startswith("text/") else headers


def related(made: Rendered, boundary: str) -> str:
    """The Content-Type of a multipart whose first part is this one."""
    return f'{RELATED}; type="{made.kind}"; boundary={boundary}'


@asynccontextmanager
async def body(
    file: Lent, made: Rendered
) -> AsyncIterator[tuple[bytes | AsyncGenerator[bytes, None], int]]:
    """The bytes of a rendering, and how many they are."""
    if not made.spans:
        yield made.body, len(made.body)
        return
    async with aclosing(_read(file, made)) as pieces:
        yield pieces, sum(length for _, length in made.spans)


async def part(
    boundary: str, file: Lent, made: Rendered, *, first: bool
) -> AsyncGenerator[bytes, None]:
    """A rendering as a part."""
    yield part_head(boundary, {"Content-Type": _content_type(made)}, first=first)
    async with body(file, made) as (content, _):
        if isinstance(content, bytes):
            yield content
            return
        async for piece in content:
            yield piece


async def closed(parts: AsyncGenerator[bytes, None], boundary: str) -> AsyncGenerator[bytes, None]:
    """All parts, and what ends them."""
    async for piece in parts:
        yield piece
    yield closing(boundary)


async def _read(file: Lent, made: Rendered) -> AsyncGenerator[bytes, None]:
    """The pieces of the file that a rendering consists of.

    Raises:
        BackendFault: the file is shorter than it was.
    """
    opened = await to_thread.run_sync(_opened, file.path)
    try:
        for start, length in made.spans:
            at, end = file.offset + start, file.offset + start + length
            while at < end:
                piece = await to_thread.run_sync(_piece, opened, at, min(CHUNK, end - at))
                if not piece:
                    raise BackendFault("the file of this instance cannot be read")
                at += len(piece)
                yield piece
    finally:
        opened.close()


def _opened(path: str) -> BinaryIO:
    return open(path, "rb")  # noqa: PTH123 - closed by who asked for it


def _piece(file: BinaryIO, at: int, length: int) -> bytes:
    file.seek(at)
    return file.read(length)


def _content_type(made: Rendered) -> str:
    return f"{made.kind}; charset=utf-8" if made.kind.startswith("text/") else made.kind
