import asyncio
import threading
import time

import anyio
import pytest

from hilum.backends.archive.errands import Errands

pytestmark = pytest.mark.anyio


async def test_what_a_thread_gives_and_raises_comes_back() -> None:
    errands = Errands(2, "errand")
    try:
        errand = errands.begin(lambda a, b: (a + b, threading.current_thread().name), 1, 2)
        assert await errand.outlasted() is None
        assert errand.result() == (3, "errand 0")
        errand = errands.begin(int, "x")
        assert await errand.outlasted() is None
        with pytest.raises(ValueError, match="invalid literal"):
            errand.result()
    finally:
        errands.close()


async def test_there_are_no_more_threads_than_are_needed_or_allowed() -> None:
    errands = Errands(3, "errand")
    try:
        names = set()
        for _ in range(5):
            errand = errands.begin(lambda: threading.current_thread().name)
            await errand.outlasted()
            names.add(errand.result())
        assert names == {"errand 0"}
        begun = [errands.begin(time.sleep, 0.02) for _ in range(9)]
        assert len(errands._threads) == 3
        for each in begun:
            await each.outlasted()
    finally:
        errands.close()


@pytest.mark.parametrize("way", ["asyncio", "anyio"])
async def test_who_is_cancelled_waits_for_the_end(way: str) -> None:
    errands = Errands(1, "errand")
    ended = threading.Event()
    told: list[BaseException | None] = []

    def slow() -> None:
        time.sleep(0.1)
        ended.set()

    async def ask() -> None:
        told.append(await errands.begin(slow).outlasted())
        assert ended.is_set()
        if told[0] is not None:
            raise told[0]

    try:
        if way == "asyncio":
            async with asyncio.TaskGroup() as tasks:
                task = tasks.create_task(ask())
                await asyncio.sleep(0.02)
                task.cancel()
                await asyncio.sleep(0.02)
                task.cancel()
        else:
            async with anyio.create_task_group() as group:
                group.start_soon(ask)
                await asyncio.sleep(0.02)
                group.cancel_scope.cancel()
        assert isinstance(told[0], asyncio.CancelledError)
    finally:
        errands.close()
