import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.backends.dimse.retrieving import here
from tests.contract.made import made, uid
from tests.quirky import quirky

from hilum.model.errors import Incomplete
from hilum.model.identity import Ref

pytestmark = pytest.mark.anyio

STUDY = Ref(study=uid(1))


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("not within five seconds")


async def test_the_pacs_is_answered_as_soon_as_all_of_an_instance_is_here(tmp_path: Path) -> None:
    held = [made(1, 1, number, PixelData=bytes(200_000)) for number in (1, 2)]
    with quirky(held) as pacs:
        async with (
            here(pacs.port, tmp_path, retrieve="get") as us,
            us.fetcher.retrieve([STUDY]) as retrieval,
        ):
            first = await anext(retrieval.instances)
            await asyncio.sleep(0.5)  # all of it comes meanwhile
            data = await anext(first.chunks)
            await until(lambda: pacs.sent == [first.sop_instance_uid])  # though not read yet
            data += b"".join([each async for each in first.chunks])
            second = b"".join(
                [each async for one in retrieval.instances async for each in one.chunks]
            )
    whole = {each.sop_instance_uid: each.data for each in held}
    assert data == whole.pop(first.sop_instance_uid)
    assert [second] == list(whole.values())


async def test_one_that_is_too_big_for_memory_is_answered_when_it_was_read(tmp_path: Path) -> None:
    held = [made(1, 1, number, PixelData=bytes(4_000_000)) for number in (1, 2)]
    with quirky(held) as pacs:
        async with (
            here(pacs.port, tmp_path, retrieve="get") as us,
            us.fetcher.retrieve([STUDY]) as retrieval,
        ):
            first = await anext(retrieval.instances)
            await anext(first.chunks)
            await asyncio.sleep(0.3)
            assert pacs.sent == []
            async for _ in first.chunks:
                pass
            await until(lambda: pacs.sent == [first.sop_instance_uid])


async def test_one_that_its_reader_leaves_is_turned_away_and_not_missed(tmp_path: Path) -> None:
    held = [made(1, 1, number, PixelData=bytes(4_000_000)) for number in (1, 2, 3)]
    with quirky(held) as pacs:
        async with (
            here(pacs.port, tmp_path, retrieve="get") as us,
            us.fetcher.retrieve([STUDY]) as retrieval,
        ):
            got = []
            try:
                async for instance in retrieval.instances:
                    got.append(instance.sop_instance_uid)
                    if len(got) > 1:
                        async for _ in instance.chunks:
                            pass
            except Incomplete as error:
                raise AssertionError("it was given, and its reader left it") from error
    assert sorted(got) == sorted(each.sop_instance_uid for each in held)
