"""What `test_http` does not see: how the bytes of answers are framed."""

import asyncio
import hashlib
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import h11
import pytest

from hilum.config.schema import HttpSettings
from hilum.net.guard import Application, Message, Receive, Send
from hilum.net.http import serve

pytestmark = pytest.mark.anyio
PIECES = [b"small", bytes(range(256)) * 1024, b"x", bytes(300_000)]
GET = b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n"


@asynccontextmanager
async def talking(
    application: Application,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()

    def started(_host: str, bound: int) -> None:
        port.set_result(bound)

    async with asyncio.TaskGroup() as group, asyncio.timeout(20):
        settings = HttpSettings(port=0, graceful_shutdown=1.0)
        group.create_task(serve(application, settings, started=started, stop=stop))
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", await port)
            try:
                yield reader, writer
            finally:
                writer.transport.abort()
        finally:
            stop.set()


def giving(pieces: list[bytes], *headers: tuple[bytes, bytes]) -> Application:
    async def application(_scope: Message, _receive: Receive, send: Send) -> None:
        start: dict[str, Any] = {"type": "http.response.start", "status": 200}
        await send({**start, "headers": [*headers]})
        for piece in pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    return application


async def head_of(reader: asyncio.StreamReader) -> bytes:
    return (await reader.readuntil(b"\r\n\r\n")).lower()


async def chunks_of(reader: asyncio.StreamReader) -> list[bytes]:
    chunks = []
    while size := int(await reader.readline(), 16):
        chunks.append(await reader.readexactly(size))
        assert await reader.readexactly(2) == b"\r\n"
    assert await reader.readexactly(2) == b"\r\n"
    return chunks


async def test_a_body_of_unknown_length_is_chunked_piece_by_piece() -> None:
    async with talking(giving(PIECES)) as (reader, writer):
        for _ in range(3):  # on one connection
            writer.write(GET % b"")
            assert b"transfer-encoding: chunked" in await head_of(reader)
            assert await chunks_of(reader) == PIECES


async def test_a_body_of_known_length_leaves_as_it_is() -> None:
    whole = b"".join(PIECES)
    length = b"content-length", str(len(whole)).encode()
    async with talking(giving(PIECES, length)) as (reader, writer):
        for _ in range(3):
            writer.write(GET % b"")
            head = await head_of(reader)
            assert b"chunked" not in head
            assert b"\r\ndate: " in head
            assert await reader.readexactly(len(whole)) == whole


@pytest.mark.parametrize("pieces", [[], PIECES])
async def test_who_asks_for_the_head_gets_no_body(pieces: list[bytes]) -> None:
    length = b"content-length", str(sum(map(len, pieces))).encode()
    async with talking(giving(pieces, length)) as (reader, writer):
        writer.write(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n" * 2)
        for _ in range(2):
            assert b": %s\r\n" % length[1] in await head_of(reader)


async def test_requests_that_come_together_are_answered_one_after_another() -> None:
    async def application(scope: Message, receive: Receive, send: Send) -> None:
        size = 0
        while (message := await receive()).get("more_body"):
            size += len(message["body"])
        body = b"%s %d" % (scope["path"].encode(), size)
        await giving([body], (b"content-length", str(len(body)).encode()))(scope, receive, send)

    post = b"POST /%d HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\n" + bytes(300_000)
    async with talking(application) as (reader, writer):
        writer.write(b"".join(post % number for number in range(5)))
        for number in range(5):
            await head_of(reader)
            expected = b"/%d 300000" % number
            assert await reader.readexactly(len(expected)) == expected


def still() -> int:
    """Connections that the server is not done with."""
    return sum("Connection" in repr(task) for task in asyncio.all_tasks())


@pytest.mark.parametrize("leaves", [False, True])
async def test_requests_that_are_never_begun_hold_nothing(leaves: bool) -> None:  # noqa: FBT001
    begun, go = asyncio.Event(), asyncio.Event()

    async def application(scope: Message, receive: Receive, send: Send) -> None:
        begun.set()
        await go.wait()
        closing = (b"content-length", b"2"), (b"connection", b"close")
        await giving([b"ok"], *closing[: 1 + (scope["path"] == "/last")])(scope, receive, send)

    async with talking(application) as (reader, writer):
        go.set()
        writer.write(GET % b"")
        await head_of(reader)
        await reader.readexactly(2)
        begun.clear()
        go.clear()
        other, out = await asyncio.open_connection(*writer.get_extra_info("peername"))
        out.write(GET % (b"" if leaves else b"last") + (GET % b"never") * 3)
        await begun.wait()
        if leaves:
            linger = struct.pack("ii", 1, 0)  # RST instead of FIN
            out.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            out.transport.abort()
            await asyncio.sleep(0.1)  # for the server to notice
        go.set()
        if not leaves:
            assert (await other.read()).count(b"200") == 1
            out.close()
        while still() > 1:  # noqa: ASYNC110 - whatever it is
            await asyncio.sleep(0.01)


async def test_an_old_client_reads_until_the_connection_ends() -> None:
    async with talking(giving(PIECES)) as (reader, writer):
        writer.write(b"GET / HTTP/1.0\r\n\r\n")
        assert b"chunked" not in await head_of(reader)
        assert await reader.read() == b"".join(PIECES)


async def test_what_is_said_after_the_end_reaches_nobody() -> None:
    kept: list[Callable[[dict[str, Any]], Any]] = []

    async def application(scope: Message, receive: Receive, send: Send) -> None:
        kept.append(send)
        if len(kept) > 1:
            await kept[0]({"type": "http.response.start", "status": 418, "headers": []})
        await giving([b"ok"], (b"content-length", b"2"))(scope, receive, send)

    async with talking(application) as (reader, writer):
        for _ in range(2):
            writer.write(GET % b"")
            assert (await head_of(reader)).startswith(b"http/1.1 200")
            assert await reader.readexactly(2) == b"ok"


async def test_an_application_that_says_nothing_is_a_500_and_the_end() -> None:
    async def application(_scope: Message, _receive: Receive, _send: Send) -> None:
        return

    async with talking(application) as (reader, writer):
        writer.write(GET % b"")
        head = await head_of(reader)
        assert head.startswith(b"http/1.1 500")
        assert b"connection: close" in head
        assert await reader.read() == b""


async def test_no_header_can_forge_another() -> None:
    async with talking(giving([b"x"], (b"x-a", b"b\r\nset-cookie: c"))) as (reader, writer):
        writer.write(GET % b"")
        assert b"set-cookie" not in await reader.read()


async def test_a_body_of_known_length_passes_whatever_its_pieces(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fed = 0
    receive_data = h11.Connection.receive_data

    def counted(self: h11.Connection, data: bytes) -> None:
        nonlocal fed
        fed += len(data)
        receive_data(self, data)

    async def application(_scope: Message, receive: Receive, send: Send) -> None:
        told = hashlib.sha256()
        going = True
        while going:
            message = await receive()
            told.update(message["body"])
            going = message["more_body"]
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x", b"y")]})
        await send({"type": "http.response.body", "body": told.hexdigest().encode()})

    monkeypatch.setattr(h11.Connection, "receive_data", counted)
    body = bytes(range(256)) * 12_000
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body)
    async with talking(application) as (reader, writer):
        for step in (len(body), 700_000, 65_537):  # the next request comes with the end of one
            writer.write(head)
            for at in range(0, len(body), step):
                writer.write(body[at : at + step])
                await writer.drain()
        for _ in range(3):
            assert (await head_of(reader)).startswith(b"http/1.1 200")
            assert await chunks_of(reader) == [hashlib.sha256(body).hexdigest().encode()]
    assert fed < len(body)  # of three: h11, which copies, sees little more than the heads
