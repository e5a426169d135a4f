import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilum.codec.http_body import (
    MAX_LINE,
    MAX_TRAILERS,
    Chunked,
    Counted,
    Framing,
    Malformed,
    Unframed,
    framing,
)


def fed(body: Framing, data: bytes, size: int) -> bytes:
    return b"".join(
        piece for at in range(0, len(data), size) for piece in body.feed(data[at : at + size])
    )


def chunked(*chunks: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(each), each) for each in chunks) + end


@given(st.lists(st.binary(min_size=1, max_size=300), max_size=8), st.integers(1, 400))
def test_chunks_are_joined_however_they_are_cut(chunks: list[bytes], size: int) -> None:
    body = Chunked()
    assert fed(body, chunked(*chunks), size) == b"".join(chunks)
    assert (body.done, body.rest, body.eof()) == (True, b"", True)


def test_a_piece_within_a_chunk_is_not_copied() -> None:
    body, piece = Chunked(), bytes(1000)
    body.feed(b"1000\r\n")
    assert body.feed(piece)[0] is piece


@pytest.mark.parametrize("body", [Chunked(), Counted(1000), Unframed()])
def test_of_a_view_nothing_is_copied(body: Framing) -> None:
    if isinstance(body, Chunked):
        body.feed(b"3e8\r\n")
    data = bytes(500)
    (piece,) = body.feed(memoryview(data))
    assert isinstance(piece, memoryview)
    assert piece.obj is data


@pytest.mark.parametrize(
    "data",
    [
        b"5;name=value\r\nhello\r\n0\r\n\r\n",
        b"0005\r\nhello\r\n0\r\nTrailer: x\r\nOther: y\r\n\r\n",
        b"5\nhello\n0\n\n",
        b" 5 \r\nhello\r\n0\r\n\r\n",
    ],
)
def test_what_peers_write_into_chunks_is_read(data: bytes) -> None:
    for size in (1, 3, 100):
        body = Chunked()
        assert fed(body, data, size) == b"hello"
        assert body.done


@pytest.mark.parametrize(
    "data",
    [
        b"x\r\n",
        b"\r\n",
        b"-5\r\nhello\r\n",
        b"5\r\nhelloworld\r\n",
        b"1" * 17 + b"\r\n",
        b"5;" + b"x" * (MAX_LINE + 1),
        b"5;" + b"x" * (MAX_LINE + 1) + b"\r\nhello\r\n",
        b"0\r\n" + b"Trailer: x\r\n" * (MAX_TRAILERS // 9),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_what_is_not_chunked_is_malformed(data: bytes, size: int) -> None:
    with pytest.raises(Malformed):
        fed(Chunked(), data, size)


@pytest.mark.parametrize("body", [Counted(5), Chunked()])
def test_a_body_that_ends_early_is_not_whole(body: Framing) -> None:
    body.feed(b"5\r\n")
    assert not body.eof()


def test_a_counted_body_ends_with_its_count() -> None:
    body = Counted(5)
    assert fed(body, b"helloworld", 3) == b"hello"
    assert (body.done, body.rest) == (True, b"world")


def test_what_is_behind_the_chunks_is_told() -> None:
    body = Chunked()
    assert body.feed(chunked(b"hello") + b"HTTP/1.1") == [b"hello"]
    assert (body.done, body.rest) == (True, b"HTTP/1.1")


def test_a_body_without_a_length_ends_with_its_connection() -> None:
    body = Unframed()
    assert body.feed(b"hello") == [b"hello"]
    assert not body.done
    assert body.eof()


@pytest.mark.parametrize(
    ("method", "status", "headers", "kind"),
    [
        ("GET", 200, {"content-length": "5"}, Counted),
        ("GET", 200, {"transfer-encoding": "chunked", "content-length": "5"}, Chunked),
        ("GET", 200, {}, Unframed),
        ("HEAD", 200, {"content-length": "5"}, Counted),
        ("GET", 204, {}, Counted),
        ("GET", 304, {"content-length": "5"}, Counted),
    ],
)
def test_the_head_tells_the_framing(
    method: str, status: int, headers: dict[str, str], kind: type[object]
) -> None:
    body = framing(method, status, headers)
    assert isinstance(body, kind)
    assert body.done == (method == "HEAD" or status in {204, 304})
