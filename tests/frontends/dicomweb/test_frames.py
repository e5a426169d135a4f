import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from struct import pack
from typing import Any

import pytest
from dicomweb_client.api import DICOMwebClient
from tests.backends.cache.far import descriptors, until
from tests.contract.made import Made, made, uid
from tests.frontends.dicomweb.conftest import Served, cut_off
from tests.frontends.dicomweb.test_wado import parts_of

from hilum.backends.archive import Archive, open_archive
from hilum.config.imaging import ImagingSettings
from hilum.config.mounts import ArchiveMount
from hilum.workshop.pool import Workshop, open_workshop

pytestmark = pytest.mark.anyio

EXPLICIT = "1.2.840.10008.1.2.1"
OCTETS = "application/octet-stream"
AS_STORED = f'multipart/related; type="{OCTETS}"; transfer-syntax=*'


@pytest.fixture
async def archive(tmp_path: Path) -> AsyncIterator[Archive]:
    async with open_archive(ArchiveMount(durability="relaxed"), tmp_path, "HERE") as archive:
        yield archive


@pytest.fixture
async def workshop() -> AsyncIterator[Workshop]:
    async with open_workshop(ImagingSettings(processes=1)) as workshop:
        yield workshop


def native(frames: int, **attributes: Any) -> Made:
    """Frames of two times two pixels, whose bytes are their number."""
    pixels = b"".join(bytes([number + 1]) * 8 for number in range(frames))
    return made(**{"NumberOfFrames": str(frames), "PixelData": pixels, **attributes})


def compressed(*values: bytes, frames: int | None = None, table: bytes = b"") -> Made:
    """JPEG baseline in items as given."""
    shell = made(NumberOfFrames=str(frames or len(values)), PixelData=None)
    items = b"".join(pack("<HHL", 0xFFFE, 0xE000, len(each)) + each for each in (table, *values))
    end = pack("<HHL", 0xFFFE, 0xE0DD, 0)
    element = pack("<HH2sHL", 0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFF) + items + end
    return replace(shell, data=shell.data + element, transfer_syntax_uid=JPEG)


async def put(archive: Archive, *instances: Made) -> None:
    async with archive.open() as session:
        for each in instances:
            assert (await session.store(each.instance())).failure is None


JPEG = "1.2.840.10008.1.2.4.50"
MADE = f"/dicomweb/studies/{uid(1)}/series/{uid(1, 1)}/instances/{uid(1, 1, 1)}"


def frame(number: int) -> bytes:
    return bytes([number]) * 8


@pytest.mark.parametrize("asked", [[1], [5], [3, 1, 2], [5, 4, 3, 2, 1]])
@pytest.mark.parametrize("comma", [",", "%2C"])
async def test_frames_come_in_the_order_they_are_asked_for(
    served: Served, archive: Archive, asked: list[int], comma: str
) -> None:
    await put(archive, native(5))
    async with served(archive) as client:
        answer = await client.get(f"{MADE}/frames/{comma.join(map(str, asked))}")
        assert answer.status_code == 200
        assert [data for _, data in parts_of(answer)] == [frame(number) for number in asked]


@pytest.mark.parametrize("asked", ["0", "1,0", "x", "1,", ",1", "1,,2", "1-2", "-1", "1,1", "1.0"])
async def test_what_is_no_list_of_frames_is_400(
    served: Served, archive: Archive, asked: str
) -> None:
    await put(archive, native(5))
    async with served(archive) as client:
        assert (await client.get(f"{MADE}/frames/{asked}")).status_code == 400


async def test_frames_that_are_not_there(served: Served, archive: Archive) -> None:
    await put(archive, native(5))
    async with served(archive) as client:
        for path in (f"{MADE}/frames/6", f"{MADE}/frames/99,100", f"{MADE[:-1]}9/frames/1"):
            assert (await client.get(path)).status_code == 404
        answer = await client.get(f"{MADE}/frames/7,2,6,5")
        assert answer.status_code == 206
        assert [data for _, data in parts_of(answer)] == [frame(2), frame(5)]
        assert answer.headers["warning"].startswith("299 ")


@pytest.mark.parametrize("data", [native(3), compressed(b"\xff\xd8one\xff\xd9")])
async def test_a_part_of_a_frame_that_stands_alone(
    served: Served, archive: Archive, data: Made
) -> None:
    await put(archive, data)
    alone = {"Accept": f"{OCTETS}; transfer-syntax=*"}
    async with served(archive) as client:
        path = f"{MADE}/frames/1"
        whole = await client.get(path, headers=alone)
        assert whole.headers["accept-ranges"] == "bytes"
        for said, expected in (("bytes=2-4", slice(2, 5)), ("bytes=-3", slice(-3, None))):
            answer = await client.get(path, headers={**alone, "Range": said})
            assert (answer.status_code, answer.content) == (206, whole.content[expected])
            assert answer.headers["content-range"].endswith(f"/{len(whole.content)}")
        beyond = await client.get(path, headers={**alone, "Range": "bytes=100-"})
        assert beyond.status_code == 416
        assert beyond.headers["content-range"] == f"bytes */{len(whole.content)}"
        several = await client.get(path, headers={**alone, "Range": "bytes=0-1,3-4"})
        assert (several.status_code, several.content) == (200, whole.content)
        same, other = whole.headers["etag"], '"other"'
        for tag, status in ((same, 206), (other, 200)):
            said = {**alone, "Range": "bytes=1-", "If-Range": tag}
            assert (await client.get(path, headers=said)).status_code == status
        # A multipart has no bytes that mean anything without its head.
        answer = await client.get(path, headers={"Range": "bytes=0-1"})
        assert answer.status_code == 200


async def test_what_the_client_has_is_not_sent_again(served: Served, archive: Archive) -> None:
    await put(archive, native(3), native(3, InstanceNumber=2, SOPInstanceUID=uid(1, 1, 2)))
    async with served(archive) as client:
        first = await client.get(f"{MADE}/frames/1,2")
        tag = first.headers["etag"]
        again = await client.get(f"{MADE}/frames/1,2")
        assert (again.headers["etag"], again.content) == (tag, first.content)
        known = {"If-None-Match": tag}
        answer = await client.get(f"{MADE}/frames/1,2", headers=known)
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["etag"] == tag
        for path in (f"{MADE}/frames/2,1", f"{MADE}/frames/1", f"{MADE[:-1]}2/frames/1,2"):
            assert (await client.get(path, headers=known)).status_code == 200


async def test_a_replaced_instance_gives_its_new_frames(served: Served, tmp_path: Path) -> None:
    settings = ArchiveMount(durability="relaxed", duplicates="replace")
    async with open_archive(settings, tmp_path, "HERE") as archive, served(archive) as client:
        tags = set()
        for frames in (2, 3):
            await put(archive, native(frames))
            answer = await client.get(f"{MADE}/frames/{frames}")
            assert parts_of(answer)[0][1] == frame(frames)
            tags.add(answer.headers["etag"])
        assert len(tags) == 2


CUT = native(5)
LONG = compressed(b"\xff\xd8" + bytes(5000))
LIES = {
    "fewer pixels than frames": native(3, NumberOfFrames="3000"),
    "a header of 65,535 times 65,535": made(Rows=65535, Columns=65535),
    "no rows": made(Rows=None),
    "rows of none": made(Rows=0),
    "a thousand million frames": made(NumberOfFrames="1000000000"),
    "frames that are no number": replace(
        CUT, data=CUT.data.replace(b"IS\x02\x005 ", b"IS\x02\x005A")
    ),
    "nine bits in a word of twelve": made(BitsAllocated=12, BitsStored=9),
    "one fragment for many frames": compressed(b"\xff\xd8x\xff\xd9", frames=1000),
    "no fragments": compressed(frames=1),
    "a table that points nowhere": compressed(
        b"abcd", b"efgh", frames=3, table=pack("<3L", 0, 5, 0xFFFFFFF0)
    ),
    "a table longer than all": compressed(b"abcd", frames=4, table=bytes(4000)),
    "a data set that ends in its pixels": replace(CUT, data=CUT.data[:-20]),
    "a fragment that ends too early": replace(
        compressed(b"\xff\xd8" + bytes(5000)),
        data=compressed(b"\xff\xd8" + bytes(5000)).data[:-3000],
    ),
}


@pytest.mark.parametrize("lie", LIES)
async def test_a_lie_is_told_and_costs_nothing(
    served: Served, archive: Archive, workshop: Workshop, lie: str
) -> None:
    await put(archive, LIES[lie])
    async with served(archive, workshop=workshop) as client:
        await client.get(f"{MADE}/frames/1")
        before = descriptors()
        for path in ("frames/1000", "frames/5", "frames/1", "pixeldata"):
            for accept in (AS_STORED, OCTETS, "*/*"):
                answer = await client.get(f"{MADE}/{path}", headers={"Accept": accept})
                assert answer.status_code in {200, 404, 406}, (path, answer.text)
        answer = await client.get(f"{MADE}/pixeldata")
        assert answer.status_code == 406
        assert (await client.get(MADE)).status_code == 200
        assert descriptors() <= before + 3  # those of the workshop's process


async def test_a_frame_of_no_bytes_is_given_as_that(served: Served, archive: Archive) -> None:
    await put(archive, compressed(b"", frames=1))
    async with served(archive) as client:
        for accept in ("image/jpeg", AS_STORED):
            answer = await client.get(f"{MADE}/frames/1", headers={"Accept": accept})
            assert answer.status_code == 200, answer.text
        answer = await client.get(f"{MADE}/frames/1", headers={"Accept": "image/jpeg"})
        assert answer.content == b""


async def test_a_client_that_leaves_leaves_nothing(served: Served, archive: Archive) -> None:
    frames = 64
    await put(archive, made(NumberOfFrames=str(frames), Rows=512, Columns=512,
                            PixelData=bytes(512 * 512 * 2 * frames)))  # fmt: skip
    async with served(archive) as client:
        await client.get(f"{MADE}/frames/1")
        before = descriptors()
        for _ in range(5):
            await cut_off(client, f"{MADE}/pixeldata", 100_000)
        await until(lambda: descriptors() <= before)
        assert not archive._files._held


async def test_a_client_library_gets_its_frames(
    served: Served, archive: Archive, workshop: Workshop
) -> None:
    frames = [b"\xff\xd8" + bytes([number]) * 3000 for number in range(3)]
    await put(
        archive, compressed(*frames), native(4, InstanceNumber=2, SOPInstanceUID=uid(1, 1, 2))
    )
    async with served(archive, workshop=workshop) as client:
        theirs = DICOMwebClient(f"{client.base_url}/dicomweb")
        uids = (uid(1), uid(1, 1))
        ask = theirs.retrieve_instance_frames
        found = await asyncio.to_thread(ask, *uids, uid(1, 1, 1), [3, 1])
        assert found == [frames[2], frames[0]]
        for kinds in ((("image/jpeg", JPEG),), ("image/jpeg",), None):
            found = await asyncio.to_thread(ask, *uids, uid(1, 1, 1), [2], media_types=kinds)
            assert found == [frames[1]]
        for kinds in (("application/octet-stream",), None):
            found = await asyncio.to_thread(ask, *uids, uid(1, 1, 2), [2, 4], media_types=kinds)
            assert found == [frame(2), frame(4)]
