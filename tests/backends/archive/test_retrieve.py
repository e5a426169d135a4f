import asyncio
import os
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import pytest
from tests.backends.archive import opened
from tests.backends.archive.opened import joined, keep
from tests.contract import made
from tests.contract.made import uid

from hilum.core.budget import IN_HAND, LEAST
from hilum.model.errors import BackendFault
from hilum.model.identity import Ref
from hilum.model.instance import CHUNK, ready

pytestmark = pytest.mark.anyio


def open_files() -> list[str]:
    """Of the archive, in this process."""
    found = []
    for each in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # the one of this listing
            found.append(str(each.readlink()))
    return [each for each in found if each.endswith(".dcm")]


@pytest.mark.parametrize("size", [300_000, 2 * CHUNK])
async def test_many_who_read_hold_their_shares_and_who_leaves_gives_his_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    before, readers = IN_HAND.held, 8
    all_of_it = [made.made(1, 1, n, PixelData=bytes(size)) for n in (1, 2, 3)]
    async with opened.archive(tmp_path) as archive, AsyncExitStack() as stack:
        await keep(archive, *all_of_it)
        monkeypatch.setattr(IN_HAND, "size", CHUNK)
        IN_HAND.looked()
        retrievals = [
            await stack.enter_async_context(archive.retrieve([Ref(study=uid(1))]))
            for _ in range(readers)
        ]
        for each in all_of_it[:2]:
            instances = [await anext(retrieval.instances) for retrieval in retrievals]
            found = await asyncio.gather(*(joined(instance.chunks) for instance in instances))
            assert found == [each.data] * readers
        for retrieval in retrievals:  # and leave in the middle of the last
            await anext((await anext(retrieval.instances)).chunks)
        assert IN_HAND.looked() - before <= CHUNK + readers * 3 * LEAST
        assert IN_HAND.held > before
        await stack.aclose()
        assert IN_HAND.held == before


@pytest.mark.parametrize("size", [8, 2 * CHUNK])
@pytest.mark.parametrize("damage", ["gone", "cut"])
async def test_a_file_that_cannot_be_read_fails_alone(
    tmp_path: Path, size: int, damage: str
) -> None:
    all_of_it = [made.made(1, 1, n, PixelData=bytes(size)) for n in (1, 2, 3)]
    async with opened.archive(tmp_path) as archive:
        await keep(archive, *all_of_it)
        file = opened.files(tmp_path)[1]
        if damage == "gone":
            file.unlink()
        else:
            os.truncate(file, file.stat().st_size - 5)
        async with archive.retrieve([Ref(study=uid(1))]) as retrieval:
            found: list[bytes | None] = []
            async for instance in retrieval.instances:
                try:
                    found.append(await joined(instance.chunks))
                except BackendFault:
                    found.append(None)
    assert found == [all_of_it[0].data, None, all_of_it[2].data]


@pytest.mark.parametrize("size", [8, 2 * CHUNK])
async def test_an_instance_that_is_replaced_meanwhile_comes_whole_or_not_at_all(
    tmp_path: Path, size: int
) -> None:
    new = made.made(1, 1, 1, PixelData=b"\1" * size)
    longer = made.made(1, 1, 2, PixelData=b"\1" * (size + 2))
    async with opened.archive(tmp_path, "replace") as archive:
        await keep(archive, *(made.made(1, 1, n, PixelData=bytes(size)) for n in (1, 2)))
        async with archive.retrieve([Ref(study=uid(1))]) as retrieval:
            await keep(archive, new, longer)
            instances = [each async for each in retrieval.instances]
            assert await joined(instances[0].chunks) == new.data
            with pytest.raises(BackendFault):
                await joined(instances[1].chunks)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts descriptors in /proc")
async def test_who_leaves_in_the_middle_leaves_nothing_open(tmp_path: Path) -> None:
    async with opened.archive(tmp_path) as archive:
        await keep(archive, *(made.made(1, 1, n, PixelData=bytes(5 * CHUNK)) for n in (1, 2)))
        for _ in range(5):
            async with archive.retrieve([Ref(study=uid(1))]) as retrieval:
                kept = [each async for each in retrieval.instances]
                async for _chunk in kept[0].chunks:
                    break
            async with archive.bulk(Ref(instance=uid(1, 1, 1)), (0x7FE00010,)) as bulk:
                async for _chunk in bulk.chunks:
                    break
        for _ in range(100):  # threads close them, once they are done with them
            if not open_files():
                break
            await asyncio.sleep(0.05)
        assert open_files() == []


async def test_ten_thousand_references_are_looked_up(tmp_path: Path) -> None:
    async with opened.archive(tmp_path, durability="relaxed") as archive:
        await keep(archive, *(made.made(1, 1, n) for n in range(1, 6)))
        refs = [Ref(instance=uid(1, 1, n)) for n in range(10_000)]
        async with archive.retrieve(refs) as retrieval:
            assert len(retrieval.manifest or ()) == 5


async def test_what_is_not_read_ahead_can_be_sent_from_its_file(tmp_path: Path) -> None:
    both = [made.made(1, 1, n, PixelData=bytes(300_000)) for n in (1, 2)]
    async with opened.archive(tmp_path) as archive:
        await keep(archive, *both)
        async with archive.retrieve([Ref(study=uid(1), instance=uid(1, 1, 1))]) as retrieval:
            async for instance in retrieval.instances:
                part = ready(instance.chunks)
                if part is not None:  # the system has it in memory
                    file, offset, length = part
                    assert os.pread(file, length, offset) == both[0].data
                    os.close(file)
                assert await joined(instance.chunks) == both[0].data
        async with archive.retrieve([Ref(study=uid(1))]) as retrieval:
            first, second = [each async for each in retrieval.instances]
            assert await joined(first.chunks) in {each.data for each in both}
            assert ready(second.chunks) is None  # it was read meanwhile
        os.truncate(opened.files(tmp_path)[0], 1000)
        async with archive.retrieve([Ref(study=uid(1), instance=uid(1, 1, 1))]) as retrieval:
            assert [ready(each.chunks) async for each in retrieval.instances] == [None]


async def test_what_is_small_can_be_sent_from_its_file(tmp_path: Path) -> None:
    both = [made.made(1, 1, n, PixelData=bytes(300_000)) for n in (1, 2)]
    async with opened.archive(tmp_path) as archive:
        await keep(archive, *both)
        for refs in ([Ref(study=uid(1), instance=uid(1, 1, 1))], [Ref(study=uid(1))]):
            async with archive.retrieve(refs) as retrieval:
                data = iter(each.data for each in both)
                async for instance in retrieval.instances:
                    wanted, part = next(data), ready(instance.chunks)
                    if part is not None:  # the system has it in memory
                        file, offset, length = part
                        assert os.pread(file, length, offset) == wanted
                        os.close(file)
                    assert await joined(instance.chunks) == wanted
