import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hilum.core import work
from hilum.core.queue import Errand, Kept
from hilum.core.work import Again, Never, Outcome, Worker
from hilum.model.errors import BackendFault, BackendUnavailable
from hilum.state.queue import Queue
from hilum.state.state import open_state

Does = Callable[[Kept], Awaitable[Outcome]]


@pytest.fixture
async def queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Queue]:
    monkeypatch.setattr(work, "_LOOK", 0.05)
    monkeypatch.setattr(work, "backoff", lambda _attempts: 0.01)
    monkeypatch.setattr(work, "_SHORTEST_PAUSE", 0.01)
    async with open_state(tmp_path) as state:
        yield state.queue


@asynccontextmanager
async def working(queue: Queue, does: Does, *, at_once: int = 3) -> AsyncIterator[None]:
    worker = Worker(
        queue, "publish", does, by="me", at_once=at_once, max_age=lambda _: MAX_AGE["now"]
    )
    async with asyncio.timeout(120), asyncio.TaskGroup() as group:
        task = group.create_task(worker.run())
        yield
        task.cancel()


MAX_AGE = {"now": 3600.0}


def errands(count: int, target: str = "A") -> list[Errand]:
    return [Errand(kind="publish", target=target, key=str(each)) for each in range(count)]


async def until_none_waits(queue: Queue) -> None:
    while any(each.waiting for each in await queue.counts()):  # noqa: ASYNC110 - of a database
        await asyncio.sleep(0.01)


@pytest.mark.anyio
async def test_all_are_done_once_and_no_more_than_so_many_at_a_time(queue: Queue) -> None:
    running = most = 0
    done: list[str] = []

    async def does(kept: Kept) -> Outcome:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        done.append(kept.errand.key)
        running -= 1
        return None

    await queue.put(errands(50))
    async with working(queue, does):
        await until_none_waits(queue)
    assert sorted(done, key=int) == [str(each) for each in range(50)]
    assert 1 < most <= 3


@pytest.mark.anyio
async def test_one_that_is_refused_is_given_up_and_one_that_fails_is_tried_again(
    queue: Queue,
) -> None:
    tried: list[str] = []

    async def does(kept: Kept) -> Outcome:
        tried.append(kept.errand.key)
        match kept.errand.key, kept.attempts:
            case "0", _:
                return Never("refused")
            case "1", 1:
                return Again("later")
            case "2", 1:
                raise BackendFault("is odd")
            case "3", 1:
                raise ValueError
        return None

    await queue.put(errands(5))
    async with working(queue, does):
        await until_none_waits(queue)
    (dead,) = await queue.every()
    assert (dead.errand.key, dead.reason) == ("0", "refused")
    assert sorted(tried) == ["0", "1", "1", "2", "2", "3", "3", "4"]


@pytest.mark.anyio
async def test_a_far_side_that_is_down_is_left_alone_and_others_are_not(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "_SHORTEST_PAUSE", 3600.0)
    monkeypatch.setattr(work, "_LONGEST_PAUSE", 3600.0)
    asked: list[str] = []

    async def does(kept: Kept) -> Outcome:
        asked.append(kept.errand.target)
        if kept.errand.target == "A":
            raise BackendUnavailable("is down")
        return None

    await queue.put([*errands(20), *errands(20, "B")])
    async with working(queue, does):
        while len(await queue.every(target="B")):  # noqa: ASYNC110 - of a database
            await asyncio.sleep(0.01)
    assert asked.count("A") <= 3
    assert len(await queue.every(target="A", dead=False)) == 20


@pytest.mark.anyio
async def test_what_goes_badly_for_too_long_is_given_up(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(MAX_AGE, "now", -1.0)

    async def does(_kept: Kept) -> Outcome:
        raise BackendUnavailable("is down")

    await queue.put(errands(9))
    async with working(queue, does):
        await until_none_waits(queue)
    assert {each.reason for each in await queue.every(dead=True)} == {"is down"}


@pytest.mark.anyio
async def test_what_one_that_died_had_claimed_is_done_at_once(queue: Queue) -> None:
    await queue.put(errands(4))
    assert len(await queue.claim("publish", by="me", lease=3600, most=2)) == 2

    async def does(_kept: Kept) -> Outcome:
        return None

    async with working(queue, does):
        await until_none_waits(queue)
