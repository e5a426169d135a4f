"""How do our HTTP requests travel? On connections of our own; by httpcore's with HTTP/2 or a proxy.

Why not httpx's own transport: a request that is cancelled within the TLS handshake leaves its
socket open, one that is cancelled just behind it a place in the pool; an answer that is left in
the middle leaves generators for the garbage collector; and reads of 64 KiB cut up what the system
gives in pieces of 256 (httpcore 1.0.9).
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Any, Final
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import anyio
import httpcore
import httpx

from hilum.model.instance import Piece
from hilum.net.outgoing import IDLE, Outgoing

READ: Final = 256 * 1024
"""Bytes read at once: what asyncio takes from a socket at most."""
Connection = Outgoing | httpcore.AsyncConnectionInterface
BODY: Final = "hilum.body"
"""Where the extensions of a response have its body as it comes, a `Body`."""


class _Stream(httpcore.AsyncNetworkStream):
    """A connection: closed when its TLS handshake is cancelled, and read in big pieces."""

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - httpcore's
        return await self._stream.read(max(max_bytes, READ), timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 - httpcore's
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's
    ) -> httpcore.AsyncNetworkStream:
        try:
            return _Stream(await self._stream.start_tls(ssl_context, server_hostname, timeout))
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self._stream.aclose()
            raise

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401 - as httpcore has it
        return self._stream.get_extra_info(info)


class _Network(httpcore.AsyncNetworkBackend):
    def __init__(self) -> None:
        self._backend = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        return _Stream(
            await self._backend.connect_tcp(host, port, timeout, local_address, socket_options)
        )

    async def sleep(self, seconds: float) -> None:
        await self._backend.sleep(seconds)


class Body(httpx.AsyncByteStream):
    """The body of an answer as it comes, in the encoding that it travels in.

    Attributes:
        ended: it was read to its end, or broke off.
    """

    def __init__(
        self, response: httpcore.Response, left: Callable[["Body"], Awaitable[None]]
    ) -> None:
        stream = response.stream
        self._stream: Any = stream  # has `aclose`, which its type does not say
        self._pieces: AsyncIterator[Piece] = stream.__aiter__()  # type: ignore[union-attr]  # not a sync one
        self._left = left
        self._closed = False
        self.ended = False

    def __aiter__(self) -> AsyncIterator[Piece]:  # type: ignore[override]  # httpx never reads it
        return self

    async def __anext__(self) -> Piece:
        """Some more bytes.

        Raises:
            httpcore exceptions, and StopAsyncIteration at the end.
        """
        try:
            return await anext(self._pieces)
        except BaseException:
            self.ended = True
            raise

    async def aclose(self) -> None:
        """Leave it; a connection on which more would have come is closed."""
        if self._closed:
            return
        self._closed = True
        with anyio.CancelScope(shield=True):
            try:
                await self._stream.aclose()
            finally:
                await self._left(self)
            # The generators within httpcore end on the closed connection, and so need no garbage
            # collector.
            with suppress(httpcore.NetworkError, httpcore.ProtocolError, StopAsyncIteration):
                while not self.ended:
                    await anext(self)


class Transport(httpx.AsyncBaseTransport):
    """Connections of httpcore, each for one request at a time. Raises its exceptions.

    Also with HTTP/2: httpcore resets no stream that is left in the middle, nor gives its part of
    the connection's window back, so that after some hundred all on the connection stand still.
    """

    def __init__(
        self,
        context: ssl.SSLContext,
        *,
        max_connections: int,
        http2: bool = False,
        proxy: str | None = None,
    ) -> None:
        # It only makes connections. Its pool loses one, and its place, for each request that is
        # cancelled between the connection and the first byte.
        self._context = context
        self._is_plain = not http2 and proxy is None
        self._makes = httpcore.AsyncConnectionPool(
            ssl_context=context,
            proxy=None if proxy is None else _proxy(proxy),
            keepalive_expiry=IDLE,
            http2=http2,
            network_backend=_Network(),
        )
        self._slots = asyncio.Semaphore(max_connections)
        self._idle: list[tuple[httpcore.Origin, Connection]] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = httpcore.URL(
            scheme=request.url.raw_scheme,
            host=request.url.raw_host,
            port=request.url.port,
            target=request.url.raw_path,
        )
        asked = httpcore.Request(
            method=request.method,
            url=url,
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        await self._slot(request.extensions.get("timeout", {}).get("pool"))
        try:
            connection = await self._connection(url.origin)
            try:
                response = await connection.handle_async_request(asked)
            except BaseException:
                with anyio.CancelScope(shield=True):
                    await connection.aclose()
                raise
        except BaseException:
            self._slots.release()
            raise

        async def left(body: Body) -> None:
            try:
                if body.ended and connection.is_idle():
                    self._idle.append((url.origin, connection))
                else:
                    await connection.aclose()
            finally:
                self._slots.release()

        body = Body(response, left)
        return httpx.Response(
            response.status,
            headers=response.headers,
            stream=body,
            extensions={**response.extensions, BODY: body},
        )

    async def _slot(self, timeout: float | None) -> None:  # noqa: ASYNC109 - as httpx has it
        try:
            async with asyncio.timeout(timeout):
                await self._slots.acquire()
        except TimeoutError:
            raise httpcore.PoolTimeout from None

    async def _connection(self, origin: httpcore.Origin) -> Connection:
        """One that is idle, or a new one; those that ended meanwhile are closed."""
        found: Connection | None = None
        idle, self._idle = self._idle, []
        expired = []
        for there, connection in reversed(idle):
            if connection.has_expired() or connection.is_closed():
                expired.append(connection)
            elif found is None and there == origin:
                found = connection
            else:
                self._idle.insert(0, (there, connection))
        with anyio.CancelScope(shield=True):
            for connection in expired:
                await connection.aclose()
        if found is not None:
            return found
        return (
            Outgoing(origin, self._context)
            if self._is_plain
            else self._makes.create_connection(origin)
        )

    async def aclose(self) -> None:
        with anyio.CancelScope(shield=True):
            while self._idle:
                await self._idle.pop()[1].aclose()


def _proxy(url: str) -> httpcore.Proxy:
    parts = urlsplit(url)
    auth = None
    if parts.username is not None:
        auth = (unquote(parts.username), unquote(parts.password or ""))
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    port = f":{parts.port}" if parts.port else ""
    return httpcore.Proxy(f"{parts.scheme}://{host}{port}", auth=auth)


def proxy_of(url: str) -> str | None:
    """The proxy that the environment names for a URL (`https_proxy`, `no_proxy`), or None.

    None for this machine itself, which no proxy can reach by these names.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if host in {"localhost", "::1"} or host.startswith("127.") or proxy_bypass(host):
        return None
    proxies = getproxies()
    found = proxies.get(parts.scheme) or proxies.get("all")
    if not found:
        return None
    return found if "://" in found else f"http://{found}"
