"""What `tests/net/test_client.py` does not ask of the connection below it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpcore
import httpx
import pytest
from tests.backends.dicomweb.served import lying
from tests.net.webserver import sockets

from hilum.config.mounts import Web
from hilum.net.access import tls
from hilum.net.outgoing import UNREAD_HIGH
from hilum.net.transport import BODY, Transport

pytestmark = pytest.mark.anyio
Says = Callable[[object, asyncio.StreamWriter], Awaitable[None]]
HEAD = b"HTTP/1.1 200 OK\r\n"


def saying(*pieces: bytes, close: bool = False) -> Says:
    async def answers(_request: object, writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.005)
        if close:
            raise EOFError

    return answers


@asynccontextmanager
async def client(timeout: float = 5) -> AsyncIterator[httpx.AsyncClient]:  # noqa: ASYNC109 - of each request
    transport = Transport(await tls(Web()), max_connections=2)
    async with httpx.AsyncClient(transport=transport, timeout=timeout) as made:
        yield made


async def body(made: httpx.AsyncClient, url: str) -> bytes:
    request = made.build_request("GET", url, headers={"Accept-Encoding": "identity"})
    response = await made.send(request, stream=True)
    data = b"".join([piece async for piece in response.extensions[BODY]])
    await response.aclose()
    return data


@pytest.mark.parametrize(
    ("pieces", "reused"),
    [
        ((HEAD + b"Content-Length: 5\r\n\r\nhello",), True),
        ((HEAD[:7], HEAD[7:] + b"Content-Le", b"ngth: 5\r\n\r", b"\nhe", b"llo"), True),
        ((HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r", b"\n3\r\nllo\r\n0\r\n\r\n"), True),
        ((b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD, b"Content-Length: 5\r\n\r\nhello"), True),
        ((b"HTTP/1.1 103 Early Hints\r\n\r\n", HEAD + b"Content-Length: 5\r\n\r\nhello"), True),
        ((HEAD + b"Content-Length: 5\r\nConnection: close\r\n\r\nhello",), False),
        ((b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello",), False),
        ((HEAD + b"Content-Length: 5\r\n\r\nhello, and more",), False),
    ],
)
async def test_an_answer_is_read_and_its_connection_used_again_where_it_may_be(
    pieces: tuple[bytes, ...], *, reused: bool
) -> None:
    async with lying(saying(*pieces)) as liar, client() as made:
        before = sockets()
        for _ in range(3):
            assert await body(made, liar.url) == b"hello"
        assert liar.made == (1 if reused else 3)
        for _ in range(1000):
            await asyncio.sleep(0.02)
            if sockets() <= before + 2:
                break
        assert sockets() <= before + 2


async def test_a_body_without_a_length_ends_with_the_connection() -> None:
    async with lying(saying(HEAD + b"\r\nhel", b"lo", close=True)) as liar, client() as made:
        assert await body(made, liar.url) == b"hello"


@pytest.mark.parametrize(
    "said",
    [
        HEAD + b"Content-Length: 9\r\n\r\nhello",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello, not\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        HEAD + b"Content-Length: 5",
        b"",
        b"220 mail.example ESMTP\r\n",
        HEAD + b"Transfer-Encoding: gzip\r\n\r\nhello",
        HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        HEAD + b"X: " + b"x" * 200_000,
    ],
)
async def test_what_is_no_whole_answer_is_an_error(said: bytes) -> None:
    async with lying(saying(said, close=True)) as liar, client() as made:
        with pytest.raises((httpcore.RemoteProtocolError, httpcore.ReadError)):
            await body(made, liar.url)


async def test_a_silent_body_is_a_timeout() -> None:
    async with lying(saying(HEAD + b"Content-Length: 9\r\n\r\nhello")) as liar, client(0.1) as made:
        with pytest.raises(httpcore.ReadTimeout):
            await body(made, liar.url)


async def test_what_nobody_reads_stops_the_server() -> None:
    sent = 0

    async def much(_request: object, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(HEAD + b"Content-Length: %d\r\n\r\n" % (64 << 20))
        for _ in range(64):
            writer.write(bytes(1 << 20))
            await writer.drain()
            sent += 1 << 20

    async with lying(much) as liar, client() as made:
        response = await made.send(made.build_request("GET", liar.url), stream=True)
        await asyncio.sleep(0.3)
        stopped = sent
        assert stopped < (64 << 20) - UNREAD_HIGH
        size = 0
        async for piece in response.extensions[BODY]:
            size += len(piece)
        assert size == 64 << 20
        await response.aclose()


async def test_a_request_that_is_refused_early_is_not_sent_to_its_end() -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1 << 20
            yield bytes(1 << 20)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 413 Too Much\r\nContent-Length: 4\r\n\r\nmuch")
            await writer.drain()
            await left.wait()
        finally:
            writer.transport.abort()

    left = asyncio.Event()
    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    async with server, client() as made:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        answer = await made.post(url, content=endless())
        assert (answer.status_code, answer.content) == (413, b"much")
        assert sent < 64 << 20
        left.set()
