import zlib

import pytest
from tests.backends.dicomweb.served import always, lying, said
from tests.net.webserver import ANY, client

pytestmark = pytest.mark.anyio


async def test_what_no_length_is_told_of_has_none() -> None:
    chunked = b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    packed = said(200, zlib.compress(b"abc", wbits=31), "", "Content-Encoding: gzip")
    for answer in (chunked, packed):
        async with (
            lying(always(answer)) as liar,
            client(liar.url) as asked,
            asked.get(liar.url, ANY) as got,
        ):
            assert got.length is None
            assert got.kind == ""
            assert await got.read(3) == b"abc"


async def test_an_empty_body_may_claim_to_be_compressed() -> None:
    answer = said(200, b"", "", "Content-Encoding: gzip")
    async with (
        lying(always(answer)) as liar,
        client(liar.url) as asked,
        asked.get(liar.url, ANY) as got,
    ):
        assert await got.read(10) == b""
