import json
from typing import Any

import pytest
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless
from tests.backends.dicomweb.served import (
    Answers,
    Liar,
    by_path,
    hilum,
    lying,
    origin,
    over_memory,
    said,
)  # fmt: skip
from tests.backends.dicomweb.wire import related
from tests.contract import made
from tests.contract.made import uid

from hilum.backends.memory import Memory
from hilum.codec.header import EXPLICIT_LITTLE
from hilum.core.backend import BulkData
from hilum.model import errors
from hilum.model.identity import Ref
from hilum.model.query import Path

pytestmark = pytest.mark.anyio
REF = Ref(uid(1), uid(1, 1), uid(1, 1, 1))
WHERE = f"/studies/{uid(1)}/series/{uid(1, 1)}/instances/{uid(1, 1, 1)}"
PIXELS: Path = (0x7FE00010,)


def metadata(uri: str | None, **more: Any) -> bytes:
    one: dict[str, Any] = {"00080018": {"vr": "UI", "Value": [uid(1, 1, 1)]}}
    one["7FE00010"] = {"vr": "OW", "BulkDataURI": uri, **more} if uri else {"vr": "OW", **more}
    return said(200, json.dumps([one]).encode())


async def value(answers: Answers, path: Path = PIXELS) -> tuple[bytes, BulkData, Liar]:
    async with lying(answers) as liar, origin(liar.url) as cloud, cloud.bulk(REF, path) as bulk:
        data = b"".join([chunk async for chunk in bulk.chunks])
    assert bulk.size == len(data)
    return data, bulk, liar


async def test_a_value_of_a_second_hilum_is_the_same() -> None:
    async with over_memory() as cloud:
        one = made.made(PixelData=bytes(range(256)) * 9000)
        async with cloud.open() as session:
            await session.store(one.instance())
        async with cloud.bulk(REF, PIXELS) as bulk:
            assert b"".join([chunk async for chunk in bulk.chunks]) == bytes(range(256)) * 9000
            assert bulk.size == 256 * 9000
            assert not bulk.encapsulated
        for missing in (Ref(uid(1), uid(1, 1), "1.9"), Ref("1.9", "1.8", "1.7")):
            with pytest.raises(errors.NotFound):
                async with cloud.bulk(missing, PIXELS):
                    pass


@pytest.mark.parametrize("syntax", [JPEG2000Lossless, JPEGLSLossless])
async def test_compressed_frames_of_a_second_hilum_are_those_that_it_keeps(syntax: str) -> None:
    starts = {JPEG2000Lossless: b"\xff\x4f", JPEGLSLossless: b"\xff\xd8"}[syntax]
    frames = [starts + bytes([number]) * 1001 for number in range(5)]
    one = made.dataset(NumberOfFrames=5)
    one.PixelData = encapsulate(frames)
    one["PixelData"].VR = "OB"
    one["PixelData"].is_undefined_length = True
    memory = Memory()
    async with memory.open() as session:
        assert (await session.store(made.of(one, syntax).instance())).failure is None
    async with hilum(memory) as url, origin(url) as cloud, cloud.bulk(REF, PIXELS) as bulk:
        data = b"".join([chunk async for chunk in bulk.chunks])
        assert bulk.encapsulated
        assert bulk.transfer_syntax_uid == syntax
        assert bulk.size == len(data)
    padded = [frame + b"\0" * (len(frame) & 1) for frame in frames]
    assert list(generate_frames(data, number_of_frames=5)) == padded
    offsets = [int.from_bytes(data[at : at + 4], "little") for at in range(8, 28, 4)]
    assert offsets == [number * (8 + len(padded[0])) for number in range(5)]


@pytest.mark.parametrize(
    "uri",
    [
        "http://{host}/web/there",
        "/web/there",
        "../there",
        "there",
        "http://inside.example/x/studies/there",
    ],
)
async def test_the_servers_uri_is_asked_wherever_it_leads_within_the_server(uri: str) -> None:
    async def answer(request: Any, writer: Any) -> None:
        if request.path.endswith("/metadata"):
            writer.write(metadata(uri.format(host=request.headers["host"])))
        else:
            assert request.path.endswith("/there")
            writer.write(said(200, b"abcd", ""))

    data, bulk, _ = await value(answer)
    assert data == b"abcd"
    assert bulk.size == 4


@pytest.mark.parametrize(
    "uri",
    [
        *("{url}/there", "file:///etc/passwd", "ftp://x/studies/1", "//evil.example/there"),
        *("http://[x", "//[::1/studies/1", "there\0", "http://@127.0.0.1:1/studies/"),
    ],
)
async def test_another_server_is_never_asked(uri: str) -> None:
    async with lying(by_path({"/there": said(200, b"abcd")})) as thief:
        answers = by_path({"/metadata": metadata(uri.format(url=thief.url))})
        with pytest.raises(errors.HilumError):
            await value(answers)
        assert thief.asked == []


async def test_a_value_whose_length_nobody_told_is_buffered() -> None:
    whole = bytes(range(256)) * 20_000
    chunked = b"HTTP/1.1 200 X\r\nContent-Type: application/octet-stream\r\n"
    chunked += b"Transfer-Encoding: chunked\r\n\r\n"
    chunked += f"{len(whole):x}\r\n".encode() + whole + b"\r\n0\r\n\r\n"
    data, bulk, _ = await value(by_path({"/metadata": metadata("there"), "/there": chunked}))
    assert data == whole
    assert bulk.transfer_syntax_uid == EXPLICIT_LITTLE


@pytest.mark.parametrize("count", [1, 3])
async def test_octets_in_a_multipart_are_one_value(count: int) -> None:
    kind = 'multipart/related; type="application/octet-stream"; boundary=x7'
    body = related([b"ab\r\n"] * count, "Content-Type: application/octet-stream\r\n")
    answers = by_path({"/metadata": metadata("there"), "/there": said(200, body, kind)})
    data, bulk, _ = await value(answers)
    assert data == b"ab\r\n" * count
    assert not bulk.encapsulated


@pytest.mark.parametrize(
    ("kind", "syntax"),
    [
        ("image/jp2", "1.2.840.10008.1.2.4.90"), ("image/jls", "1.2.840.10008.1.2.4.80"),
        ("image/jpeg; transfer-syntax=1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.50"),
        ("application/octet-stream; transfer-syntax=1.2.840.10008.1.2.5", "1.2.840.10008.1.2.5"),
        ("video/mp4", "1.2.840.10008.1.2.4.102"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("alone", [False, True])
async def test_frames_become_items(kind: str, syntax: str, *, alone: bool) -> None:
    if alone:
        there = said(200, b"\xff\xd8\xff", kind)
    else:
        body = related([b"\xff\xd8\xff", b"\xff\xd8"], f"Content-Type: {kind}\r\n")
        there = said(200, body, "multipart/related; boundary=x7")
    data, bulk, _ = await value(by_path({"/metadata": metadata("there"), "/there": there}))
    assert bulk.encapsulated
    assert bulk.transfer_syntax_uid == syntax
    expected = [b"\xff\xd8\xff\0"] if alone else [b"\xff\xd8\xff\0", b"\xff\xd8"]
    assert list(generate_frames(data, number_of_frames=len(expected))) == expected


async def test_what_is_not_acceptable_is_asked_for_otherwise() -> None:
    asked: list[str] = []

    async def answer(request: Any, writer: Any) -> None:
        if request.path.endswith("/metadata"):
            writer.write(metadata("there"))
            return
        asked.append(request.headers["accept"])
        writer.write(said(200, b"abcd", "") if request.headers["accept"] == "*/*" else said(406))

    assert (await value(answer))[0] == b"abcd"
    assert len(asked) == 3


async def test_a_value_within_the_metadata_is_given() -> None:
    data, bulk, _ = await value(by_path({"/metadata": metadata(None, InlineBinary="AAEC")}))
    assert data == b"\0\1\2"
    assert bulk.size == 3
    with pytest.raises(errors.BackendFault):
        await value(by_path({"/metadata": metadata(None, InlineBinary="?")}))


async def test_a_value_that_is_no_bulk_data_is_not_found() -> None:
    with pytest.raises(errors.NotFound):
        await value(by_path({"/metadata": metadata(None, Value=[1])}))


async def test_what_the_metadata_does_not_name_is_not_offered() -> None:
    with pytest.raises(errors.NotOffered):
        await value(by_path({"/metadata": metadata("x")}), (0x00420011,))
    with pytest.raises(errors.NotOffered):
        await value(by_path({"/metadata": said(501)}))


async def test_a_value_that_is_short_is_an_error() -> None:
    cut = said(200, b"abcdef", "")[:-2]

    async def answer(request: Any, writer: Any) -> None:
        writer.write(metadata("there") if request.path.endswith("/metadata") else cut)
        if not request.path.endswith("/metadata"):
            await writer.drain()
            raise EOFError

    with pytest.raises(errors.BackendError):
        await value(answer)
