import asyncio
from dataclasses import replace
from pathlib import Path
from struct import pack

import httpx
import pytest
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian
from tests.contract.made import dataset, made, of, uid
from tests.frontends.dicomweb.backend import Scripted
from tests.frontends.dicomweb.conftest import Served, cut_off
from tests.frontends.dicomweb.test_wado import parts_of

from hilum.backends.archive import open_archive
from hilum.config.imaging import ImagingSettings
from hilum.config.mounts import ArchiveMount
from hilum.model.errors import BackendFault, NotFound
from hilum.model.instance import CHUNK
from hilum.workshop.pool import open_workshop

pytestmark = pytest.mark.anyio

ROOT = "/dicomweb/studies/1.2/series/1.3/instances/1.9/bulkdata/"
PIXELS = ROOT + "7FE00010"
MADE = f"/dicomweb/studies/{uid(1)}/series/{uid(1, 1)}/instances/{uid(1, 1, 1)}/bulkdata/7FE00010"
JPEG = "1.2.840.10008.1.2.4.50"


def items(*values: bytes) -> bytes:
    return b"".join(pack("<HHL", 0xFFFE, 0xE000, len(value)) + value for value in values)


@pytest.mark.parametrize(
    ("accept", "alone"),
    [
        ("", True),
        ("*/*", True),
        ("application/octet-stream", True),
        ('multipart/related; type="application/octet-stream"', False),
        ("multipart/related; type=application/octet-stream; transfer-syntax=*", False),
        ("multipart/related", False),
        ("image/jpeg, multipart/related; type=image/jpeg, */*;q=0.1", True),
    ],
)
async def test_a_plain_value(
    served: Served, backend: Scripted, accept: str, *, alone: bool
) -> None:
    backend.value = bytes(range(256)) * 20
    async with served(backend) as client:
        for path in (PIXELS, ROOT + "00880200/0/7fe00010", ROOT + "0040A730/0/" * 40 + "00420011"):
            answer = await client.get(path, headers={"Accept": accept})
            assert answer.status_code == 200
            assert int(answer.headers["content-length"]) == len(answer.content)
            if alone:
                assert answer.headers["content-type"] == "application/octet-stream"
                assert answer.content == backend.value
            else:
                ((headers, data),) = parts_of(answer)
                assert data == backend.value
                assert headers["content-type"].startswith("application/octet-stream")


async def test_an_empty_value(served: Served, backend: Scripted) -> None:
    async with served(backend) as client:
        answer = await client.get(PIXELS)
        assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("", "image/jpeg"),
        ("*/*", "image/jpeg"),
        ("multipart/related", "image/jpeg"),
        ('multipart/related; type="image/jpeg"', "image/jpeg"),
        ('multipart/related; type="image/*"', "image/jpeg"),
        (f'multipart/related; type="image/jpeg"; transfer-syntax={JPEG}', "image/jpeg"),
        (
            "multipart/related; type=application/octet-stream; transfer-syntax=*",
            "application/octet-stream",
        ),
        ("application/octet-stream", None),
        ("multipart/related; type=application/octet-stream", None),
        ('multipart/related; type="image/jls"', None),
    ],
)
async def test_compressed_frames(
    served: Served, backend: Scripted, accept: str, kind: str | None
) -> None:
    frames = [b"\xff\xd8" + bytes([number]) * 3000 for number in range(3)]
    backend.value = items(b"", *frames)
    backend.encapsulated = True
    backend.syntax = JPEG
    async with served(backend) as client:
        answer = await client.get(PIXELS, headers={"Accept": accept})
        if kind is None:
            assert answer.status_code == 406
            return
        parts = parts_of(answer)
        assert [data for _, data in parts] == frames
        assert {headers["content-type"] for headers, _ in parts} == {
            f"{kind}; transfer-syntax={JPEG}"
        }


@pytest.mark.parametrize("path", ["x", "7FE0001", "7FE00010/", "7FE00010/0", "00880200/x/7FE00010"])
async def test_what_addresses_no_value_is_404(served: Served, backend: Scripted, path: str) -> None:
    backend.error = NotFound("no such value")
    async with served(backend) as client:
        assert (await client.get(ROOT + path)).status_code == 404
        assert (await client.get(PIXELS)).status_code == 404


@pytest.mark.parametrize("encapsulated", [True, False])
async def test_a_value_that_fails_midway_is_cut_off(
    served: Served, backend: Scripted, *, encapsulated: bool
) -> None:
    backend.value = items(b"", bytes(5000))
    backend.encapsulated = encapsulated
    backend.late = BackendFault("broken")
    async with served(backend) as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(PIXELS)


async def test_rubbish_for_frames_is_not_whole(served: Served, backend: Scripted) -> None:
    backend.encapsulated = True
    async with served(backend) as client:
        backend.value = b"rubbish rubbish rubbish"
        assert (await client.get(PIXELS)).status_code == 409
        backend.value = items(b"", bytes(5000))[:-100]
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(PIXELS)


async def test_a_client_that_leaves_ends_it(served: Served, backend: Scripted) -> None:
    backend.value = bytes(10_000_000)
    backend.pause = 0.001
    async with served(backend) as client:
        await cut_off(client, PIXELS, 5000)
        async with asyncio.timeout(20):
            await backend.left.wait()


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian])
@pytest.mark.parametrize("size", [64, 2 * CHUNK + 64])
async def test_a_part_of_a_value(served: Served, tmp_path: Path, syntax: str, size: int) -> None:
    value = bytes(range(64)) * (size // 64)
    one = of(dataset(PixelData=value), syntax)
    stored = value
    if syntax == ExplicitVRBigEndian:  # the test wrote its bytes as they are
        stored = b"".join(value[at : at + 2][::-1] for at in range(0, len(value), 2))
    settings = ArchiveMount(durability="relaxed")
    async with open_archive(settings, tmp_path, "HERE") as archive, served(archive) as client:
        async with archive.open() as session:
            assert (await session.store(one.instance())).failure is None
        whole = await client.get(MADE)
        assert whole.content == stored
        assert whole.headers["accept-ranges"] == "bytes"
        tag = {"If-Range": whole.headers["etag"]}
        for first, last in (
            (0, 0),
            (1, 1),
            (3, 10),
            (size - 3, size - 1),
            (7, size - 2),
            (1, size),
        ):
            said = {"Range": f"bytes={first}-{last}", **tag}
            answer = await client.get(MADE, headers=said)
            assert (answer.status_code, answer.content) == (206, stored[first : last + 1])
        answer = await client.get(MADE, headers={"Range": f"bytes={size}-"})
        assert (answer.status_code, answer.headers["content-range"]) == (416, f"bytes */{size}")
        known = {"If-None-Match": whole.headers["etag"]}
        assert (await client.get(MADE, headers=known)).status_code == 304


async def test_a_part_of_a_value_that_only_streams(served: Served, backend: Scripted) -> None:
    backend.value = bytes(range(250)) * 20
    async with served(backend) as client:
        for first, last in ((0, 5), (999, 1000), (1500, 3200), (4990, 6000)):
            answer = await client.get(PIXELS, headers={"Range": f"bytes={first}-{last}"})
            assert (answer.status_code, answer.content) == (206, backend.value[first : last + 1])
        assert "etag" not in answer.headers


async def test_compressed_pixels_are_decoded_for_who_takes_octets(
    served: Served, tmp_path: Path
) -> None:
    rle = pack("<16L", 1, 64, *[0] * 14)[:64] + b"\x03abcd"
    one = replace(
        made(PixelData=None, BitsAllocated=8, BitsStored=8, HighBit=7),
        transfer_syntax_uid="1.2.840.10008.1.2.5",
    )
    pixels = pack("<HH2sHL", 0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFF) + items(b"", rle + b"\0")
    one = replace(one, data=one.data + pixels + pack("<HHL", 0xFFFE, 0xE0DD, 0))
    async with (
        open_archive(ArchiveMount(durability="relaxed"), tmp_path, "HERE") as archive,
        open_workshop(ImagingSettings(processes=1)) as workshop,
        served(archive, workshop=workshop) as client,
    ):
        async with archive.open() as session:
            assert (await session.store(one.instance())).failure is None
        ((_, data),) = parts_of(await client.get(MADE))
        assert data == rle + b"\0"
        octets = {"Accept": 'multipart/related; type="application/octet-stream"'}
        ((headers, data),) = parts_of(await client.get(MADE, headers=octets))
        assert data == b"abcd"
        assert headers["content-type"].endswith("=1.2.840.10008.1.2.1")
        refused = await client.get(MADE, headers={"Accept": "image/png"})
        assert refused.status_code == 406
