"""What is taken here h11 takes too, and in the same way; what is answered it would answer."""

import h11
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hilum.net.exchange import Exchange, Frames
from hilum.net.pieces import Pieces
from hilum.net.plain import Plain, Told

GET = b"GET /a?b=c HTTP/1.1\r\nHost: x\r\n"
LINES = (
    *(b"Host: x", b"host:x", b"HOST:\tx\t ", b"Host : x", b" Host: x", b"Host", b"", b":", b": x"),
    *(b"Connection: keep-alive", b"Connection: close", b"Connection: upgrade", b"X-\xe9: x"),
    *(
        b"X: \xe9",
        b"X: a b\tc ",
        b"X:",
        b"X: \x00",
        b"X: \x0b",
        b"X: a\rb",
        b"X: a\nY: b",
        b"X=: y",
    ),
    *(b"Content-Length: 0", b"Content-Length: 5", b"Content-Length : 5", b"content-length: +1"),
    *(b"Transfer-Encoding: chunked", b"Transfer-Encoding:\x0bchunked", b"Expect: 100-continue"),
    *(b"Upgrade: websocket", b"Accept: */*", b"X: a\r\n folded", b"X: " + b"y" * 70_000),
)
REQUESTS = st.builds(
    lambda line, headers, ends, rest: ends[0].join((line, *headers, b"")) + ends[1] + rest,
    st.sampled_from(
        (
            *(b"GET / HTTP/1.1", b"HEAD /a?b HTTP/1.1", b"POST / HTTP/1.1", b"get / HTTP/1.1"),
            *(b"GET / HTTP/1.0", b"GET  / HTTP/1.1", b"GET /\t HTTP/1.1", b"GET /\xe9 HTTP/1.1"),
            *(b"GET http://x/ HTTP/1.1", b"GET * HTTP/1.1", b"GET / HTTP/2.0", b"GET /"),
            *(
                b"CONNECT x:1 HTTP/1.1",
                b"\r\nGET / HTTP/1.1",
                b"GET / HTTP/1.1 ",
                b"PRI * HTTP/2.0",
            ),
        )
    ),
    st.lists(st.sampled_from(LINES) | st.binary(max_size=9), max_size=4),
    st.sampled_from(((b"\r\n", b"\r\n"), (b"\n", b"\n"), (b"\r\n", b"\n"), (b"\r\n", b""))),
    st.sampled_from((b"", b"x", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\r\n")),
)


@given(REQUESTS | st.lists(st.sampled_from(LINES), max_size=3).map(lambda x: GET + b"\r\n".join(x)))
@example(GET + b"\r\n")
@example(GET + b"Connection: Keep-Alive\r\nX: a\tb\xff \r\n\r\n")
@example(GET.replace(b"Host", b"hOST") + b"Content-Length: 0\r\n\r\n")
def test_h11_would_understand_the_same(data: bytes) -> None:
    told = Told()
    found = Plain.read(data, told)
    again = Plain.read(data, told)
    if found is None or again is None:
        assert found is again
        return
    assert again.headers == found.headers
    assert again.headers is not found.headers
    asked = Exchange(64 * 1024)
    asked.receive_data(data)
    request = asked.next_event()
    assert isinstance(request, h11.Request)
    assert request.http_version == b"1.1"
    assert (request.method, request.target) == (found.method, found.target)
    assert list(request.headers) == found.headers
    assert isinstance(asked.next_event(), h11.EndOfMessage)
    assert asked.trailing_data == (b"", False)


@pytest.mark.parametrize(
    "data",
    [
        GET,  # not all of it
        GET + b"\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",  # a second one
        GET + b"\r\nbody",
        GET.replace(b"Host: x\r\n", b"") + b"\r\n",
        GET + b"Host: y\r\n\r\n",
        GET + b"Content-Length: 0\r\n\r\n",
        GET + b"Transfer-Encoding: chunked\r\n\r\n",
        GET + b"Expect: 100-continue\r\n\r\n",
        GET + b"Connection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        GET + b"Connection: close\r\n\r\n",
        GET + b"X: a\r\n folded\r\n\r\n",
        GET + b"X: \x00\r\n\r\n",
        GET + b"X : y\r\n\r\n",
        GET.replace(b"\r\n", b"\n") + b"\n",
        GET.replace(b"1.1", b"1.0") + b"\r\n",
        GET.replace(b"GET", b"POST") + b"\r\n",
        GET.replace(b"/a", b"http://x/a") + b"\r\n",
        GET + b"X: " + b"y" * 17_000 + b"\r\n\r\n",
    ],
)
def test_what_is_unusual_is_left_to_h11(data: bytes) -> None:
    assert Plain.read(data, Told()) is None


def test_each_request_has_its_own_headers_however_alike_the_one_before_was() -> None:
    told = Told()
    heads = [b"X: 1\r\n", b"X: 1\r\n", b"X: 2\r\n", b"Connection: close\r\n", b"X: 2\r\n"]
    found = [Plain.read(GET + each + b"\r\n", told) for each in heads]
    assert [None if each is None else each.headers[1:] for each in found] == [
        [(b"x", b"1")],
        [(b"x", b"1")],
        [(b"x", b"2")],
        None,
        [(b"x", b"2")],
    ]


def framed(
    frames: Frames, status: int, headers: list[tuple[bytes, bytes]], *, known: bool
) -> bytes:
    pieces = [b"one", b"", Pieces([b"two", b"three"])]
    length = [(b"content-length", b"11")] if known else []
    sent = frames.head(status, headers + length)
    for piece in pieces:
        sent += frames.body(piece)
    return b"".join(sent + frames.end())


@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
@pytest.mark.parametrize("status", [200, 204, 206, 304, 404, 500])
@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("closes", [False, True])
def test_an_answer_is_framed_as_h11_does(
    method: bytes, status: int, *, known: bool, closes: bool
) -> None:
    data = GET.replace(b"GET", method) + b"\r\n"
    plain, asked = Plain.read(data, Told()), Exchange(1000)
    assert plain is not None
    asked.receive_data(data)
    asked.next_event()
    asked.next_event()
    headers = [(b"x-a", b"b c"), (b"x-b", b"")] + [(b"connection", b"close")] * closes
    assert plain.is_unanswered
    assert asked.is_unanswered
    ours, theirs = (framed(each, status, headers, known=known) for each in (plain, asked))
    assert ours == theirs.replace(b"Transfer-Encoding", b"transfer-encoding")
    assert plain.is_over == asked.is_over == (not closes)
    assert not plain.is_unanswered


@pytest.mark.parametrize(
    "header",
    [
        *((b"x", b"a\r\nset-cookie: c"), (b"x", b"a\nb"), (b"x", b"a\rb"), (b"x\r\ny: z", b"a")),
        *((b"x y", b"a"), (b"", b"a"), (b"x", b"\x00"), (b"content-length", b"-1")),
    ],
)
def test_a_header_that_is_none_is_not_sent(header: tuple[bytes, bytes]) -> None:
    plain = Plain.read(GET + b"\r\n", Told())
    assert plain is not None
    with pytest.raises(ValueError, match="an answer has"):
        plain.head(200, [header])
    assert plain.is_unanswered


@pytest.mark.parametrize("body", [b"x", b"xyz"])
def test_a_body_has_the_length_that_was_said(body: bytes) -> None:
    plain = Plain.read(GET + b"\r\n", Told())
    assert plain is not None
    plain.head(200, [(b"content-length", b"2")])
    with pytest.raises(ValueError, match="than was said"):
        plain.end() if plain.body(body) else None
    assert not plain.is_over
