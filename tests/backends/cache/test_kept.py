import asyncio
from pathlib import Path

import pytest
from tests.backends.cache.far import (
    Far,
    datasets,
    descriptors,
    failure,
    folders,
    kept,
    read,
    until,
)
from tests.contract.made import Made, made, uid

from hilum.backends.cache import files
from hilum.model.errors import (
    BackendTimeout,
    BackendUnavailable,
    HilumError,
    Incomplete,
    NotFound,
    OutOfResources,
)
from hilum.model.identity import Ref
from hilum.model.instance import CHUNK

pytestmark = pytest.mark.anyio

STUDY = Ref(uid(1))
SERIES = [Ref(uid(1), uid(1, n)) for n in (0, 1, 2)]


def house() -> list[Made]:
    """One study, two series; one instance is longer than a chunk."""
    return [
        made(1, 1, 1),
        made(1, 1, 2, PixelData=bytes(3 * CHUNK + 10)),
        made(1, 2, 1, Modality="MR"),
    ]


def of_series(instances: list[Made], number: int) -> dict[str, bytes]:
    return datasets(*(each for each in instances if f"{uid(1, number)}." in each.sop_instance_uid))


@pytest.fixture
async def far() -> Far:
    far = Far()
    await far.keep(*house())
    return far


async def test_what_comes_is_what_is_there(far: Far, tmp_path: Path) -> None:
    far.gate.set()
    async with kept(far, tmp_path) as backend:
        assert await read(backend, STUDY) == datasets(*house())
        assert folders(tmp_path) == []
    assert (far.opened, far.closed) == (1, 1)


async def test_twenty_who_ask_at_once_cost_one_retrieval(far: Far, tmp_path: Path) -> None:
    before, tasks = descriptors(), len(asyncio.all_tasks())
    async with kept(far, tmp_path) as backend:
        async with asyncio.TaskGroup() as group:
            readers = [group.create_task(read(backend, STUDY)) for _ in range(20)]
            await until(lambda: far.opened == 1)
            far.gate.set()
        assert all(reader.result() == datasets(*house()) for reader in readers)
        assert len(far.asked) == 1
        await until(lambda: folders(tmp_path) == [])
    assert len(asyncio.all_tasks()) == tasks
    assert descriptors() == before


@pytest.mark.parametrize("manifest", [True, False])
async def test_a_series_and_an_instance_join_the_study(
    far: Far, tmp_path: Path, *, manifest: bool
) -> None:
    far.manifest = manifest
    async with kept(far, tmp_path) as backend, asyncio.TaskGroup() as group:
        whole = group.create_task(read(backend, STUDY))
        await until(lambda: far.opened == 1)
        series = [group.create_task(read(backend, SERIES[n])) for n in (1, 2)]
        instance = group.create_task(read(backend, Ref(uid(1), uid(1, 2), uid(1, 2, 1))))
        await asyncio.sleep(0.05)
        assert not any(each.done() for each in (whole, *series, instance))
        far.gate.set()
        await whole
    assert [each.result() for each in series] == [of_series(house(), 1), of_series(house(), 2)]
    assert list(instance.result()) == [uid(1, 2, 1)]
    assert len(far.asked) == 1


async def test_a_study_does_not_join_its_series(far: Far, tmp_path: Path) -> None:
    far.gate.set()
    async with kept(far, tmp_path) as backend, asyncio.TaskGroup() as group:
        group.create_task(read(backend, SERIES[1]))
        study = group.create_task(read(backend, STUDY))
    assert study.result() == datasets(*house())
    assert len(far.asked) == 2


async def test_an_instance_without_its_study_joins_too(far: Far, tmp_path: Path) -> None:
    async with kept(far, tmp_path) as backend, asyncio.TaskGroup() as group:
        far.before = 2
        whole = group.create_task(read(backend, STUDY))
        await until(lambda: len(far.given) == 3)
        assert list(await read(backend, Ref(instance=uid(1, 1, 1)))) == [uid(1, 1, 1)]
        assert len(far.asked) == 1
        far.gate.set()
        await whole


async def test_bytes_go_out_while_the_far_side_still_sends(far: Far, tmp_path: Path) -> None:
    far.before = 2
    async with kept(far, tmp_path) as backend, backend.retrieve([STUDY]) as retrieval:
        for small in (house()[0], house()[2]):
            first = await anext(retrieval.instances)
            assert [chunk async for chunk in first.chunks] == [small.data]
        growing = await anext(retrieval.instances)
        assert growing.size == len(house()[1].data)
        chunks = growing.chunks
        assert await anext(chunks) == house()[1].data[:CHUNK]
        assert not far.gate.is_set()
        far.gate.set()
        rest = b"".join([chunk async for chunk in chunks])
        assert rest == house()[1].data[CHUNK:]


async def test_who_leaves_does_not_disturb_the_others(far: Far, tmp_path: Path) -> None:
    async with kept(far, tmp_path) as backend, asyncio.TaskGroup() as group:
        leaving = group.create_task(read(backend, STUDY))
        staying = group.create_task(read(backend, STUDY))
        await until(lambda: far.opened == 1)
        leaving.cancel()
        await asyncio.wait({leaving})
        far.gate.set()
        assert await staying == datasets(*house())
    assert len(far.asked) == 1


@pytest.mark.parametrize("before", [0, 1, 3])
async def test_when_the_last_leaves_nothing_is_left(far: Far, tmp_path: Path, before: int) -> None:
    far.before = min(before, 2)
    async with kept(far, tmp_path, cache={"max_size": 10**9}) as backend:
        tasks, open_files = len(asyncio.all_tasks()), descriptors()
        async with backend.retrieve([STUDY]) as retrieval:
            for _ in range(before):
                instance = await anext(retrieval.instances)
                await anext(instance.chunks)
        assert far.closed == 1
        assert len(asyncio.all_tasks()) == tasks
        assert descriptors() == open_files
        assert folders(tmp_path) == []


async def test_two_hundred_that_are_cut_off_leave_nothing(far: Far, tmp_path: Path) -> None:
    far.before = 2
    async with kept(far, tmp_path) as backend:
        await failure_free(backend)
        tasks, open_files = len(asyncio.all_tasks()), descriptors()
        for _ in range(200):
            await failure_free(backend)
        assert (len(asyncio.all_tasks()), descriptors()) == (tasks, open_files)
        assert folders(tmp_path) == []
    assert far.opened == far.closed == 201


async def failure_free(backend: object) -> None:
    async with backend.retrieve([STUDY]) as retrieval:  # type: ignore[attr-defined]
        async for instance in retrieval.instances:
            async for _ in instance.chunks:
                if instance.size > CHUNK:
                    return


async def test_a_refusal_is_everybodys(far: Far, tmp_path: Path) -> None:
    far.refuses = [BackendTimeout("no answer"), None]
    far.gate.set()
    async with kept(far, tmp_path) as backend:
        errors = await asyncio.gather(*(failure(read(backend, STUDY)) for _ in range(5)))
        assert {(type(error), str(error)) for error in errors} == {(BackendTimeout, "no answer")}
        assert len({id(error) for error in errors}) == 5
        assert len(far.asked) == 1
        assert await read(backend, STUDY) == datasets(*house())


async def test_what_is_missing_is_named_to_everybody(far: Far, tmp_path: Path) -> None:
    lost = uid(1, 2, 1)
    far.loses, far.places = {lost: 1}, True
    far.gate.set()
    async with kept(far, tmp_path, cache={"max_size": 10**9}) as backend:
        async with asyncio.TaskGroup() as group:
            study = [group.create_task(failure(read(backend, STUDY))) for _ in range(3)]
            good = group.create_task(read(backend, SERIES[1]))
            bad = group.create_task(failure(read(backend, SERIES[2])))
        assert [(type(each.result()), each.result().missing) for each in study] == [
            (Incomplete, (lost,))
        ] * 3
        assert good.result() == of_series(house(), 1)
        assert isinstance(bad.result(), Incomplete)
        assert len(far.asked) == 1
        assert folders(tmp_path) == []
        assert await read(backend, STUDY) == datasets(*house())


async def test_a_failure_in_the_middle_names_what_did_not_come(far: Far, tmp_path: Path) -> None:
    far.loses = {uid(1, 2, 1): 1}
    far.fails = [BackendUnavailable("the connection was lost")]
    far.gate.set()
    async with kept(far, tmp_path) as backend:
        error = await failure(read(backend, STUDY))
        assert isinstance(error, Incomplete)
        assert (error.missing, str(error)) == ((uid(1, 2, 1),), "the connection was lost")
        far.manifest, far.fails = False, [BackendUnavailable("the connection was lost")]
        assert isinstance(await failure(read(backend, STUDY)), BackendUnavailable)


async def test_one_that_breaks_off_costs_only_itself(far: Far, tmp_path: Path) -> None:
    far.breaks = {uid(1, 1, 1): 1, uid(1, 1, 2): 1}
    far.gate.set()
    async with kept(far, tmp_path) as backend:
        got: dict[str, int] = {}
        broken: list[str] = []

        async def read_on() -> None:
            async with backend.retrieve([STUDY]) as retrieval:
                async for each in retrieval.instances:
                    try:
                        got[each.sop_instance_uid] = sum([len(c) async for c in each.chunks])
                    except HilumError:
                        broken.append(each.sop_instance_uid)

        with pytest.raises(Incomplete) as raised:
            await read_on()
        assert list(got) == [uid(1, 2, 1)]
        assert broken in ([], [uid(1, 1, 2)])  # whether it was seen while it came
        assert {*raised.value.missing, *broken} == {uid(1, 1, 1), uid(1, 1, 2)}


async def test_nothing_is_an_empty_manifest(far: Far, tmp_path: Path) -> None:
    far.gate.set()
    async with kept(far, tmp_path, cache={"max_size": 10**9}) as backend:
        for _ in range(2):
            assert await read(backend, Ref("9.9")) == {}
        assert len(far.asked) == 2
        assert folders(tmp_path) == []


async def test_a_full_disk_is_said(
    far: Far, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "LEAST_ROOM", 1 << 60)
    far.gate.set()
    async with kept(far, tmp_path) as backend:
        assert isinstance(await failure(read(backend, STUDY)), OutOfResources)
        assert folders(tmp_path) == []
    assert far.opened == far.closed == 1


async def test_without_a_spool_each_fetches_for_itself(far: Far, tmp_path: Path) -> None:
    far.gate.set()
    async with kept(far, tmp_path, spool=False) as backend:
        async with asyncio.TaskGroup() as group:
            for _ in range(3):
                group.create_task(read(backend, STUDY))
        assert len(far.asked) == 3
        backend.fetch([STUDY])
        await until(lambda: backend.fetch([STUDY]).ended)
        assert await read(backend, SERIES[2]) == of_series(house(), 2)
        assert len(far.asked) == 4


async def test_several_references_are_one_retrieval_and_each_comes_once(
    far: Far, tmp_path: Path
) -> None:
    far.gate.set()
    async with kept(far, tmp_path, cache={"max_size": 10**9}) as backend:
        assert await read(backend, SERIES[1], SERIES[2]) == datasets(*house())
        assert far.asked == [(SERIES[1], SERIES[2])]
        assert await read(backend, SERIES[2], SERIES[1], SERIES[1]) == datasets(*house())
        only = Ref(uid(1), uid(1, 1), uid(1, 1, 1))
        assert await read(backend, only) == datasets(house()[0])
        assert len(far.asked) == 1
        assert await read(backend, SERIES[1], Ref(uid(1), uid(1, 2), uid(1, 2, 1))) == datasets(
            *house()
        )
        assert far.asked[1:] == [(SERIES[1],)]


async def test_another_process_keeps_its_folder(far: Far, tmp_path: Path) -> None:
    async with kept(far, tmp_path):
        with pytest.raises(BackendUnavailable, match="another process"):
            async with kept(far, tmp_path):
                pass


async def test_what_the_body_raises_comes_out_as_it_is(far: Far, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        async with kept(far, tmp_path):
            raise NotFound("x")


async def test_stopping_ends_what_runs(far: Far, tmp_path: Path) -> None:
    async with kept(far, tmp_path) as backend:
        backend.fetch([STUDY])
        backend.fetch([Ref("9.9")])
        await until(lambda: far.opened == 2)
        backend.fetch([Ref("9.8")])  # its task has not begun
    assert far.opened == far.closed
    assert folders(tmp_path) == []


async def test_what_the_cache_has_is_not_given_as_that_of_somebody_else(
    far: Far, tmp_path: Path
) -> None:
    far.gate.set()
    async with kept(far, tmp_path, cache={"max_age": 60.0}) as backend:
        assert await read(backend, STUDY) == datasets(*house())
        assert await read(backend, Ref(uid(1), patient="P2")) == {}
        assert await read(backend, Ref(uid(1), patient="P1")) == datasets(*house())
        assert len(far.asked) == 3
