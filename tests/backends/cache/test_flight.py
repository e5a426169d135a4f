import asyncio
from pathlib import Path

import pytest
from tests.backends.cache.far import Far, datasets, kept, read, until
from tests.contract.made import Made, made, uid

from hilum.core.backend import Fetching
from hilum.model.errors import BackendUnavailable, Forbidden, HilumError, Incomplete
from hilum.model.identity import Ref

pytestmark = pytest.mark.anyio

STUDY, SERIES = Ref(uid(1)), Ref(uid(1), uid(1, 1))
LOST = uid(1, 1, 2)


def house() -> list[Made]:
    return [made(1, 1, each) for each in (1, 2, 3)]


@pytest.fixture
async def far() -> Far:
    far = Far()
    far.gate.set()
    await far.keep(*house())
    return far


async def fetched(far: Far, folder: Path, ref: Ref, **said: object) -> Fetching:
    async with kept(far, folder, **said) as backend:
        job = backend.fetch([ref])
        await until(lambda: backend.fetching(job.id).ended)
        done = backend.fetching(job.id)
        if done.error is None and done.expected == done.arrived:
            assert await read(backend, ref) == datasets(*house())
        return done


async def test_only_what_is_missing_is_asked_for_again(far: Far, tmp_path: Path) -> None:
    far.loses = {LOST: 2}
    done = await fetched(far, tmp_path, SERIES)
    one = Ref(uid(1), uid(1, 1), LOST)
    assert far.asked == [(SERIES,), (one,), (one,)]
    assert (done.attempts, done.arrived, done.error) == (3, 3, None)


async def test_a_manifest_that_names_series_says_where_in_a_study(far: Far, tmp_path: Path) -> None:
    far.loses, far.places = {LOST: 1}, True
    await fetched(far, tmp_path, STUDY)
    assert far.asked == [(STUDY,), (Ref(uid(1), uid(1, 1), LOST),)]


async def test_where_that_is_not_known_all_is_asked_for_but_taken_once(
    far: Far, tmp_path: Path
) -> None:
    far.loses = {LOST: 1}
    await fetched(far, tmp_path, STUDY)
    assert far.asked == [(STUDY,), (STUDY,)]


async def test_what_broke_off_comes_again(far: Far, tmp_path: Path) -> None:
    far.breaks = {LOST: 1}
    await fetched(far, tmp_path, SERIES)
    assert len(far.asked) == 2


async def test_a_far_side_that_is_down_is_tried_again(far: Far, tmp_path: Path) -> None:
    far.refuses = [BackendUnavailable("down"), BackendUnavailable("down")]
    done = await fetched(far, tmp_path, STUDY, max_retries=2)
    assert (done.attempts, done.error) == (3, None)


async def test_there_is_an_end_to_trying(far: Far, tmp_path: Path) -> None:
    far.refuses = [BackendUnavailable("down")] * 9
    done = await fetched(far, tmp_path, STUDY, max_retries=2)
    assert done.attempts == 3
    assert isinstance(done.error, BackendUnavailable)


@pytest.mark.parametrize("error", [Forbidden("no"), HilumError("odd")])
async def test_what_will_not_change_is_not_tried_again(
    far: Far, tmp_path: Path, error: HilumError
) -> None:
    far.refuses = [error]
    done = await fetched(far, tmp_path, STUDY)
    assert (done.attempts, type(done.error)) == (1, type(error))


async def test_who_holds_on_is_told_at_once(far: Far, tmp_path: Path) -> None:
    far.refuses = [BackendUnavailable("down")]
    async with kept(far, tmp_path, retry_delay=30.0) as backend:
        with pytest.raises(BackendUnavailable):
            await read(backend, STUDY)


async def test_what_is_all_here_is_complete_whatever_the_far_side_says(
    far: Far, tmp_path: Path
) -> None:
    far.fails = [BackendUnavailable("lost after the last")]
    done = await fetched(far, tmp_path, STUDY)
    assert (done.attempts, done.error) == (1, None)


async def test_a_number_alone_is_believed(far: Far, tmp_path: Path) -> None:
    far.manifest, far.fails = False, [Incomplete("2 failed", (), 2)]
    done = await fetched(far, tmp_path, STUDY, max_retries=0)
    assert (done.arrived, done.expected, done.missing, done.error) == (3, 5, (), None)


async def test_names_and_a_number_are_both_believed(far: Far, tmp_path: Path) -> None:
    far.manifest, far.fails = False, [Incomplete("3 failed", ("9.9",), 3), None]
    done = await fetched(far, tmp_path, STUDY, max_retries=0)
    assert (done.arrived, done.expected, done.missing, done.error) == (3, 6, ("9.9",), None)
    far.fails = [Incomplete("3 failed", ("9.9",), 3), None]
    done = await fetched(far, tmp_path, STUDY, max_retries=1)
    assert (done.arrived, done.expected, done.missing, done.error) == (3, 3, (), None)
    assert far.asked == [(STUDY,)] * 3


async def test_a_slow_reader_does_not_hold_the_far_side_up(far: Far, tmp_path: Path) -> None:
    async with kept(far, tmp_path) as backend, backend.retrieve([STUDY]) as retrieval:
        await anext(retrieval.instances)
        await until(lambda: far.closed == 1)
        assert [each.sop_instance_uid async for each in retrieval.instances] == [
            uid(1, 1, 2),
            uid(1, 1, 3),
        ]


async def test_giving_up_ends_the_pause(far: Far, tmp_path: Path) -> None:
    far.refuses = [BackendUnavailable("down")]
    async with kept(far, tmp_path, retry_delay=60.0) as backend:
        tasks = len(asyncio.all_tasks())
        job = backend.fetch([STUDY])
        await until(lambda: far.asked != [])
        backend.stop(job.id)
        await until(lambda: len(asyncio.all_tasks()) == tasks)
