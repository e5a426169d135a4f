import asyncio
import os
from pathlib import Path

import pytest
from tests.backends.cache.far import Far, descriptors, failure, folders, kept, read, until
from tests.contract.made import Made, made, uid

from hilum.backends.cache import Kept, Lingering, shelf
from hilum.core.backend import Lent
from hilum.core.described import Described
from hilum.model.errors import BackendFault, BackendUnavailable, HilumError, NotFound
from hilum.model.identity import Ref
from hilum.model.instance import CHUNK

pytestmark = pytest.mark.anyio

SERIES = Ref(uid(1), uid(1, 1))
STUDY = Ref(uid(1))


def ref(series: int, instance: int) -> Ref:
    return Ref(uid(1), uid(1, series), uid(1, series, instance))


def house() -> list[Made]:
    return [
        made(1, 1, 1),
        made(1, 1, 2, PixelData=bytes(3 * CHUNK + 10)),
        made(1, 2, 1, Modality="MR"),
    ]


@pytest.fixture
async def far() -> Far:
    far = Far()
    await far.keep(*house())
    far.gate.set()
    return far


def data(lent: Lent) -> bytes:
    with Path(lent.path).open("rb") as file:
        file.seek(lent.offset)
        whole = file.read()
    assert len(whole) == lent.size
    return whole


async def looked(kept: Kept, series: int, instance: int) -> tuple[bytes, str]:
    async with kept.lend(ref(series, instance)) as lent:
        assert lent.sop_instance_uid == uid(1, series, instance)
        return data(lent), lent.key


async def described(kept: Kept, ref: Ref) -> int:
    async with Described(Lingering(kept.look_through)).describe(ref, "") as objects:
        return len([each async for each in objects])


@pytest.mark.parametrize("spool", [True, False])
async def test_frame_after_frame_costs_one_retrieval(
    far: Far, tmp_path: Path, *, spool: bool
) -> None:
    before = descriptors()
    async with kept(far, tmp_path, spool=spool) as backend:
        found = {await looked(backend, 1, 2) for _ in range(5)}
        assert [each for each, _ in found] == [house()[1].data]
        assert len(far.asked) == 1
        assert len(folders(tmp_path)) == 1
        assert await read(backend, ref(1, 2)) == {uid(1, 1, 2): house()[1].data}
        assert len(far.asked) == 1
    assert folders(tmp_path) == []
    assert descriptors() == before


async def test_twenty_frames_at_once_cost_one_retrieval(far: Far, tmp_path: Path) -> None:
    far.gate.clear()
    async with kept(far, tmp_path, spool=False) as backend, asyncio.TaskGroup() as group:
        for _ in range(20):
            group.create_task(looked(backend, 1, 1))
        await until(lambda: far.opened == 1)
        far.gate.set()
    assert len(far.asked) == 1


async def test_what_lingered_long_enough_goes(
    far: Far, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shelf, "LINGER", 0.05)
    async with kept(far, tmp_path, spool=False) as backend:
        first = await looked(backend, 1, 1)
        await asyncio.sleep(0.1)
        await looked(backend, 1, 2)
        await until(lambda: len(folders(tmp_path)) == 1)
        again = await looked(backend, 1, 1)
    assert first[0] == again[0]
    assert first[1] != again[1]
    assert len(far.asked) == 3


async def test_more_than_may_linger_goes_at_once_but_the_last_stays(
    far: Far, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shelf, "MOST_LINGERING", CHUNK)
    async with kept(far, tmp_path, spool=False) as backend:
        await looked(backend, 1, 1)
        await looked(backend, 1, 2)
        await until(lambda: len(folders(tmp_path)) == 1)
        await looked(backend, 1, 2)
        assert len(far.asked) == 2
        async with backend.lend(ref(1, 2)) as lent:
            await looked(backend, 1, 1)
            assert data(lent) == house()[1].data
        await until(lambda: len(folders(tmp_path)) == 1)


@pytest.mark.parametrize("spool", [True, False])
async def test_metadata_and_then_frames_cost_one_retrieval(
    far: Far, tmp_path: Path, *, spool: bool
) -> None:
    async with kept(far, tmp_path, spool=spool) as backend:
        assert await described(backend, SERIES) == 2
        assert (await looked(backend, 1, 1))[0] == house()[0].data
        assert (await looked(backend, 1, 2))[0] == house()[1].data
        assert far.asked == [(SERIES,)]
        await looked(backend, 2, 1)
        assert len(far.asked) == 2


async def test_the_metadata_of_a_study_need_no_disk(far: Far, tmp_path: Path) -> None:
    async with kept(far, tmp_path, spool=False) as backend:
        assert await described(backend, STUDY) == 3
        assert folders(tmp_path) == []


async def test_metadata_that_nobody_waits_for_leave_nothing(far: Far, tmp_path: Path) -> None:
    far.gate.clear()
    async with kept(far, tmp_path, spool=False) as backend, asyncio.TaskGroup() as group:
        waiting = group.create_task(described(backend, SERIES))
        await until(lambda: far.opened == 1)
        waiting.cancel()
        await asyncio.wait([waiting])
        await until(lambda: far.closed == 1 and folders(tmp_path) == [])


async def test_a_frame_that_nobody_waits_for_leaves_nothing(far: Far, tmp_path: Path) -> None:
    far.gate.clear()
    async with kept(far, tmp_path, spool=False) as backend, asyncio.TaskGroup() as group:
        waiting = group.create_task(looked(backend, 1, 2))
        await until(lambda: far.opened == 1)
        waiting.cancel()
        await asyncio.wait([waiting])
        await until(lambda: far.closed == 1 and folders(tmp_path) == [])


async def test_one_of_a_study_on_its_way_is_taken_from_it(far: Far, tmp_path: Path) -> None:
    far.gate.clear()
    far.before = 1
    async with kept(far, tmp_path) as backend, asyncio.TaskGroup() as group:
        study = group.create_task(read(backend, STUDY))
        await until(lambda: len(far.given) == 2)
        assert (await looked(backend, 1, 1))[0] == house()[0].data
        far.gate.set()
        assert len(await study) == 3
        assert len(far.asked) == 1


async def test_a_study_given_up_is_not_fetched_for_one_frame_of_it(
    far: Far, tmp_path: Path
) -> None:
    far.gate.clear()
    far.before = 1
    async with kept(far, tmp_path) as backend, asyncio.TaskGroup() as group:
        study = group.create_task(read(backend, STUDY))
        await until(lambda: len(far.given) == 2)
        await looked(backend, 1, 1)
        study.cancel()
        await asyncio.wait([study])
        await until(lambda: far.closed == 1)


async def test_in_the_cache_it_is_an_entry(far: Far, tmp_path: Path) -> None:
    for _ in range(2):
        async with kept(far, tmp_path, cache={"max_size": 1 << 30}) as backend:
            assert (await looked(backend, 1, 1))[0] == house()[0].data
            await until(lambda: backend.holds(ref(1, 1)))
    assert len(far.asked) == 1


async def test_an_unknown_one_is_not_found(far: Far, tmp_path: Path) -> None:
    async with kept(far, tmp_path) as backend:
        assert isinstance(await failure(looked(backend, 1, 9)), NotFound)
        for other in (SERIES, Ref(uid(1), uid(1, 1), uid(1, 1, 1), "P1")):
            with pytest.raises(NotFound):
                async with backend.lend(other):
                    pass
        await until(lambda: folders(tmp_path) == [])


async def test_what_is_here_is_not_given_under_another_series_or_study(
    far: Far, tmp_path: Path
) -> None:
    async with kept(far, tmp_path, cache={"max_size": 1 << 30}) as backend:
        for asked in (ref(1, 1), STUDY):
            await read(backend, asked)
            for study, series in ((uid(1), uid(1, 2)), (uid(2), uid(1, 1))):
                wrong = Ref(study, series, uid(1, 1, 1))
                assert not backend.holds(wrong)
                with pytest.raises(NotFound):
                    async with backend.lend(wrong):
                        pass
        count = len(far.asked)
        assert (await looked(backend, 1, 1))[0] == house()[0].data
        assert len(far.asked) == count


@pytest.mark.parametrize("where", ["entering", "within"])
async def test_what_the_far_side_says_is_told_and_asked_again(
    far: Far, tmp_path: Path, where: str
) -> None:
    if where == "entering":
        far.refuses = [BackendUnavailable("down")]
    else:
        far.breaks = {uid(1, 1, 2): 1}
    async with kept(far, tmp_path) as backend:
        assert isinstance(await failure(looked(backend, 1, 2)), HilumError)
        assert (await looked(backend, 1, 2))[0] == house()[1].data


async def test_a_file_that_vanished_is_fetched_again(far: Far, tmp_path: Path) -> None:
    async with kept(far, tmp_path, spool=False) as backend:
        async with backend.lend(ref(1, 1)) as lent:
            os.unlink(lent.path)  # noqa: PTH108 - briefly
        assert isinstance(await failure(looked(backend, 1, 1)), BackendFault)
        assert (await looked(backend, 1, 1))[0] == house()[0].data
