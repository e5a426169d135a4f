"""What `test_wado` does not see, over a socket: how a client that leaves ends what is done."""

import asyncio

import pytest

from hilum.frontends.dicomweb.leaving import Watch, watching
from hilum.net.body import BODY, Body
from hilum.net.guard import Message

pytestmark = pytest.mark.anyio


async def receive() -> Message:
    """As of a request that was read, and whose client has left."""
    return {"type": "http.disconnect"}


async def worked(watch: Watch) -> str:
    done = "nothing"
    async with watch:
        await asyncio.sleep(60)
        done = "all"
    task = asyncio.current_task()
    assert task is not None
    assert not task.cancelling()
    await asyncio.sleep(0.01)  # nobody cancels it once more
    return done


@pytest.mark.parametrize("when", ["before", "meanwhile"])
async def test_work_is_given_up_once_however_often_it_is_said(when: str) -> None:
    body = Body(asyncio.Event())
    if when == "before":
        body.leave()
    watch = watching({BODY: body}, receive)
    async with asyncio.TaskGroup() as group:
        working = group.create_task(worked(watch))
        await asyncio.sleep(0.06)
        for _ in range(2):
            body.leave()
    assert working.result() == "nothing"
    assert watch.is_gone


async def test_a_request_that_must_be_read_for_it_is_read() -> None:
    watch = watching({}, receive)
    assert await worked(watch) == "nothing"
    assert watch.is_gone


@pytest.mark.parametrize("known", [False, True])
async def test_who_ends_the_service_is_not_taken_for_a_client(*, known: bool) -> None:
    body = Body(asyncio.Event())
    watch = watching({BODY: body} if known else {}, receive)
    async with asyncio.TaskGroup() as group:
        working = group.create_task(worked(watch))
        await asyncio.sleep(0)
        working.cancel()
    assert working.cancelled()


async def test_what_is_done_in_time_is_kept() -> None:
    body = Body(asyncio.Event())
    watch = watching({BODY: body}, receive)
    async with watch:
        body.leave()
        watch.stop()
        await asyncio.sleep(0.06)
    assert not watch.is_gone
