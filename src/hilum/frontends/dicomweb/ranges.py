"""Which part of a payload does the client want? Range requests (RFC 9110 §14)."""

import re
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request

from hilum.frontends.dicomweb.streamed import Answer, Headers

_ONE: Final = re.compile(r"bytes=[ \t]*(?:(\d{1,19})-(\d{0,19})|-(\d{1,19}))[ \t]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a payload.

    Attributes:
        start, length: in bytes.
        size: of the whole payload.
        partial: it was asked for.
    """

    start: int
    length: int
    size: int
    partial: bool = False

    @property
    def status(self) -> int:
        """200, or 206 where a part was asked for."""
        return 206 if self.partial else 200

    @property
    def headers(self) -> Headers:
        """What goes with it."""
        headers = [("Accept-Ranges", "bytes")]
        if self.partial:
            last = self.start + self.length - 1
            headers.append(("Content-Range", f"bytes {self.start}-{last}/{self.size}"))
        return headers


def span(request: Request, size: int, tag: str | None) -> Span | None:
    """The part that the client wants; None when there is nothing of it.

    Several ranges at once, other units, and ranges of what the client does not have any more
    (If-Range) mean all of it, as RFC 9110 §14.2 allows.
    """
    said = request.headers.get("range")
    if said is None or request.method != "GET" or not _is_current(request, tag):
        return Span(0, size, size)
    found = _ONE.fullmatch(said.strip())
    first, last, suffix = ("", "", "") if found is None else found.groups("")
    if suffix:
        start, end = max(size - int(suffix), 0), size
    else:
        start, end = int(first or 0), min(int(last) + 1, size) if last else size
    if found is None or (last and int(last) < start):
        return Span(0, size, size)
    return Span(start, end - start, size, partial=True) if start < end else None


def _is_current(request: Request, tag: str | None) -> bool:
    """Whether a range means this very payload: If-Range (RFC 9110 §13.1.5)."""
    said = request.headers.get("if-range")
    return said is None or (said.strip() == tag and not said.startswith("W/"))


async def only(chunks: AsyncIterator[bytes], part: Span) -> AsyncGenerator[bytes, None]:
    """A part of what streams by; what is behind it is not read."""
    skipped, left = part.start, part.length
    async for chunk in chunks:
        piece = chunk[skipped : skipped + left]
        skipped = max(skipped - len(chunk), 0)
        left -= len(piece)
        if piece:
            yield piece
        if not left:
            return


def out_of_range(size: int) -> Answer:
    """416: the payload ends before."""
    headers = [("Content-Range", f"bytes */{size}"), ("Content-Type", "application/json")]
    return Answer(416, headers, b'{"error":"the payload ends before this range"}')
