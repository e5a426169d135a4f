import asyncio
import json
from typing import Any

import pytest
from tests.backends.dicomweb.served import (
    Answers,
    Request,
    always,
    by_path,
    hilum,
    lying,
    origin,
    over_memory,
    said,
)  # fmt: skip
from tests.backends.dicomweb.wire import house, listed
from tests.contract import made
from tests.contract.made import uid

from hilum.backends.dicomweb.describe import element_at
from hilum.backends.memory import Memory
from hilum.model import errors
from hilum.model.identity import Ref

pytestmark = pytest.mark.anyio
US = "http://us/aets/A"
STUDY = Ref(uid(1))
OURS = f"{US}/studies/{uid(1)}/series/{uid(1, 1)}/instances/{uid(1, 1, 1)}/bulkdata"
ONE: dict[str, Any] = {
    "00080018": {"vr": "UI", "Value": [uid(1, 1, 1)]},
    "0020000D": {"vr": "UI", "Value": [uid(1)]},
    "0020000E": {"vr": "UI", "Value": [uid(1, 1)]},
}


async def described(answers: Answers, ref: Ref = STUDY) -> list[dict[str, Any]]:
    async with (
        lying(answers) as liar,
        origin(liar.url) as cloud,
        cloud.describe(ref, US) as objects,
    ):
        return [json.loads(each) async for each in objects]


def metadata(*objects: object) -> bytes:
    return said(200, json.dumps(objects).encode())


async def test_the_metadata_of_a_second_hilum_is_the_same_but_for_its_urls() -> None:
    memory = Memory("FAR")
    async with memory.open() as session:
        for number in (1, 2, 3):
            await session.store(made.made(1, 1, number).instance())
    async with memory.describe(STUDY, US) as objects:
        right = [json.loads(each) async for each in objects]
    async with over_memory(memory) as cloud, cloud.describe(STUDY, US) as objects:
        assert [json.loads(each) async for each in objects] == right


async def test_urls_of_bulk_data_lead_to_us_wherever_they_stand() -> None:
    theirs = {
        **ONE,
        "00081190": {"vr": "UR", "Value": ["http://far/studies/1"]},
        "7fe00010": {"vr": "OW", "BulkDataURI": "http://far/a"},
        "00880200": {"vr": "SQ", "Value": [
            {}, {"7FE00010": {"vr": "OW", "BulkDataURI": "../b"},
                 "00880200": {"vr": "SQ",
                              "Value": [{"00420011": {"vr": "OB", "BulkDataURI": "c"}}]}},
        ]},
        "00420011": {"vr": "OB", "InlineBinary": "AAA="},
        "00081140": {"vr": "SQ", "Value": [None, "rubbish", {"00081150": "rubbish"}]},
    }  # fmt: skip
    (found,) = await described(always(metadata(theirs)))
    assert "00081190" not in found
    assert found["7fe00010"]["BulkDataURI"] == f"{OURS}/7FE00010"
    _, inner = found["00880200"]["Value"]
    assert inner["7FE00010"]["BulkDataURI"] == f"{OURS}/00880200/1/7FE00010"
    deep = inner["00880200"]["Value"][0]
    assert deep["00420011"]["BulkDataURI"] == f"{OURS}/00880200/1/00880200/0/00420011"
    assert found["00420011"] == theirs["00420011"]


async def test_uids_that_are_missing_are_those_of_the_request() -> None:
    bare = {"7FE00010": {"vr": "OW", "BulkDataURI": "x"}}
    (found,) = await described(always(metadata(bare)), Ref(uid(1), uid(1, 1), uid(1, 1, 1)))
    assert found["7FE00010"]["BulkDataURI"] == f"{OURS}/7FE00010"


async def test_objects_are_given_on_as_they_come() -> None:
    go_on = asyncio.Event()

    async def answer(_request: Request, writer: asyncio.StreamWriter) -> None:
        first, rest = b"[" + json.dumps(ONE).encode(), b"," + json.dumps(ONE).encode() + b"]"
        writer.write(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n")
        writer.write(f"{len(first):x}\r\n".encode() + first + b"\r\n")
        await writer.drain()
        await go_on.wait()
        writer.write(f"{len(rest):x}\r\n".encode() + rest + b"\r\n0\r\n\r\n")

    async with (
        lying(answer) as liar,
        origin(liar.url) as cloud,
        cloud.describe(STUDY, US) as objects,
    ):
        assert json.loads(await anext(objects)) == ONE
        go_on.set()
        assert len([each async for each in objects]) == 1


@pytest.mark.parametrize("status", [400, 405, 406, 415, 501])
async def test_a_server_without_metadata_does_not_offer_it(status: int) -> None:
    with pytest.raises(errors.NotOffered):
        await described(by_path({"/metadata": said(status)}))


async def test_a_study_that_is_there_without_metadata_is_not_offered() -> None:
    with pytest.raises(errors.NotOffered):
        await described(by_path({"/instances": listed(*house())}))


async def test_a_study_that_is_not_there_has_none() -> None:
    assert await described(by_path({})) == []
    async with (
        hilum(Memory()) as url,
        origin(url) as cloud,
        cloud.describe(Ref("1.9"), US) as objects,
    ):
        assert [each async for each in objects] == []


@pytest.mark.parametrize("body", [b"[{}", b"<html>", b'[{"a": 1}]', b'[{"a" {}}]'])
async def test_metadata_that_cannot_be_read_is_a_fault(body: bytes) -> None:
    with pytest.raises(errors.BackendFault):
        await described(always(said(200, body)))


async def test_partial_metadata_is_never_taken_for_whole() -> None:
    partial = said(206, json.dumps([ONE]).encode())
    with pytest.raises(errors.Incomplete):
        await described(always(partial))


def test_an_element_is_found_by_its_path() -> None:
    inner = {"00280010": {"vr": "US", "Value": [1]}}
    whole = {"00880200": {"vr": "SQ", "Value": [{}, inner]}, "7fe00010": {"vr": "OW"}}
    assert element_at(whole, (0x00880200, 1, 0x00280010)) == inner["00280010"]
    assert element_at(whole, (0x7FE00010,)) == {"vr": "OW"}
    nowhere = [(0x00280010,), (0x00880200, 0, 0x00280010), (0x00880200, 2, 0x00280010)]
    nowhere += [(0x00880200, 1, 0x00280010, 0, 0x00280010), (0x7FE00010, 0, 0x00280010)]
    for path in nowhere:
        assert element_at(whole, path) is None
