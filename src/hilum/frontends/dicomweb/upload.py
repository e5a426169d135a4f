"""How does a STOW-RS request come in? As parts, read one after another, bounded and pulled."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping

from starlette.requests import ClientDisconnect, Request

from hilum.codec.media_type import DICOM, RELATED, MediaType
from hilum.codec.multipart import Event, MultipartReader, PartData, PartStarted
from hilum.model.errors import BadRequest, HilumError, TooLarge
from hilum.model.instance import CHUNK, Piece
from hilum.model.outcome import Stored


class ClientGoneError(HilumError):
    """The client closed the connection within the request; nobody is left to answer."""


class Body:
    """A request's body: its pieces, counted.

    Attributes:
        length: bytes in it, where that is announced.

    Raises:
        TooLarge: Content-Length announces more than `limit` bytes.
    """

    def __init__(self, request: Request, limit: int) -> None:
        announced = request.headers.get("content-length", "")
        if announced.isdecimal() and int(announced) > limit:
            raise _too_large(limit)
        chunked = "transfer-encoding" in request.headers  # which goes first (RFC 9112 §6.3)
        self.length = int(announced) if announced.isdecimal() and not chunked else None
        self._request = request
        self._limit = limit

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """The body as it comes; the next piece is not read before it is asked for.

        Raises:
            TooLarge: it is longer than allowed.
            ClientGoneError: the client left.
        """
        size = 0
        try:
            async for piece in self._request.stream():
                size += len(piece)
                if size > self._limit:
                    raise _too_large(self._limit)
                if piece:
                    yield piece
        except ClientDisconnect:
            raise ClientGoneError("the client closed the connection") from None


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"the request is longer than the {limit} bytes that are allowed")


class Part:
    """One part: its headers, and its data, which can be read once.

    Attributes:
        headers: names in lower case.
        length: bytes in it, where HTTP itself announces that.
        known: what is known of its instance beforehand.
        failure: why there is no instance in it.
        over: set once `chunks` has given all; then the next part may be asked for.
    """

    def __init__(
        self,
        headers: Mapping[str, str],
        following: Callable[[], AsyncIterator[bytes]],
        length: int | None = None,
        *,
        known: Stored | None = None,
        failure: HilumError | None = None,
    ) -> None:
        self.headers = headers
        self.known = known
        self.failure = failure
        self.length = length
        self._data = following()
        self._returned: list[bytes] = []
        self.ended = False
        self.over = asyncio.Event()

    async def read(self) -> bytes:
        """Some more data; b"" at the end."""
        if self._returned:
            return self._returned.pop()
        try:
            return await anext(self._data)
        except StopAsyncIteration:
            self.ended = True
            return b""

    def unread(self, data: Piece) -> None:
        """Give data back, to be read again first."""
        if data:
            self._returned.append(bytes(data))

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """All that is left, in pieces of at most `CHUNK` bytes."""
        while data := await self.read():
            if len(data) <= CHUNK:
                yield data
            else:
                for at in range(0, len(data), CHUNK):
                    yield data[at : at + CHUNK]
        self.over.set()

    async def skip(self) -> None:
        """Read what is left and forget it."""
        self._returned.clear()
        while await self.read():
            pass


async def alone(
    kind: MediaType, body: AsyncGenerator[bytes, None], length: int | None
) -> AsyncGenerator[Part, None]:
    """A body that is one part itself, and has that `length`, where it is announced."""
    first = await anext(body, b"")
    if not first:
        raise BadRequest("the request has no body")

    async def whole() -> AsyncGenerator[bytes, None]:
        yield first
        async for piece in body:
            yield piece

    part = Part({"content-type": kind.kind}, whole, length)
    yield part
    await part.skip()


async def related(
    kind: MediaType, body: AsyncGenerator[bytes, None], max_parts: int
) -> AsyncGenerator[Part, None]:
    """The parts of a multipart body. What is left of a part is skipped when the next is asked for.

    Raises:
        BadRequest: the body is no multipart, or ends too early; also from a part's data.
        TooLarge: it has too many parts.
    """
    events = _Events(MultipartReader(kind.parameters.get("boundary", ""), max_parts), body)
    while (event := await events.next()) is not None:
        if isinstance(event, PartStarted):
            part = Part(event.headers, events.data)
            yield part
            await part.skip()


class _Events:
    """The events of a multipart body, pulled."""

    def __init__(self, reader: MultipartReader, body: AsyncGenerator[bytes, None]) -> None:
        self._reader = reader
        self._body = body
        self._ready: Iterator[Event] = iter(())

    async def next(self) -> Event | None:
        """The next event; None after the last."""
        while True:
            for event in self._ready:
                return event
            piece = await anext(self._body, b"")
            if not piece:
                self._reader.close()
                return None
            self._ready = self._reader.feed(piece)

    async def data(self) -> AsyncGenerator[bytes, None]:
        """The data of the part that has just begun."""
        while isinstance(event := await self.next(), PartData):
            yield bytes(event.data)


def is_related(kind: MediaType) -> bool:
    """Whether this is a multipart; some senders write another subtype."""
    return kind.kind == RELATED or kind.kind.startswith("multipart/")


def may_be_dicom(text: str) -> bool:
    """Whether a part's Content-Type allows that it is an instance; many say nothing or octets."""
    name = text.partition(";")[0].strip().lower()
    return name in {"", DICOM, "application/octet-stream"}
