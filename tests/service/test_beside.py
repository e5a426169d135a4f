import asyncio

import pytest

from hilum.service.beside import beside

pytestmark = pytest.mark.anyio


async def test_it_runs_as_long_as_the_block() -> None:
    began, ended = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with beside(work()):
        await began.wait()
        assert not ended.is_set()
    assert ended.is_set()


async def test_what_the_block_raises_comes_through_as_it_is() -> None:
    with pytest.raises(KeyError):
        async with beside(asyncio.sleep(60)):
            raise KeyError
