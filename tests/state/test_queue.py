import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from hilum.core.queue import Count, Errand, Kept
from hilum.state import queue as module
from hilum.state.queue import Queue
from hilum.state.state import open_state


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def queue(tmp_path: Path, clock: Clock) -> AsyncIterator[Queue]:
    async with open_state(tmp_path) as state:
        state.queue._clock = clock
        yield state.queue


def errand(key: str, *, target: str = "A", **payload: str) -> Errand:
    return Errand(kind="publish", target=target, key=key, payload=payload)


async def claim(queue: Queue, *, by: str = "me", most: int = 10, **said: object) -> Sequence[Kept]:
    return await queue.claim("publish", by=by, lease=60, most=most, **said)  # type: ignore[arg-type]


def keys(found: Sequence[Kept]) -> list[str]:
    return [each.errand.key for each in found]


@pytest.mark.anyio
async def test_what_is_claimed_is_nobody_elses_until_the_lease_ends(
    queue: Queue, clock: Clock
) -> None:
    await queue.put([errand(str(each), why="new") for each in range(5)])
    first = await claim(queue, most=3)
    assert keys(first) == ["0", "1", "2"]
    assert {each.attempts for each in first} == {1}
    assert first[0].errand.payload == {"why": "new"}
    assert keys(await claim(queue, by="other")) == ["3", "4"]
    assert await claim(queue) == []
    assert await queue.next_due("publish") is None
    clock.now += 59
    await queue.extend({each.lease for each in first[:1]}, 60)
    clock.now += 2
    assert keys(await claim(queue, by="other")) == ["3", "4"]
    await queue.free("other")
    assert keys(await claim(queue)) == ["3", "4"]


@pytest.mark.anyio
async def test_what_is_done_is_forgotten_unless_a_newer_one_came(queue: Queue) -> None:
    await queue.put([errand("1", v="old"), errand("2", v="old")])
    one, two = await claim(queue)
    await queue.put([errand("2", v="lost"), errand("2", v="new")])
    assert await claim(queue) == []  # the older one is being done still
    await queue.done(one)
    await queue.done(two)
    (again,) = await claim(queue)
    assert again.errand.payload == {"v": "new"}
    assert again.attempts == 1
    await queue.done(again)
    assert await queue.every() == []


@pytest.mark.anyio
async def test_who_lost_its_lease_settles_nothing(queue: Queue, clock: Clock) -> None:
    await queue.put([errand("1")])
    (late,) = await claim(queue)
    clock.now += 61
    (now,) = await claim(queue, by="other")
    await queue.done(late)
    await queue.again(late, "late", clock.now + 500)
    await queue.bury(late, "late")
    await queue.release([late])
    (there,) = await queue.every()
    assert there == now
    await queue.done(replace(now, version=now.version))
    assert await queue.every() == []


@pytest.mark.anyio
async def test_what_fails_waits_and_what_is_given_up_stays(queue: Queue, clock: Clock) -> None:
    await queue.put([errand("1"), errand("2"), errand("3")])
    one, two, three = await claim(queue)
    await queue.again(one, "is down", clock.now + 10)
    await queue.bury(two, "refused")
    await queue.release([three])
    assert keys(found := await claim(queue)) == ["3"]
    assert found[0].attempts == 1  # it was not begun the first time
    clock.now += 10
    (again,) = await claim(queue)
    assert (again.attempts, again.reason) == (2, "is down")
    (dead,) = await queue.every(dead=True)
    assert (dead.errand.key, dead.reason, dead.is_dead) == ("2", "refused", True)
    assert await queue.counts() == [Count("publish", "A", 2, 1, 1_000_000.0)]
    assert await queue.retry([dead.id, 99]) == 1
    assert keys(await claim(queue)) == ["2"]


@pytest.mark.anyio
async def test_a_newer_one_revives_what_was_given_up(queue: Queue) -> None:
    await queue.put([errand("1")])
    (one,) = await claim(queue)
    await queue.bury(one, "refused")
    await queue.put([errand("1")])
    (again,) = await claim(queue)
    assert (again.is_dead, again.attempts, again.reason) == (False, 1, "")


@pytest.mark.anyio
async def test_targets_are_chosen_expired_and_forgotten(queue: Queue, clock: Clock) -> None:
    await queue.put([errand("1", target=each) for each in "ABC"])
    assert [each.errand.target for each in await claim(queue, only=["B", "C"], skip=["C"])] == ["B"]
    assert await queue.next_due("publish", only=["A"]) == clock.now
    assert await queue.next_due("publish", only=["D"]) is None
    clock.now += 100
    await queue.put([errand("2", target="A")])
    assert await queue.expire("publish", "A", clock.now - 50, "too old") == 1
    assert keys(await queue.every(target="A", dead=True)) == ["1"]
    assert await queue.forget("publish", "A") == 2
    assert await queue.drop([each.id for each in await queue.every(target="C")]) == 1
    assert await queue.counts() == [Count("publish", "B", 1, 0, 1_000_000.0)]


@pytest.mark.anyio
async def test_it_outlives_us_and_several_processes_share_it(tmp_path: Path) -> None:
    async with open_state(tmp_path) as state:
        await state.queue.put([errand(str(each)) for each in range(200)])
    async with open_state(tmp_path) as one, open_state(tmp_path, shared=True) as two:

        async def work(queue: Queue, by: str) -> list[str]:
            done: list[str] = []
            while found := await claim(queue, by=by, most=7):
                for each in found:
                    await queue.done(each)
                done += keys(found)
            return done

        first, second = await asyncio.gather(work(one.queue, "one"), work(two.queue, "two"))
        assert sorted(first + second) == sorted(str(each) for each in range(200))
        assert await two.queue.counts() == []


def test_postgresql_passes_over_what_somebody_else_claims() -> None:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    query = module.claimable("publish", 1.0, 5, ["A"], ["B"])
    assert "FOR UPDATE SKIP LOCKED" in str(query.compile(dialect=dialect))
    assert "ON CONFLICT (kind, target, key) DO UPDATE" in str(
        module.upsert(dialect).compile(dialect=dialect)
    )
    assert "FOR UPDATE" not in str(query.compile(dialect=sa.dialects.sqlite.dialect()))  # type: ignore[no-untyped-call]
