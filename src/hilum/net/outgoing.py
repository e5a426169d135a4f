"""A connection to a web server, HTTP/1.1: heads by h11, bodies where they were read, not copied.

Why not httpcore's: what it gives of a body was copied three times, and each read of it costs more
than the read itself (httpcore 1.0.9, h11 0.16). It raises httpcore's exceptions, and has the
interface of its connections.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Final, cast

import anyio
import h11
import httpcore

from hilum.codec.http_body import Framing, Malformed, framing
from hilum.model.instance import Piece
from hilum.net.buffers import Buffers

IDLE: Final = 5.0
"""Seconds that a connection nobody uses stays open."""
MAX_HEAD: Final = 100 * 1024
"""Bytes of a response's head."""
UNREAD_HIGH: Final = 1024 * 1024
"""Bytes of a body that nobody has read yet, from which on we stop reading."""
_UNREAD_LOW = 256 * 1024
_JOINED = 256 * 1024  # bytes, the most that is made of small pieces
_WRITE_HIGH = 512 * 1024  # bytes waiting to be sent, from which on a sender waits
_GOODBYE = 1.0  # seconds for a connection to close
_REFUSAL = 300  # statuses from here on mean that the rest of a request is not wanted


class Outgoing(asyncio.BufferedProtocol):
    """One connection, for one request at a time; it connects with the first.

    Args:
        origin: whom to ask.
        context: how TLS is spoken.
    """

    def __init__(self, origin: httpcore.Origin, context: ssl.SSLContext) -> None:
        self._origin = origin
        self._context = context
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._closed = asyncio.Event()
        self._head = h11.Connection(h11.CLIENT, MAX_HEAD)
        self._response: h11.Response | None = None
        self._method = ""
        self._framing: Framing | None = None
        self._buffers = Buffers()
        self._pieces: deque[Piece] = deque()
        self._unread = 0
        self._is_paused = False
        self._error: Exception | None = None  # why no more comes
        self._waiter: asyncio.Future[None] | None = None
        self._is_writable = True
        self._is_sent = False  # the request, to its end
        self._stays = False  # the connection, after the answer
        self._idle_since: float | None = None

    # What httpcore's connections have

    async def handle_async_request(self, request: httpcore.Request) -> httpcore.Response:
        """Send a request, give the head of its response; the body is its `stream`.

        Raises:
            httpcore exceptions, and what reading the request's body raises.
        """
        timeouts = request.extensions.get("timeout", {})
        if self._transport is None:
            await self._connect(timeouts.get("connect"))
        elif self._error is not None:
            raise httpcore.ConnectError("the connection was closed meanwhile")
        self._idle_since, self._is_sent = None, False
        self._head, self._response, self._framing = h11.Connection(h11.CLIENT, MAX_HEAD), None, None
        try:
            await self._send(request, timeouts.get("write"))
        except h11.LocalProtocolError as error:
            raise httpcore.LocalProtocolError(str(error)) from error
        while self._response is None:
            if self._error is not None:
                raise self._error
            await self._wait(timeouts.get("read"), httpcore.ReadTimeout)
        response = self._response
        return httpcore.Response(
            response.status_code,
            headers=response.headers.raw_items(),
            content=_Pieces(self, timeouts.get("read")),
            extensions={"http_version": b"HTTP/" + response.http_version},
        )

    def is_idle(self) -> bool:
        """Whether the last request is over, and another one may follow."""
        return self._idle_since is not None and self._error is None

    def has_expired(self) -> bool:
        """Whether it was idle for too long, or is closed."""
        since = self._idle_since
        return self.is_closed() or (since is not None and self._loop.time() - since > IDLE)

    def is_closed(self) -> bool:
        """Whether nothing comes any more."""
        return self._error is not None

    async def aclose(self) -> None:
        """Close it; at once where a request is under way."""
        if self._transport is None:
            return
        if self.is_idle():
            self._transport.close()
            with anyio.move_on_after(_GOODBYE):
                await self._closed.wait()
        self._error = self._error or httpcore.ReadError("the connection is closed")
        self._transport.abort()
        await self._closed.wait()

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=_WRITE_HIGH)

    def get_buffer(self, _sizehint: int) -> memoryview:
        return self._buffers.room()

    def buffer_updated(self, nbytes: int) -> None:
        data: Piece = self._buffers.filled(nbytes)
        if self._framing is None:
            if self._idle_since is not None:
                self._fail(httpcore.RemoteProtocolError("an answer that nobody asked for"))
                return
            data = self._read_head(bytes(data))
            if self._framing is None or not data:
                self._wake()
                return
        try:
            pieces = self._framing.feed(data)
        except Malformed as error:
            self._fail(httpcore.RemoteProtocolError(str(error)))
            return
        self._pieces.extend(pieces)
        self._unread += sum(map(len, pieces))
        if self._unread > UNREAD_HIGH and not self._is_paused and self._transport is not None:
            self._is_paused = True
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        if self._framing is not None:
            self._framing.eof()
        self._fail(httpcore.RemoteProtocolError("the server closed before its answer was whole"))

    def connection_lost(self, error: Exception | None) -> None:
        self._closed.set()
        if self._framing is not None and error is None:
            self._framing.eof()
        lost = httpcore.ReadError(str(error))
        lost.__cause__ = error
        ended = httpcore.RemoteProtocolError("the server closed before its answer was whole")
        self._fail(ended if error is None else lost)

    def pause_writing(self) -> None:
        self._is_writable = False

    def resume_writing(self) -> None:
        self._is_writable = True
        self._wake()

    # How a request goes out and its answer comes in

    async def _connect(self, patience: float | None) -> None:
        host, port = self._origin.host.decode("ascii"), self._origin.port
        tls = self._context if self._origin.scheme == b"https" else None
        try:
            async with asyncio.timeout(patience):
                await self._loop.create_connection(lambda: self, host, port, ssl=tls)
        except TimeoutError:
            raise httpcore.ConnectTimeout from None
        except (OSError, ssl.SSLError) as error:
            raise httpcore.ConnectError(str(error)) from error

    async def _send(self, request: httpcore.Request, patience: float | None) -> None:
        """Send all of it, or what of it the server wants to have."""
        self._method = request.method.decode("ascii")
        head = h11.Request(
            method=request.method, headers=request.headers, target=request.url.target
        )
        parts = [self._head.send(head) or b""]
        body = cast("AsyncIterator[bytes]", request.stream)
        async for piece in body:
            if not piece:
                continue
            parts += self._head.send_with_data_passthrough(h11.Data(data=piece)) or []
            if not await self._write(parts, patience):
                return
            parts = []
        parts += self._head.send_with_data_passthrough(h11.EndOfMessage()) or []
        self._is_sent = await self._write(parts, patience)

    async def _write(self, parts: list[bytes], patience: float | None) -> bool:
        """Whether the server still takes something."""
        transport = cast("asyncio.Transport", self._transport)
        if self._error is None:
            transport.writelines(parts)
        while not self._is_writable and self._error is None and not self._is_refused:
            await self._wait(patience, httpcore.WriteTimeout)
        return self._error is None and not self._is_refused

    @property
    def _is_refused(self) -> bool:
        return self._response is not None and self._response.status_code >= _REFUSAL

    def _read_head(self, data: bytes) -> bytes:
        """Take in a head; what comes behind it is given back."""
        try:
            self._head.receive_data(data)
            while not isinstance(event := self._head.next_event(), h11.Response):
                if event is h11.NEED_DATA:
                    return b""
                if not isinstance(event, h11.InformationalResponse):
                    self._fail(httpcore.RemoteProtocolError("no head of a response"))
                    return b""
        except h11.RemoteProtocolError as error:
            self._fail(httpcore.RemoteProtocolError(str(error)))
            return b""
        headers = {name.decode("ascii"): value.decode("latin-1") for name, value in event.headers}
        if event.http_version < b"1.1":
            headers.setdefault("connection", "close")
        self._response = event
        self._stays = "close" not in headers.get("connection", "").lower()
        self._framing = framing(self._method, event.status_code, headers)
        return bytes(self._head.trailing_data[0])

    async def piece(self, patience: float | None) -> Piece:
        """Some more of the body; b"" at its end.

        Raises:
            httpcore.ReadTimeout, ReadError, RemoteProtocolError: it does not come.
        """
        body = self._framing
        assert body is not None  # noqa: S101 - there is a head
        while not self._pieces:
            if body.done:
                if self._is_sent and self._stays and not body.rest and self._error is None:
                    self._framing, self._idle_since = None, self._loop.time()
                    self._buffers.release()
                return b""
            if self._error is not None:
                raise self._error
            await self._wait(patience, httpcore.ReadTimeout)
        piece = self._pieces.popleft()
        if self._pieces and len(piece) + len(self._pieces[0]) <= _JOINED:
            piece = self._joined(piece)
        self._unread -= len(piece)
        if self._is_paused and self._unread < _UNREAD_LOW and self._transport is not None:
            self._is_paused = False
            if self._error is None:
                self._transport.resume_reading()
        return piece

    def _joined(self, piece: Piece) -> bytes:
        several, size = [piece], len(piece)
        while self._pieces and size + len(self._pieces[0]) <= _JOINED:
            several.append(self._pieces.popleft())
            size += len(several[-1])
        return b"".join(several)

    async def _wait(self, patience: float | None, late: Callable[[], Exception]) -> None:
        """Return when something has come, or changed."""
        waiter = self._waiter = self._loop.create_future()
        timer = None
        if patience is not None:
            timer = self._loop.call_later(patience, _expire, waiter, late)
        try:
            await waiter
        finally:
            self._waiter = None
            if timer is not None:
                timer.cancel()

    def _fail(self, error: Exception) -> None:
        if self._error is None:
            self._error = error
        if self._transport is not None and not self._transport.is_closing():
            self._transport.close()
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class _Pieces:
    """The body of one answer."""

    def __init__(self, connection: Outgoing, patience: float | None) -> None:
        self._connection = connection
        self._patience = patience
        self._is_over = False

    def __aiter__(self) -> AsyncIterator[Piece]:
        return self

    async def __anext__(self) -> Piece:
        piece = b"" if self._is_over else await self._connection.piece(self._patience)
        if not piece:
            self._is_over = True
            raise StopAsyncIteration
        return piece

    async def aclose(self) -> None:
        """Leave it: its connection is then closed, by whoever has it."""


def _expire(waiter: asyncio.Future[None], late: Callable[[], Exception]) -> None:
    if not waiter.done():
        waiter.set_exception(late())
