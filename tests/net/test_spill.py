import asyncio
import os
from collections.abc import Iterator
from contextlib import suppress
from io import FileIO
from pathlib import Path

import pytest

from hilum.model.errors import OutOfResources
from hilum.net import spill
from hilum.net.spill import Spill

pytestmark = pytest.mark.anyio


def files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def names(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def test_pieces_come_back_as_they_were(tmp_path: Path) -> None:
    kept = Spill(tmp_path / "not" / "there")
    pieces = [os.urandom(at * 1000 + 1) for at in range(20)]
    places = [await kept.write(each) for each in pieces]
    assert [await kept.read(each) for each in reversed(places)] == pieces[::-1]
    await kept.aclose()


async def test_room_is_given_back_when_a_file_was_read_and_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spill, "SEGMENT", 1000)
    before = files()
    kept = Spill(tmp_path)
    places = [await kept.write(bytes(500)) for _ in range(20)]
    assert files() == before + 10
    assert names(tmp_path) == []
    for each in places[:10]:
        await kept.read(each)
    for each in places[10:14]:
        await kept.forget(each)
    assert files() == before + 3
    await kept.aclose()
    assert files() == before
    with pytest.raises(OutOfResources):
        await kept.read(places[-1])
    with pytest.raises(OutOfResources):
        await kept.write(b"late")
    assert files() == before


@pytest.mark.parametrize("rounds", range(6))
async def test_a_write_that_is_under_way_leaves_no_file(tmp_path: Path, rounds: int) -> None:
    before = files()
    kept = Spill(tmp_path)

    async def write() -> None:
        with suppress(OutOfResources):
            await kept.write(bytes(1_000_000))

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(write())
        for _ in range(rounds):
            await asyncio.sleep(0)
        await kept.aclose()
    assert files() == before


async def test_a_disk_that_takes_nothing_is_told(tmp_path: Path) -> None:
    taken = tmp_path / "file"
    taken.touch()
    kept = Spill(taken)
    with pytest.raises(OutOfResources, match="cannot be put away"):
        await kept.write(b"data")
    await kept.aclose()


@pytest.fixture
def full() -> Iterator[FileIO]:
    """A file that takes nothing more."""
    path = Path("/dev/full")
    if not path.exists():
        pytest.skip("Linux only")
    with path.open("r+b", buffering=0) as file:
        yield file


async def test_a_full_disk_is_told(full: FileIO) -> None:
    kept = Spill()
    place = await kept.write(b"data")
    place.segment._file.close()
    place.segment._file = full
    with pytest.raises(OutOfResources, match="No space left"):
        await kept.write(b"more")
    await kept.aclose()
