import asyncio
import time
from pathlib import Path

import pytest
from tests.backends.cache.far import Far, datasets, failure, folders, kept, read, until
from tests.contract.made import Made, made, uid

from hilum.backends.cache import kept as module
from hilum.model.errors import BackendTimeout, Incomplete, NotFound, OutOfResources
from hilum.model.identity import Ref

pytestmark = pytest.mark.anyio

STUDY = Ref(uid(1))


def house() -> list[Made]:
    return [made(1, 1, each) for each in (1, 2, 3)]


@pytest.fixture
async def far() -> Far:
    far = Far()
    await far.keep(*house())
    return far


async def test_a_job_tells_how_far_it_is(far: Far, tmp_path: Path) -> None:
    far.before = 1
    async with kept(far, tmp_path) as backend:
        job = backend.fetch([STUDY])
        assert (job.ended, job.expected, job.arrived) == (False, None, 0)
        await until(lambda: backend.fetching(job.id).arrived == 1)
        assert backend.fetching(job.id).expected == 3
        assert backend.fetch([STUDY]).id == job.id
        far.gate.set()
        await until(lambda: backend.fetching(job.id).ended)
        done = backend.fetching(job.id)
        assert (done.expected, done.arrived, done.missing, done.error) == (3, 3, (), None)
        assert await read(backend, STUDY) == datasets(*house())
        assert len(await read(backend, Ref(uid(1), uid(1, 1)))) == 3
        assert backend.fetch([STUDY]).id == job.id
    assert len(far.asked) == 1
    assert folders(tmp_path) == []


async def test_what_it_brought_stays_for_its_client(
    far: Far, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SWEEP", 0.01)
    far.gate.set()
    async with kept(far, tmp_path) as backend:
        job = backend.fetch([STUDY])
        await until(lambda: backend.fetching(job.id).ended)
        await asyncio.sleep(0.05)
        assert len(folders(tmp_path)) == 1
        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now + module.LINGER + 1)
        await until(lambda: folders(tmp_path) == [])
        with pytest.raises(NotFound):
            backend.fetching(job.id)


async def test_giving_up_ends_it(far: Far, tmp_path: Path) -> None:
    async with kept(far, tmp_path) as backend:
        job = backend.fetch([STUDY])
        await until(lambda: far.opened == 1)
        backend.stop(job.id)
        await until(lambda: far.closed == 1 and folders(tmp_path) == [])
        with pytest.raises(NotFound):
            backend.stop(job.id)
        async with asyncio.TaskGroup() as group:
            job = backend.fetch([STUDY])
            reader = group.create_task(read(backend, STUDY))
            await until(lambda: far.opened == 2)
            backend.stop(job.id)
            far.gate.set()
        assert reader.result() == datasets(*house())


async def test_it_goes_on_when_its_reader_leaves(far: Far, tmp_path: Path) -> None:
    far.before = 1
    async with kept(far, tmp_path) as backend:
        async with backend.retrieve([STUDY]) as retrieval:
            await anext(retrieval.instances)
            job = backend.fetch([STUDY])
        far.gate.set()
        await until(lambda: backend.fetching(job.id).ended)
        assert backend.fetching(job.id).arrived == 3
    assert len(far.asked) == 1


async def test_a_failure_is_told_and_then_tried_again(far: Far, tmp_path: Path) -> None:
    far.refuses = [BackendTimeout("no answer")]
    far.gate.set()
    async with kept(far, tmp_path, max_retries=0) as backend:
        job = backend.fetch([STUDY])
        await until(lambda: backend.fetching(job.id).ended)
        failed = backend.fetch([STUDY])
        assert (failed.id, type(failed.error)) == (job.id, BackendTimeout)
        failed.told = True
        assert backend.fetching(job.id).error is failed.error
        again = backend.fetch([STUDY])
        assert again.id != job.id
        await until(lambda: backend.fetching(again.id).ended)
        assert backend.fetching(again.id).error is None


async def test_nothing_is_told_once_too(far: Far, tmp_path: Path) -> None:
    far.gate.set()
    async with kept(far, tmp_path) as backend:
        job = backend.fetch([Ref("9.9")])
        await until(lambda: backend.fetching(job.id).ended)
        told = backend.fetch([Ref("9.9")])
        assert (told.id, told.expected, told.arrived, told.error) == (job.id, 0, 0, None)
        told.told = True
        assert backend.fetch([Ref("9.9")]).id != job.id


async def test_what_is_missing_after_all_is_named(far: Far, tmp_path: Path) -> None:
    lost = uid(1, 1, 2)
    far.loses = {lost: 99}
    far.gate.set()
    async with kept(far, tmp_path, max_retries=1) as backend:
        job = backend.fetch([STUDY])
        await until(lambda: backend.fetching(job.id).ended)
        done = backend.fetching(job.id)
        assert (done.expected, done.arrived, done.missing) == (3, 2, (lost,))
        assert (done.error, done.attempts) == (None, 2)
        error = await failure(read(backend, STUDY))
        assert isinstance(error, Incomplete)
        assert error.missing == (lost,)
        assert len(far.asked) == 2
        far.loses = {}
        backend.stop(job.id)
        assert await read(backend, STUDY) == datasets(*house())


async def test_what_is_in_the_cache_is_here_at_once(far: Far, tmp_path: Path) -> None:
    far.gate.set()
    async with kept(far, tmp_path, cache={"max_age": 60.0}) as backend:
        await read(backend, STUDY)
        job = backend.fetch([Ref(uid(1), uid(1, 1))])
        assert (job.ended, job.expected, job.arrived) == (True, 3, 3)
    assert len(far.asked) == 1


async def test_there_is_an_end_to_how_many_run(
    far: Far, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_JOBS", 2)
    async with kept(far, tmp_path) as backend:
        jobs = [backend.fetch([Ref(uid(n))]) for n in (1, 2)]
        with pytest.raises(OutOfResources):
            backend.fetch([Ref(uid(3))])
        far.gate.set()
        await until(lambda: backend.fetching(jobs[0].id).ended)
        backend.fetch([Ref(uid(3))])
        with pytest.raises(NotFound):
            backend.fetching(jobs[0].id)
