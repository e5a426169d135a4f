import asyncio

import pytest
from tests.backends.dicomweb.served import Request, always, lying, said
from tests.backends.dicomweb.wire import BOUNDARY, RELATED, related
from tests.net.webserver import ANY, client

from hilum.backends.dicomweb.events import Events
from hilum.codec.multipart import PartData, PartEnded, PartStarted
from hilum.model import errors

pytestmark = pytest.mark.anyio


async def parts(whole: bytes) -> list[tuple[dict[str, str], bytes]]:
    async with (
        lying(always(whole)) as liar,
        client(liar.url) as asked,
        asked.get(liar.url, ANY) as answer,
    ):
        events = Events(answer, "the server")
        found: list[tuple[dict[str, str], bytes]] = []
        while (event := await events.next()) is not None:
            if isinstance(event, PartStarted):
                found.append((dict(event.headers), b""))
            elif isinstance(event, PartData):
                found[-1] = (found[-1][0], found[-1][1] + event.data)
            else:
                assert isinstance(event, PartEnded)
        assert await events.next() is None
        return found


@pytest.mark.parametrize(
    "kind",
    [
        RELATED, RELATED.replace('"', ""), f'multipart/related; boundary="{BOUNDARY}"',
        f"multipart/form-data; boundary={BOUNDARY}", RELATED.upper().replace("X7", "x7"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("headers", ["", "Content-Type: a/b\r\nContent-Length: 3\r\n"])
async def test_a_multipart_is_read_with_or_without_headers(kind: str, headers: str) -> None:
    found = await parts(
        said(200, b"preamble\r\n" + related([b"abc", b""], headers) + b"behind", kind)
    )
    assert [data for _, data in found] == [b"abc", b""]
    assert found[0][0] == ({"content-type": "a/b", "content-length": "3"} if headers else {})


async def test_something_alone_is_one_part() -> None:
    assert await parts(said(200, b"abc", "application/dicom")) == [
        ({"content-type": "application/dicom", "content-length": "3"}, b"abc")
    ]


@pytest.mark.parametrize("cut", [1, 2, 4, 10, 40])
async def test_a_multipart_without_its_end_is_an_error(cut: int) -> None:
    with pytest.raises(errors.BackendFault):
        await parts(said(200, related([b"abc", b"def"]).removesuffix(b"--\r\n")[:-cut], RELATED))


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (related([b"abc"]), "multipart/related"), (b"<html>" * 100, RELATED),
        (f"--{BOUNDARY}\r\nno colon\r\n\r\n".encode(), RELATED),
        (f"--{BOUNDARY}\r\n".encode() + b"a: " + bytes(50_000), RELATED),
    ],
)  # fmt: skip
async def test_a_malformed_multipart_is_an_error(body: bytes, kind: str) -> None:
    with pytest.raises(errors.BackendFault):
        await parts(said(200, body, kind))


@pytest.mark.parametrize("begin", [b"", related([b"abc"])])
async def test_a_multipart_is_not_read_for_ever(begin: bytes) -> None:
    async def answer(_request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(
            f"HTTP/1.1 200 X\r\nContent-Type: {RELATED}\r\n".encode()
            + b"Transfer-Encoding: chunked\r\n\r\n"
        )
        if begin:
            writer.write(f"{len(begin):x}\r\n".encode() + begin + b"\r\n")
        while True:
            writer.write(b"10000\r\n" + b" " * 65536 + b"\r\n")
            await writer.drain()

    async with (
        lying(answer) as liar,
        client(liar.url) as asked,
        asked.get(liar.url, ANY) as got,
        asyncio.timeout(20),
    ):
        events = Events(got, "the server")
        if begin:  # all of it is there, whatever comes behind
            while await events.next() is not None:
                pass
        else:
            with pytest.raises(errors.BackendFault):
                await events.next()


async def _until_the_end(events: Events) -> None:
    while await events.next() is not None:
        pass


async def test_what_broke_stays_broken() -> None:
    async with (
        lying(always(said(200, related([b"abc"], end=False), RELATED))) as liar,
        client(liar.url) as asked,
        asked.get(liar.url, ANY) as answer,
    ):
        events = Events(answer, "the server")
        with pytest.raises(errors.BackendFault):
            await _until_the_end(events)
        with pytest.raises(errors.BackendFault):
            await events.next()
        assert isinstance(events.broken, errors.BackendFault)
