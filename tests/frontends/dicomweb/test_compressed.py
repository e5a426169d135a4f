import zlib
from collections.abc import AsyncGenerator

import pytest
import zstandard
from starlette.requests import Request

from hilum.frontends.dicomweb.compressed import coding, compressed, compressing

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ((), ""),
        (("gzip, deflate, br",), "gzip"),
        (("gzip, deflate, br, zstd",), "zstd"),
        (("gzip", "zstd"), "zstd"),
        (("zstd;q=0.5, gzip",), "gzip"),
        (("zstd;q=0.5, gzip;q=0.5",), "zstd"),
        (("x-gzip",), "gzip"),
        (("*",), "gzip"),
        (("*, gzip;q=0",), ""),
        (("gzip;q=0",), ""),
        (("gzip; Q=0.000",), ""),
        (("gzip;q=rubbish",), "gzip"),
        (("identity, gzip;q=0.5",), ""),
        (("identity;q=0.5, gzip",), "gzip"),
        (("br",), ""),
    ],
)
def test_the_coding_that_is_liked_best(said: tuple[str, ...], name: str) -> None:
    headers = [(b"accept-encoding", each.encode()) for each in said]
    assert coding(Request({"type": "http", "headers": headers})) == name


@pytest.mark.parametrize("name", ["", "gzip", "zstd"])
@pytest.mark.parametrize("parts", [[b""], [b"a" * 5000], [b"x" * 100_000, b"", b"y"]])
async def test_at_once_and_in_pieces_it_is_the_same(name: str, parts: list[bytes]) -> None:
    async def pieces() -> AsyncGenerator[bytes, None]:
        for part in parts:
            yield part

    def plain(data: bytes) -> bytes:
        if name == "zstd":
            return zstandard.ZstdDecompressor().decompressobj().decompress(data)
        return zlib.decompress(data, 16 + zlib.MAX_WBITS) if name else data

    whole = b"".join(parts)
    assert plain(compressed(whole, name)) == whole
    assert plain(b"".join([piece async for piece in compressing(pieces(), name)])) == whole


@pytest.mark.parametrize(("said", "name"), [("gzip, deflate, br, zstd", "gzip"), ("zstd", "")])
async def test_what_lies_there_in_one_coding_goes_out_in_no_other(said: str, name: str) -> None:
    headers = [(b"accept-encoding", said.encode())]
    assert coding(Request({"type": "http", "headers": headers}), ("gzip",)) == name
