from pathlib import Path

import pytest

from hilum.frontends.dicomweb.spool import Spool
from hilum.model.errors import OutOfResources
from hilum.model.instance import CHUNK

pytestmark = pytest.mark.anyio


def left_in(folder: Path) -> list[Path]:
    return [*folder.iterdir()]


async def test_what_is_put_away_is_there_at_its_place(tmp_path: Path) -> None:
    async with Spool(tmp_path / "made") as spool:
        places = [await spool.append(bytes([n]) * n) for n in range(1, 20)]
        for n in reversed(range(1, 20)):
            assert await spool.read(places[n - 1], n) == bytes([n]) * n
        assert await spool.read(0, 3) == b"\1\2\2"
    assert left_in(tmp_path / "made") == []


async def test_it_is_given_in_pieces(tmp_path: Path) -> None:
    async with Spool(tmp_path) as spool:
        await spool.append(b"head")
        start = await spool.append(bytes(2 * CHUNK + 5))
        sizes = [len(chunk) async for chunk in spool.chunks(start, 2 * CHUNK + 5)]
        assert sizes == [CHUNK, CHUNK, 5]
        assert [chunk async for chunk in spool.chunks(start, 0)] == []


async def test_a_folder_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    async with Spool(tmp_path / "file") as spool:
        with pytest.raises(OutOfResources):
            await spool.append(b"x")


async def test_more_than_was_put_away_is_not_there(tmp_path: Path) -> None:
    async with Spool(tmp_path) as spool:
        await spool.append(b"abc")
        with pytest.raises(OutOfResources):
            await spool.read(1, 5)
