import zlib

import pytest

from hilum.codec import deflate
from hilum.codec.deflate import Inflater, inflate
from hilum.model.errors import BadDataset


def packed(data: bytes) -> bytes:
    deflater = zlib.compressobj(wbits=-15)
    return deflater.compress(data) + deflater.flush()


def test_both_kinds_of_deflated_data_are_inflated():
    assert inflate(packed(b"abc" * 1000)) == (b"abc" * 1000, False)
    assert inflate(zlib.compress(b"abc" * 1000)) == (b"abc" * 1000, False)
    assert inflate(packed(b"abc") + b"\0") == (b"abc", False)


def test_a_bomb_is_inflated_only_in_part(monkeypatch):
    monkeypatch.setattr(deflate, "MAX_INFLATED", 5000)
    assert inflate(packed(bytes(10_000_000))) == (bytes(5000), True)


def test_pieces_are_small_whatever_they_inflate_to():
    inflater = Inflater()
    pieces = list(inflater.feed(packed(bytes(50_000_000))))
    assert max(map(len, pieces)) <= 1024 * 1024
    assert sum(map(len, pieces)) + len(inflater.close()) == 50_000_000


@pytest.mark.parametrize("data", [b"\xff\xff\xff", b"\x78\xff\xff"])
def test_what_is_not_deflated_is_refused(data):
    with pytest.raises(BadDataset):
        inflate(data)
    with pytest.raises(BadDataset):
        list(Inflater().feed(data))


def test_a_stream_without_its_end_is_refused():
    inflater = Inflater()
    list(inflater.feed(packed(b"abc" * 1000)[:-1]))
    with pytest.raises(BadDataset):
        inflater.close()


def test_no_more_is_inflated_than_is_needed() -> None:
    seen: list[int] = []

    def is_enough(data: bytearray) -> bool:
        seen.append(len(data))
        return len(data) > 1_000_000

    data, is_more = inflate(packed(bytes(50_000_000)), is_enough=is_enough)
    assert is_more
    assert len(data) < 10_000_000
    assert len(seen) < 10
