import asyncio
import gc
import logging
import ssl
import time
import zlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
import trustme
from hypercorn.asyncio import serve
from hypercorn.config import Config
from pydantic import SecretStr
from tests.backends.dicomweb.served import Request, always, by_path, lying, said
from tests.net.webserver import ANY, body, client, settled, sockets
from tests.peers import free_port

from hilum.model import errors
from hilum.net.client import Accepts

pytestmark = pytest.mark.anyio
OK = said(200, b"good")


async def test_an_answer_is_a_status_headers_and_a_body() -> None:
    async with (
        lying(always(said(200, b"good", "text/plain", "X-More: 1"))) as liar,
        client(liar.url) as asked,
    ):
        async with asked.get(f"{liar.url}/a?b=c", ANY) as answer:
            assert answer.status == 200
            assert answer.kind == "text/plain"
            assert answer.length == 4
            assert answer.headers["x-more"] == "1"
            assert [piece async for piece in answer] == [b"good"]
        assert liar.targets == ["/web/a?b=c"]


async def test_a_connection_is_used_again_after_whole_answers_and_short_errors() -> None:
    answers = by_path({"/a": OK, "/b": said(404, b"no"), "/c": said(204, b"")})
    async with lying(answers) as liar, client(liar.url) as asked:
        for path in ("/a", "/b", "/c", "/a"):
            async with asked.get(liar.url + path, ANY, expected=frozenset({404})) as answer:
                if path == "/a":
                    await answer.read(100)
        assert liar.made == 1


async def test_credentials_and_headers_go_with_every_request() -> None:
    settings = {"bearer": SecretStr("secret"), "headers": {"X-Key": SecretStr("key")}}
    async with lying(always(OK)) as liar, client(liar.url, **settings) as asked:
        await body(asked, liar.url)
    (request,) = liar.asked
    assert request.headers["authorization"] == "Bearer secret"
    assert request.headers["x-key"] == "key"
    assert request.headers["user-agent"].startswith("hilum/")
    assert request.headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_a_busy_server_is_asked_again(status: int) -> None:
    async with lying(always(said(status), said(status), OK)) as liar, client(liar.url) as asked:
        assert await body(asked, liar.url) == b"good"
        assert len(liar.asked) == 3


async def test_one_that_stays_busy_is_given_up() -> None:
    async with lying(always(said(503))) as liar, client(liar.url, retries=2) as asked:
        with pytest.raises(errors.OutOfResources):
            await body(asked, liar.url)
        assert len(liar.asked) == 3


@pytest.mark.parametrize("status", [400, 401, 404, 500, 501])
async def test_other_errors_are_not_tried_again(status: int) -> None:
    async with lying(always(said(status))) as liar, client(liar.url) as asked:
        with pytest.raises(errors.HilumError):
            await body(asked, liar.url)
        assert len(liar.asked) == 1


@pytest.mark.parametrize("kind", ["seconds", "date"])
async def test_retry_after_goes_before_the_backoff(kind: str) -> None:
    when = (
        "1"
        if kind == "seconds"
        else format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
    )
    async with (
        lying(always(said(503, b"", "", f"Retry-After: {when}"), OK)) as liar,
        client(liar.url) as asked,
    ):
        began = time.monotonic()
        assert await body(asked, liar.url) == b"good"
        assert time.monotonic() - began > 0.7


async def test_who_is_told_to_come_much_later_is_told_at_once() -> None:
    async with (
        lying(always(said(503, b"", "", "Retry-After: 3600"))) as liar,
        client(liar.url) as asked,
    ):
        with pytest.raises(errors.OutOfResources, match="later"):
            await asyncio.wait_for(body(asked, liar.url), 2)


async def test_a_connection_that_breaks_before_the_answer_is_tried_again() -> None:
    left = [b"", OK[:9], OK]

    async def answer(_request: Request, writer: asyncio.StreamWriter) -> None:
        said_now = left.pop(0)
        writer.write(said_now)
        if said_now is not OK:
            await writer.drain()
            raise EOFError

    async with lying(answer) as liar, client(liar.url) as asked:
        assert await body(asked, liar.url) == b"good"
        assert len(liar.asked) == 3


@pytest.mark.parametrize(
    "cut",
    [said(200, b"x" * 100)[:-50], b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhal"],
)
async def test_a_body_that_ends_early_is_an_error_and_not_tried_again(cut: bytes) -> None:
    async def answer(_request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(cut)
        await writer.drain()
        raise EOFError

    async with lying(answer) as liar, client(liar.url) as asked:
        with pytest.raises(errors.BackendUnavailable):
            await body(asked, liar.url)
        assert len(liar.asked) == 1


async def test_nobody_there_is_unavailable_after_the_retries() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    async with client(url, retries=2) as asked:
        with pytest.raises(errors.BackendUnavailable, match="cannot be reached"):
            await body(asked, url)


async def test_a_server_that_comes_up_meanwhile_is_found() -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"

    async def later() -> None:
        await asyncio.sleep(0.3)
        server = await asyncio.start_server(_once, "127.0.0.1", port)
        try:
            await asyncio.sleep(30)
        finally:
            server.close()

    async def _once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said(200, b"up", "text/plain", "Connection: close"))
        await writer.drain()
        writer.close()

    async with asyncio.TaskGroup() as group, client(url, backoff=0.2, retries=5) as asked:
        task = group.create_task(later())
        assert await body(asked, url) == b"up"
        task.cancel()


async def _stall(_request: Request, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 X\r\nContent-Length: 100\r\n\r\nbegin")
    await writer.drain()
    await asyncio.sleep(30)


async def _silent(_request: Request, _writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(30)


@pytest.mark.parametrize("answers", [_stall, _silent])
async def test_a_silent_server_is_a_timeout(answers: object) -> None:
    async with lying(answers) as liar, client(liar.url, 0.3) as asked:  # type: ignore[arg-type]
        began = time.monotonic()
        with pytest.raises(errors.BackendTimeout):
            await body(asked, liar.url)
        assert time.monotonic() - began < 2
        assert len(liar.asked) == 1


async def test_who_waits_for_a_free_connection_too_long_is_told_so() -> None:
    async with (
        lying(_stall) as liar,
        client(liar.url, 0.3, max_connections=1) as asked,
        asked.get(liar.url, ANY),
    ):
        with pytest.raises(errors.OutOfResources):
            await body(asked, liar.url)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("target", ["/web/there", "there", "http://{host}/web/there"])
async def test_a_redirection_to_the_same_server_is_followed(status: int, target: str) -> None:
    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        location = target.format(host=request.headers["host"])
        moved = said(status, b"", "", f"Location: {location}")
        writer.write(OK if request.path == "/web/there" else moved)

    async with lying(answer) as liar, client(liar.url) as asked:
        assert await body(asked, f"{liar.url}/here") == b"good"


async def test_a_redirection_elsewhere_is_not_followed_and_takes_no_credentials_along() -> None:
    async with lying(always(OK)) as thief:
        answers = always(said(302, b"", "", f"Location: {thief.url}"))
        async with (
            lying(answers) as liar,
            client(liar.url, bearer=SecretStr("secret")) as asked,
        ):
            with pytest.raises(errors.BackendFault, match="elsewhere"):
                await body(asked, liar.url)
        assert thief.asked == []


@pytest.mark.parametrize(
    "location", ["http://[x", "//[::1", "http://{host}/a{long}", "file:///etc/passwd", "http://@"]
)
async def test_a_redirection_that_leads_nowhere_is_an_error_of_the_server(location: str) -> None:
    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        target = location.format(host=request.headers["host"], long="a" * 70_000)
        writer.write(said(302, b"", "", f"Location: {target}"))

    async with lying(answer) as liar, client(liar.url) as asked:
        with pytest.raises(errors.BackendError):
            await body(asked, liar.url)


async def test_redirections_in_a_circle_end() -> None:
    async with (
        lying(always(said(302, b"", "", "Location: /web"))) as liar,
        client(liar.url) as asked,
    ):
        with pytest.raises(errors.BackendFault, match="circle"):
            await body(asked, liar.url)
        assert len(liar.asked) == 5


async def test_another_server_is_never_asked() -> None:
    async with lying(always(OK)) as thief, lying(always(OK)) as liar, client(liar.url) as asked:
        with pytest.raises(errors.BackendFault, match="another server"):
            await body(asked, thief.url)
        assert thief.asked == []
    async with lying(always(OK)) as friend, client("http://x", also=(friend.url,)) as asked:
        assert await body(asked, friend.url) == b"good"


async def test_what_is_not_acceptable_is_asked_for_otherwise_and_remembered() -> None:
    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(OK if request.headers["accept"] == "b/b" else said(406))

    accepts = Accepts(("a/a", "b/b", "c/c"))
    async with lying(answer) as liar, client(liar.url) as asked:
        assert await body(asked, liar.url, accepts) == b"good"
        assert await body(asked, liar.url, accepts) == b"good"
        assert [each.headers["accept"] for each in liar.asked] == ["a/a", "b/b", "b/b"]
    async with lying(always(said(406))) as liar, client(liar.url) as asked:
        with pytest.raises(errors.BackendFault):
            await body(asked, liar.url, accepts)
        assert [each.headers["accept"] for each in liar.asked] == ["b/b", "a/a", "c/c"]


@pytest.mark.parametrize(("encoding", "bits"), [("gzip", 31), ("deflate", 15), ("x-gzip", 31)])
async def test_a_compressed_body_is_inflated_in_bounded_pieces(encoding: str, bits: int) -> None:
    plain = bytes(20_000_000)
    packer = zlib.compressobj(wbits=bits)
    packed = packer.compress(plain) + packer.flush()
    whole = said(200, packed, "text/plain", f"Content-Encoding: {encoding}")
    async with lying(always(whole)) as liar, client(liar.url) as asked:
        async with asked.get(liar.url, Accepts(("*/*",), gzip=True)) as answer:
            assert answer.length is None
            sizes = [len(piece) async for piece in answer]
        assert liar.asked[0].headers["accept-encoding"] == "gzip"
    assert sum(sizes) == len(plain)
    assert max(sizes) <= 256 * 1024


@pytest.mark.parametrize("packed", [b"nonsense", zlib.compress(bytes(1000), wbits=31)[:-12]])
async def test_a_compressed_body_that_is_broken_is_an_error(packed: bytes) -> None:
    whole = said(200, packed, "text/plain", "Content-Encoding: gzip")
    async with lying(always(whole)) as liar, client(liar.url) as asked:
        with pytest.raises(errors.BackendFault):
            await body(asked, liar.url)


async def test_an_encoding_that_was_not_asked_for_is_refused() -> None:
    whole = said(200, b"x", "text/plain", "Content-Encoding: br")
    async with lying(always(whole)) as liar, client(liar.url) as asked:
        with pytest.raises(errors.BackendFault):
            await body(asked, liar.url)


async def test_a_body_is_not_read_beyond_the_limit() -> None:
    async def answer(_request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"1000\r\n" + bytes(4096) + b"\r\n")
            await writer.drain()

    async with lying(answer) as liar, client(liar.url) as asked, asked.get(liar.url, ANY) as got:
        with pytest.raises(errors.BackendFault, match="more than"):
            await got.read(1_000_000)


async def _body(*pieces: bytes, error: Exception | None = None) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
    if error is not None:
        raise error


async def test_a_body_is_streamed_with_its_length_or_in_chunks() -> None:
    async with lying(always(OK)) as liar, client(liar.url) as asked:
        for headers in ({"Content-Length": "6"}, {}):
            async with asked.post(liar.url, headers, _body(b"abc", b"def")) as answer:
                assert answer.status == 200
    known, unknown = liar.asked
    assert known.body == unknown.body == b"abcdef"
    assert "transfer-encoding" not in known.headers
    assert unknown.headers["transfer-encoding"] == "chunked"


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_what_changes_something_is_never_sent_twice(status: int) -> None:
    async with lying(always(said(status))) as liar, client(liar.url) as asked:
        async with asked.post(liar.url, {}, _body(b"abc")) as answer:
            assert answer.status == status
        assert len(liar.asked) == 1


async def test_what_changes_something_is_not_sent_again_on_a_broken_connection() -> None:
    async def answer(_request: Request, _writer: asyncio.StreamWriter) -> None:
        raise EOFError

    async with lying(answer) as liar, client(liar.url) as asked:
        with pytest.raises(errors.BackendUnavailable):
            async with asked.post(liar.url, {}, _body(b"abc")):
                pass
        assert len(liar.asked) == 1


async def test_a_body_whose_source_fails_has_no_end() -> None:
    for headers in ({"Content-Length": "6"}, {}):
        async with lying(always(OK)) as liar, client(liar.url) as asked:
            with pytest.raises(errors.Incomplete):
                async with asked.post(
                    liar.url, headers, _body(b"abc", error=errors.Incomplete("source"))
                ):
                    pass
            await asyncio.sleep(0.05)
            assert liar.asked == []
            assert liar.open == 0


async def test_neither_urls_nor_credentials_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with lying(always(OK)) as liar, client(liar.url, bearer=SecretStr("secret")) as asked:
        await body(asked, f"{liar.url}/studies?PatientName=Doe")
    assert "Doe" not in caplog.text
    assert "secret" not in caplog.text


def _tls(ca: trustme.CA, *names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert(*names).configure_cert(context)
    return context


async def test_a_private_authority_makes_tls_good(tmp_path: Path) -> None:
    ca = trustme.CA()
    file = tmp_path / "ca.pem"
    ca.cert_pem.write_to_path(file)
    async with (
        lying(always(OK), _tls(ca, "127.0.0.1")) as liar,
        client(liar.url, ca_file=file) as asked,
    ):
        assert await body(asked, liar.url) == b"good"


async def test_a_silent_server_is_a_timeout_also_over_tls(tmp_path: Path) -> None:
    async def silent(_request: Request, _writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(10)

    ca = trustme.CA()
    file = tmp_path / "ca.pem"
    ca.cert_pem.write_to_path(file)
    async with (
        lying(silent, _tls(ca, "127.0.0.1")) as liar,
        client(liar.url, 0.3, ca_file=file) as asked,
    ):
        with pytest.raises(errors.BackendTimeout):
            await body(asked, liar.url)


async def test_a_connection_that_breaks_before_the_answer_is_tried_again_also_over_tls(
    tmp_path: Path,
) -> None:
    ca = trustme.CA()
    file = tmp_path / "ca.pem"
    ca.cert_pem.write_to_path(file)

    async def answers(_request: Request, writer: asyncio.StreamWriter) -> None:
        if len(liar.asked) < 2:
            raise EOFError
        writer.write(OK)

    async with (
        lying(answers, _tls(ca, "127.0.0.1")) as liar,
        client(liar.url, ca_file=file) as asked,
    ):
        assert await body(asked, liar.url) == b"good"


@pytest.mark.parametrize("fault", ["authority", "name"])
async def test_a_server_that_cannot_be_trusted_is_told_of_at_once(
    tmp_path: Path, fault: str
) -> None:
    ca = trustme.CA()
    file = tmp_path / "ca.pem"
    (trustme.CA() if fault == "authority" else ca).cert_pem.write_to_path(file)
    context = _tls(ca, "elsewhere.example" if fault == "name" else "127.0.0.1")
    async with (
        lying(always(OK), context) as liar,
        client(liar.url, ca_file=file, backoff=5.0) as asked,
    ):
        with pytest.raises(errors.BackendUnavailable, match="TLS"):
            await asyncio.wait_for(body(asked, asked.root), 3)


async def test_a_server_that_knows_no_tls_is_told_of_at_once() -> None:
    async def plain(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said(400))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(plain, "127.0.0.1", 0)
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        async with client(url, backoff=5.0) as asked:
            with pytest.raises(errors.BackendUnavailable, match="TLS"):
                await asyncio.wait_for(body(asked, url), 3)
    finally:
        server.close()


async def test_a_proxy_is_used_where_one_is_configured() -> None:
    async with (
        lying(always(OK)) as proxy,
        client("http://images.example/web", proxy=f"http://127.0.0.1:{proxy.port}") as asked,
    ):
        assert await body(asked, "http://images.example/web/studies") == b"good"
        assert proxy.targets == ["http://images.example/web/studies"]


async def test_a_proxy_is_used_where_the_environment_names_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with lying(always(OK)) as proxy:
        monkeypatch.setenv("http_proxy", f"http://me:pw@127.0.0.1:{proxy.port}")
        monkeypatch.setenv("no_proxy", "near.example")
        async with client("http://images.example/web") as asked:
            assert await body(asked, "http://images.example/web/studies") == b"good"
        assert proxy.asked[0].headers["proxy-authorization"].startswith("Basic ")
        async with client("http://near.example", connect_timeout=0.5, retries=0) as asked:
            with pytest.raises(errors.HilumError):
                await body(asked, "http://near.example")
        assert len(proxy.asked) == 1


async def _endless(_request: Request, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"10000\r\n" + bytes(65536) + b"\r\n")
        await writer.drain()
        await asyncio.sleep(0)  # asyncio's TLS tells nobody who never waits that the peer is gone


async def test_answers_left_in_the_middle_leave_nothing_behind() -> None:
    async with lying(_endless) as liar, client(liar.url) as asked:
        gc.disable()
        try:
            before = sockets(), len(asyncio.all_tasks())
            for number in range(40):
                async with asked.get(liar.url, ANY) as answer:
                    for _ in range(number % 4):
                        await anext(answer)
            assert await settled(*before) == (0, 0)
            assert liar.open == 0
        finally:
            gc.enable()


@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.parametrize("wait", [0.0, 0.002, 0.01, 0.05])
async def test_requests_cancelled_at_any_time_leave_nothing_behind(
    tmp_path: Path, wait: float, *, secure: bool
) -> None:
    ca = trustme.CA()
    file = tmp_path / "ca.pem"
    ca.cert_pem.write_to_path(file)
    context = _tls(ca, "127.0.0.1") if secure else None
    async with lying(_endless, context) as liar, client(liar.url, ca_file=file) as asked:

        async def read() -> None:
            async with asked.get(liar.url, ANY) as answer:
                async for _ in answer:
                    pass

        gc.disable()
        try:
            before = sockets(), len(asyncio.all_tasks())
            for _ in range(10):
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(wait):
                        await read()
            assert await settled(*before) == (0, 0)
        finally:
            gc.enable()


async def _application(scope: dict[str, object], _receive: object, send: object) -> None:
    if scope["type"] != "http":
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})  # type: ignore[operator]
    for _ in range(100 if scope["path"] == "/long" else 1):
        await send(  # type: ignore[operator]
            {"type": "http.response.body", "body": bytes(65536), "more_body": True}
        )
    await send({"type": "http.response.body", "body": b""})  # type: ignore[operator]


async def test_http_2_goes_on_after_hundreds_of_answers_left_in_the_middle(tmp_path: Path) -> None:
    ca = trustme.CA()
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    issued = ca.issue_cert("127.0.0.1")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    port, config, stop = free_port(), Config(), asyncio.Event()
    config.bind = [f"127.0.0.1:{port}"]
    config.certfile, config.keyfile = str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")
    config.errorlog = config.accesslog = None
    config.graceful_timeout = 0.5
    url = f"https://127.0.0.1:{port}"
    async with asyncio.TaskGroup() as group:
        group.create_task(serve(_application, config, shutdown_trigger=stop.wait))  # type: ignore[arg-type]
        async with client(
            url, ca_file=tmp_path / "ca.pem", http2=True, backoff=0.1, retries=5
        ) as asked:
            async with asked.get(f"{url}/", ANY) as answer:
                assert len(await answer.read(10**6)) == 65536
                assert answer._body._stream._connection._h2_state is not None
            for _ in range(300):
                async with asked.get(f"{url}/long", ANY) as answer:
                    await anext(answer)
            assert len(await body(asked, f"{url}/long")) == 100 * 65536
        stop.set()
