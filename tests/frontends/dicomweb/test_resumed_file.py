from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydicom.uid import ExplicitVRBigEndian
from tests.contract.made import Made, dataset, made, of, uid
from tests.frontends.dicomweb.backend import Kept, Scripted
from tests.frontends.dicomweb.conftest import Served

from hilum.backends.archive import Archive, open_archive
from hilum.config.mounts import ArchiveMount
from hilum.model.instance import CHUNK

pytestmark = pytest.mark.anyio

HERE = f"/dicomweb/studies/{uid(1)}/series/{uid(1, 1)}/instances/{uid(1, 1, 1)}"
ALONE = {"Accept": "application/dicom; transfer-syntax=*"}


@pytest.fixture
async def archive(tmp_path: Path) -> AsyncIterator[Archive]:
    async with open_archive(ArchiveMount(durability="relaxed"), tmp_path, "HERE") as archive:
        yield archive


async def keep(archive: Archive, one: Made) -> None:
    async with archive.open() as session:
        assert (await session.store(one.instance())).failure is None


@pytest.mark.parametrize("size", [8, 3 * CHUNK])
async def test_a_file_is_given_from_any_byte_on(
    served: Served, archive: Archive, size: int
) -> None:
    await keep(archive, made(PixelData=bytes(range(256)) * (size // 256 + 1)))
    async with served(archive) as client:
        whole = await client.get(HERE, headers=ALONE)
        assert whole.headers["accept-ranges"] == "bytes"
        length = len(whole.content)
        tags = set()
        for first, last in ((0, 0), (0, 131), (100, 400), (132, length - 1), (length - 5, length)):
            said = {**ALONE, "Range": f"bytes={first}-{last}"}
            answer = await client.get(HERE, headers=said)
            assert answer.status_code == 206
            assert answer.content == whole.content[first : last + 1]
            assert answer.headers["content-type"] == whole.headers["content-type"]
            tags.add(answer.headers["etag"])
        (tag,) = tags
        rest = {**ALONE, "Range": "bytes=1000-", "If-Range": tag}
        assert (await client.get(HERE, headers=rest)).content == whole.content[1000:]
        rest["If-Range"] = '"other"'
        assert (await client.get(HERE, headers=rest)).content == whole.content
        beyond = await client.get(HERE, headers={**ALONE, "Range": f"bytes={length}-"})
        assert beyond.status_code == 416
        assert beyond.headers["content-range"] == f"bytes */{length}"


async def test_what_is_made_anew_is_given_whole(served: Served, archive: Archive) -> None:
    await keep(archive, of(dataset(), ExplicitVRBigEndian))
    async with served(archive) as client:
        for accept in ("application/dicom", "*/*", 'multipart/related; type="application/dicom"'):
            said = {"Accept": accept, "Range": "bytes=5-10"}
            assert (await client.get(HERE, headers=said)).status_code == 200


async def test_where_nothing_is_lent_it_is_given_whole(served: Served, backend: Scripted) -> None:
    backend.kept = [Kept("1.9")]
    async with served(backend) as client:
        path = "/dicomweb/studies/1.2/series/1.3/instances/1.9"
        answer = await client.get(path, headers={**ALONE, "Range": "bytes=5-10"})
        assert answer.status_code == 200


async def test_one_that_is_not_there_is_404(served: Served, archive: Archive) -> None:
    async with served(archive) as client:
        said = {**ALONE, "Range": "bytes=5-10"}
        assert (await client.get(HERE, headers=said)).status_code == 404
