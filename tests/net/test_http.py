import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import httpx
import pytest

from hilum.config.schema import HttpSettings
from hilum.net.guard import Application, Message, Receive, Send
from hilum.net.http import serve

pytestmark = pytest.mark.anyio
BIG = 3 * 1024 * 1024


async def text(send: Send, status: int, body: bytes = b"x") -> None:
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def body_of(receive: Receive) -> int | None:
    """Bytes in the body; None when the client went away."""
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        size += len(message["body"])
        if not message.get("more_body"):
            return size


@asynccontextmanager
async def serving(application: Application, **settings: object) -> AsyncIterator[int]:
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    before = len(asyncio.all_tasks())

    def started(_host: str, bound: int) -> None:
        port.set_result(bound)

    async with asyncio.TaskGroup() as group:
        options = HttpSettings(port=0, **{"graceful_shutdown": 1.0, **settings})
        group.create_task(serve(application, options, started=started, stop=stop))
        try:
            yield await port
        finally:
            stop.set()
    assert len(asyncio.all_tasks()) == before


async def talk(port: int, data: bytes, *, until: bytes = b"") -> bytes:
    """What comes back for `data`, until the connection ends or `until` has come."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        answer = b""
        async with asyncio.timeout(20):
            while chunk := await reader.read(65536):
                answer += chunk
                if until and until in answer:
                    break
        return answer
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def test_a_request_is_answered_and_the_connection_kept() -> None:
    async def application(scope: Message, receive: Receive, send: Send) -> None:
        assert await body_of(receive) == 0
        await text(send, 200, scope["path"].encode())

    async with serving(application) as port, httpx.AsyncClient() as client:
        answers = [await client.get(f"http://127.0.0.1:{port}/{n}") for n in range(1200)]
        assert answers[-1].text == "/1199"
        assert "connection" not in answers[-1].headers
        assert "server" not in answers[-1].headers


@pytest.mark.parametrize("chunked", [False, True])
async def test_an_answer_before_the_body_reaches_the_client(*, chunked: bool) -> None:
    async def application(_scope: Message, _receive: Receive, send: Send) -> None:
        await text(send, 413, b"too large")

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield bytes(BIG)

    async with serving(application) as port, httpx.AsyncClient() as client:
        body = pieces() if chunked else bytes(20 * BIG)
        answer = await client.post(f"http://127.0.0.1:{port}/", content=body)
        assert (answer.status_code, answer.text) == (413, "too large")
        again = await client.post(f"http://127.0.0.1:{port}/", content=b"")
        assert again.status_code == 413


async def test_continue_is_sent_when_the_body_is_wanted_only() -> None:
    async def application(scope: Message, receive: Receive, send: Send) -> None:
        size = await body_of(receive) if scope["path"] == "/wanted" else 0
        await text(send, 200 if size else 413, b"done")

    head = b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"
    async with serving(application, request_timeout=2.0) as port:
        refused = await talk(port, head % b"/unwanted")
        assert refused.startswith(b"HTTP/1.1 413")
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head % b"/wanted")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
        writer.write(b"body")
        assert (await reader.readuntil(b"done")).startswith(b"HTTP/1.1 200")
        writer.close()
        await writer.wait_closed()


async def test_a_body_that_stops_coming_is_408() -> None:
    sizes = []

    async def application(_scope: Message, receive: Receive, send: Send) -> None:
        sizes.append(await body_of(receive))
        if sizes[-1] is not None:
            await text(send, 200)

    async with serving(application, request_timeout=0.3) as port:
        answer = await talk(port, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf")
        assert answer.startswith(b"HTTP/1.1 408")
        assert sizes == [None]


async def test_a_client_that_says_nothing_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hilum.net.connection.IDLE", 0.3)

    async def application(_scope: Message, _receive: Receive, send: Send) -> None:
        await text(send, 200)

    async with serving(application) as port:
        assert await talk(port, b"") == b""


async def test_a_head_that_has_begun_may_take_no_longer_than_a_request_may_pause() -> None:
    async def application(_scope: Message, _receive: Receive, send: Send) -> None:
        await text(send, 200)

    async def drip(writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while True:
                writer.write(b"X-A: b\r\n")
                await writer.drain()
                await asyncio.sleep(0.05)

    async with serving(application, request_timeout=0.4) as port, asyncio.timeout(20):
        assert await talk(port, b"GE") == b""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(2):  # a request that is whole in time; then one that never is
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await reader.readuntil(b"\r\n\r\nx")).startswith(b"HTTP/1.1 200")
            await asyncio.sleep(0.5)  # between requests there is more time
        writer.write(b"GET / HTTP/1.1\r\n")
        async with asyncio.TaskGroup() as group:
            dripping = group.create_task(drip(writer))
            with suppress(OSError):
                assert await reader.read() == b""
            dripping.cancel()
        writer.transport.abort()


async def test_a_client_that_stops_reading_is_dropped() -> None:
    ended = asyncio.Event()

    async def application(_scope: Message, _receive: Receive, send: Send) -> None:
        try:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            while True:
                await send({"type": "http.response.body", "body": bytes(BIG), "more_body": True})
        finally:
            ended.set()

    async with serving(application, request_timeout=0.5) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        async with asyncio.timeout(20):
            await ended.wait()
        del reader
        writer.transport.abort()


@pytest.mark.parametrize("where", ["before", "in the body", "in the answer"])
async def test_a_client_that_leaves_is_noticed(where: str) -> None:
    gone = asyncio.Event()

    async def application(_scope: Message, receive: Receive, send: Send) -> None:
        if where == "in the answer":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
        await body_of(receive)
        while (await receive())["type"] != "http.disconnect":
            pass
        gone.set()

    data = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
    async with serving(application) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(data % (9 if where == "in the body" else 0))
        await asyncio.sleep(0.1)
        writer.transport.abort()
        async with asyncio.timeout(20):
            await gone.wait()


async def test_an_application_that_leaves_the_body_and_answers_nothing_leaks_nothing() -> None:
    async def application(_scope: Message, receive: Receive, _send: Send) -> None:
        await receive()
        raise ConnectionResetError

    async with serving(application) as port, httpx.AsyncClient() as client:
        with pytest.raises(httpx.HTTPError):
            await client.post(f"http://127.0.0.1:{port}/", content=bytes(50 * BIG))


async def test_an_application_that_fails_is_a_500() -> None:
    async def application(_scope: Message, _receive: Receive, _send: Send) -> None:
        raise KeyError("x")

    async with serving(application) as port, httpx.AsyncClient() as client:
        assert (await client.get(f"http://127.0.0.1:{port}/")).status_code == 500


async def test_running_requests_may_end_and_endless_ones_are_cut() -> None:
    begun, ended = [], []

    async def application(scope: Message, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"begun", "more_body": True})
        begun.append(scope["path"])
        try:
            await asyncio.sleep(0.3 if scope["path"] == "/short" else 3600)
        finally:
            ended.append(scope["path"])
        await send({"type": "http.response.body", "body": b"ended"})

    async def answer(port: int, path: bytes) -> bytes:
        return await talk(port, b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n\r\n")

    async with asyncio.TaskGroup() as group:
        async with serving(application, graceful_shutdown=1.0) as port:
            short = group.create_task(answer(port, b"/short"))
            endless = group.create_task(answer(port, b"/endless"))
            idle = group.create_task(talk(port, b""))
            while len(begun) < 2:  # noqa: ASYNC110 - however busy the machine is
                await asyncio.sleep(0.1)
            before = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - before < 3
    assert b"begun" in short.result()
    assert short.result().endswith(b"ended\r\n0\r\n\r\n")
    assert endless.result().endswith(b"begun\r\n")
    assert idle.result() == b""
    assert sorted(ended) == ["/endless", "/short"]


async def test_http_2_is_not_spoken() -> None:
    async def application(scope: Message, _receive: Receive, send: Send) -> None:
        assert scope["http_version"] == "1.1"
        await text(send, 200)

    async with serving(application) as port:
        preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        assert b"HTTP/2" not in await talk(port, preface, until=b"\r\n\r\n")
        upgrade = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
        answer = await talk(port, upgrade, until=b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("data", [b"\x16\x03\x01\x02\x00\x01", b"GET\r\n\r\n", b"\x00" * 70_000])
async def test_rubbish_is_answered_and_cut(data: bytes) -> None:
    async def application(_scope: Message, _receive: Receive, send: Send) -> None:
        await text(send, 200)

    async with serving(application) as port:
        answer = await talk(port, data + b"\r\n\r\n")
        assert answer == b"" or answer.startswith(b"HTTP/1.1 4")


async def test_websockets_are_refused() -> None:
    async def application(_scope: Message, _receive: Receive, _send: Send) -> None:
        raise AssertionError("only HTTP comes here")

    data = (
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    async with serving(application) as port:
        assert (await talk(port, data, until=b"\r\n\r\n")).startswith(b"HTTP/1.1 403")


async def test_a_port_that_is_taken_is_an_error() -> None:
    async def application(_scope: Message, _receive: Receive, _send: Send) -> None:
        raise AssertionError

    def started(_host: str, _port: int) -> None:
        raise AssertionError

    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = HttpSettings(port=taken.getsockname()[1])
        with pytest.raises(OSError, match="in use"):
            await serve(application, settings, started=started, stop=asyncio.Event())


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="no IPv6 here")
async def test_a_bind_to_all_of_ipv6_takes_ipv4_too() -> None:
    async def application(_scope: Message, _receive: Receive, send: Send) -> None:
        await text(send, 200)

    async with serving(application, bind="::") as port:
        assert b"200" in await talk(port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", until=b"\r\n\r\n")


async def test_a_body_that_drips_is_not_waited_for() -> None:
    async def application(_scope: Message, receive: Receive, send: Send) -> None:
        if await body_of(receive) is not None:
            await text(send, 200)

    async with serving(application, request_timeout=0.5) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
        answer = asyncio.create_task(reader.read(1000))  # noqa: TID251 - ends with the test
        while not answer.done():
            with suppress(OSError):
                writer.write(b"x")
            await asyncio.wait([answer], timeout=0.1)
        assert answer.result().startswith(b"HTTP/1.1 408 ")
        writer.close()


@pytest.mark.parametrize(
    ("limits", "status"),
    [({"max_connections": 2}, 503), ({"max_connections_per_peer": 2}, 429)],
)
async def test_one_connection_too_many_is_told_so_and_the_others_go_on(
    limits: dict[str, int], status: int
) -> None:
    async def application(_scope: Message, receive: Receive, send: Send) -> None:
        await body_of(receive)
        await text(send, 200)

    request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    async with serving(application, **limits) as port:
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        for reader, writer in held:
            writer.write(request)
            assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        said = await talk(port, request + b"x" * 100_000)
        assert said.startswith(b"HTTP/1.1 %d " % status)
        assert b"Retry-After: 5\r\n" in said
        for _, writer in held:
            writer.close()
        while not (await talk(port, request, until=b"\r\n\r\nx")).startswith(b"HTTP/1.1 200"):
            pass


async def test_proxies_of_ours_may_have_any_number_of_connections() -> None:
    async def application(_scope: Message, receive: Receive, send: Send) -> None:
        await body_of(receive)
        await text(send, 200)

    trusted = {"trust_forwarded": True, "trusted_proxies": ("127.0.0.0/8",)}
    async with serving(application, max_connections_per_peer=1, **trusted) as port:
        held = await asyncio.open_connection("127.0.0.1", port)
        request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
        assert (await talk(port, request, until=b"\r\n\r\nx")).startswith(b"HTTP/1.1 200")
        held[1].close()
