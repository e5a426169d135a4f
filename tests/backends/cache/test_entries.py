import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.backends.cache.far import Far, datasets, failure, folders, kept, read, until
from tests.contract.made import Made, made, uid

from hilum.backends.cache import entries, files
from hilum.backends.cache.files import ENTRY
from hilum.model.errors import BackendFault
from hilum.model.identity import Ref

pytestmark = pytest.mark.anyio

KEEPS = {"max_size": 10**9, "max_age": 3600.0}


def study(number: int, instances: int = 2) -> list[Made]:
    return [made(number, 1, each) for each in range(1, instances + 1)]


@pytest.fixture
async def far() -> Far:
    far = Far()
    far.gate.set()
    for number in (1, 2, 3):
        await far.keep(*study(number))
    return far


async def entries_in(folder: Path, number: int) -> None:
    await until(lambda: len([*folder.glob(f"*/{ENTRY}")]) == number)


async def test_what_was_retrieved_is_given_again_after_a_restart(far: Far, tmp_path: Path) -> None:
    async with kept(far, tmp_path, cache=KEEPS) as backend:
        assert await read(backend, Ref(uid(1))) == datasets(*study(1))
        await entries_in(tmp_path, 1)
        assert await read(backend, Ref(uid(1))) == datasets(*study(1))
    for _ in range(2):
        async with kept(far, tmp_path, cache=KEEPS) as backend:
            async with backend.retrieve([Ref(uid(1))]) as retrieval:
                assert retrieval.manifest is not None
                assert [each.size for each in retrieval.manifest] == [
                    len(each.data) for each in study(1)
                ]
            assert await read(backend, Ref(uid(1))) == datasets(*study(1))
    assert len(far.asked) == 1


async def test_a_parent_satisfies_its_children(far: Far, tmp_path: Path) -> None:
    one = uid(1, 1, 1)
    async with kept(far, tmp_path, cache=KEEPS) as backend:
        await read(backend, Ref(uid(1)))
        await entries_in(tmp_path, 1)
    async with kept(far, tmp_path, cache=KEEPS) as backend:
        assert await read(backend, Ref(uid(1), uid(1, 1))) == datasets(*study(1))
        assert list(await read(backend, Ref(uid(1), uid(1, 1), one))) == [one]
        assert list(await read(backend, Ref(instance=one))) == [one]
    assert len(far.asked) == 1


async def test_what_came_later_is_asked_for(far: Far, tmp_path: Path) -> None:
    async with kept(far, tmp_path, cache=KEEPS) as backend:
        await read(backend, Ref(uid(1)))
        await far.keep(made(1, 2, 1))
        assert list(await read(backend, Ref(uid(1), uid(1, 2)))) == [uid(1, 2, 1)]
        assert len(await read(backend, Ref(uid(1)))) == 2  # until max_age, as the manual says
    assert len(far.asked) == 2


async def test_an_entry_that_cannot_be_read_any_more_is_fetched_again(
    far: Far, tmp_path: Path
) -> None:
    async with kept(far, tmp_path, cache=KEEPS) as backend:
        await read(backend, Ref(uid(1)))
        await entries_in(tmp_path, 1)
        _shortened(tmp_path)
        assert isinstance(await failure(read(backend, Ref(uid(1)))), BackendFault)
        assert await read(backend, Ref(uid(1))) == datasets(*study(1))
        await until(lambda: len(folders(tmp_path)) == 1)
    assert len(far.asked) == 2


async def test_what_the_cache_has_all_of_is_known(far: Far, tmp_path: Path) -> None:
    one = Ref(uid(1), uid(1, 1), uid(1, 1, 1))
    async with kept(far, tmp_path, cache=KEEPS) as backend:
        assert not backend.holds(Ref(uid(1)))
        await read(backend, Ref(uid(1)))
        await until(lambda: backend.holds(Ref(uid(1))))
        assert backend.holds(one)
        assert not backend.holds(Ref(uid(1), uid(1, 2)))
        assert not backend.holds(Ref(uid(2)))


def _killed(script: str) -> None:
    """Run it until it says so, and kill it."""
    root = Path(__file__).parents[3]
    environment = {**os.environ, "PYTHONPATH": f"{root / 'src'}{os.pathsep}{root}"}
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, env=environment
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"now\n"
        process.send_signal(signal.SIGKILL)


async def test_half_an_entry_is_none_after_a_kill(tmp_path: Path) -> None:
    script = f"""
import asyncio
from pathlib import Path
from tests.backends.cache.far import Far, kept, read
from tests.contract.made import made, uid
from hilum.model.identity import Ref

async def main():
    far = Far(before=0)
    far.gate.set()
    await far.keep(*(made(1, 1, n) for n in (1, 2)), *(made(2, 1, n) for n in (1, 2)))
    async with kept(far, Path({str(tmp_path)!r}), cache={KEEPS!r}) as backend:
        await read(backend, Ref(uid(1)))
        await asyncio.sleep(0.2)
        far.gate.clear()
        far.before = 1
        async with backend.retrieve([Ref(uid(2))]) as retrieval:
            first = await anext(retrieval.instances)
            print("now", flush=True)
            await asyncio.sleep(60)

asyncio.run(main())
"""
    _killed(script)
    assert len(folders(tmp_path)) == 2
    far = Far()
    far.gate.set()
    await far.keep(*study(2))
    async with kept(far, tmp_path, cache=KEEPS) as backend:
        assert len(folders(tmp_path)) == 1
        assert await read(backend, Ref(uid(1))) == datasets(*study(1))
        assert far.asked == []
        assert await read(backend, Ref(uid(2))) == datasets(*study(2))
        assert len(far.asked) == 1


@pytest.mark.parametrize("harm", ["no index", "half an index", "short file", "no file", "version"])
async def test_an_entry_that_is_not_whole_is_absent(far: Far, tmp_path: Path, harm: str) -> None:
    async with kept(far, tmp_path, cache=KEEPS) as backend:
        await read(backend, Ref(uid(1)))
        await entries_in(tmp_path, 1)
    (folder,) = (tmp_path / name for name in folders(tmp_path))
    index, file = folder / ENTRY, folder / "000001.dcm"
    match harm:
        case "no index":
            index.unlink()
        case "half an index":
            index.write_bytes(index.read_bytes()[:-20])
        case "short file":
            file.write_bytes(file.read_bytes()[:-1])
        case "no file":
            file.unlink()
        case "version":
            index.write_text(json.dumps({**json.loads(index.read_text()), "version": 99}))
    async with kept(far, tmp_path, cache=KEEPS) as backend:
        assert folders(tmp_path) == []
        assert await read(backend, Ref(uid(1))) == datasets(*study(1))
    assert len(far.asked) == 2


async def test_without_a_cache_former_entries_go(far: Far, tmp_path: Path) -> None:
    async with kept(far, tmp_path, cache=KEEPS) as backend:
        await read(backend, Ref(uid(1)))
        await entries_in(tmp_path, 1)
    async with kept(far, tmp_path):
        assert folders(tmp_path) == []


async def test_what_is_too_old_is_retrieved_again(
    far: Far, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with kept(far, tmp_path, cache=KEEPS) as backend:
        await read(backend, Ref(uid(1)))
        await entries_in(tmp_path, 1)
        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now + 3599)
        await read(backend, Ref(uid(1)))
        assert len(far.asked) == 1
        monkeypatch.setattr(time, "time", lambda: now + 3700)
        assert await read(backend, Ref(uid(1))) == datasets(*study(1))
        assert len(far.asked) == 2
        await until(lambda: len(folders(tmp_path)) == 1)
    monkeypatch.setattr(time, "time", lambda: now + 3700 + 3601)
    async with kept(far, tmp_path, cache=KEEPS):
        assert folders(tmp_path) == []


async def size_of_one(folder: Path) -> int:
    (path,) = (folder / name for name in folders(folder))
    return sum(each.stat().st_size for each in path.glob("*.dcm"))


async def test_what_was_not_used_for_the_longest_time_goes_first(far: Far, tmp_path: Path) -> None:
    async with kept(far, tmp_path, cache=KEEPS) as backend:
        await read(backend, Ref(uid(1)))
        await entries_in(tmp_path, 1)
        two = 2 * await size_of_one(tmp_path) + 100
    async with kept(far, tmp_path, cache={"max_size": two}) as backend:
        await read(backend, Ref(uid(2)))
        await entries_in(tmp_path, 2)
        await read(backend, Ref(uid(1)))
        await read(backend, Ref(uid(3)))
        await until(lambda: len(folders(tmp_path)) == 2)
        for number, asked in ((1, 3), (3, 3), (2, 4)):
            assert await read(backend, Ref(uid(number))) == datasets(*study(number))
            assert len(far.asked) == asked
    async with kept(far, tmp_path, cache={"max_size": two // 2}):
        assert len(folders(tmp_path)) == 1
    async with kept(far, tmp_path, cache={"max_size": 10}) as backend:
        assert folders(tmp_path) == []
        assert await read(backend, Ref(uid(1))) == datasets(*study(1))
        await until(lambda: folders(tmp_path) == [])


def _aged(folder: Path) -> int:
    """Make all entries old; the bytes of one."""
    one = 0
    for path in folder.glob(f"*/{ENTRY}"):
        os.utime(path, (1000.0, 1000.0))
        one = sum(each.stat().st_size for each in path.parent.glob("*.dcm"))
    return one


def _shortened(folder: Path) -> None:
    next(folder.glob("*/000002.dcm")).write_bytes(b"short")


def _unlinked(folder: Path) -> None:
    for path in folder.glob("*/*.dcm"):
        path.unlink()


async def test_the_last_use_is_known_after_a_restart(far: Far, tmp_path: Path) -> None:
    async with kept(far, tmp_path, cache=KEEPS) as backend:
        for number in (1, 2):
            await read(backend, Ref(uid(number)))
            await entries_in(tmp_path, number)
        one = _aged(tmp_path)
        await read(backend, Ref(uid(1)))
    async with kept(far, tmp_path, cache={"max_size": one + 10}) as backend:
        await read(backend, Ref(uid(1)))
        assert len(far.asked) == 2


async def test_an_entry_in_use_is_not_taken_from_its_reader(far: Far, tmp_path: Path) -> None:
    async with kept(far, tmp_path, cache=KEEPS) as backend:
        await read(backend, Ref(uid(1)))
        await entries_in(tmp_path, 1)
        size = await size_of_one(tmp_path)
    async with kept(far, tmp_path, cache={"max_size": size + 100}) as backend:
        async with backend.retrieve([Ref(uid(1))]) as retrieval:
            first = await anext(retrieval.instances)
            await read(backend, Ref(uid(2)))
            await read(backend, Ref(uid(3)))
            await until(lambda: len(folders(tmp_path)) == 2)
            got = [b"".join([chunk async for chunk in first.chunks])]
            got += [
                b"".join([chunk async for chunk in each.chunks])
                async for each in retrieval.instances
            ]
            assert got == [each.data for each in study(1)]
        assert len(folders(tmp_path)) == 1


async def test_what_is_kept_makes_room_for_what_comes(
    far: Far, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with kept(far, tmp_path, cache=KEEPS) as backend:
        await read(backend, Ref(uid(1)))
        await entries_in(tmp_path, 1)
        await until(lambda: not any(each.uses for each in backend._shelf))
        usage = shutil.disk_usage

        def full(path: Path) -> object:
            free = 0 if len(folders(tmp_path)) > 1 else usage(path).free
            return type(usage(path))(10**12, 10**12 - free, free)

        monkeypatch.setattr(files.shutil, "disk_usage", full)
        assert await read(backend, Ref(uid(2))) == datasets(*study(2))
        await entries_in(tmp_path, 1)


async def test_patients_and_incomplete_ones_are_not_kept(far: Far, tmp_path: Path) -> None:
    async with kept(far, tmp_path, cache=KEEPS) as backend:
        assert await read(backend, Ref(patient="P1")) == datasets(*study(1))
        far.loses = {uid(2, 1, 1): 1}
        await failure(read(backend, Ref(uid(2))))
        await until(lambda: folders(tmp_path) == [])
        await read(backend, Ref(patient="P1"))
    assert len(far.asked) == 3


async def test_a_file_that_is_gone_is_a_fault(far: Far, tmp_path: Path) -> None:
    async with kept(far, tmp_path, cache=KEEPS) as backend:
        await read(backend, Ref(uid(1)))
        await entries_in(tmp_path, 1)
        _unlinked(tmp_path)
        assert isinstance(await failure(read(backend, Ref(uid(1)))), BackendFault)


async def test_many_entries_are_small_in_memory_and_still_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entries, "_UNPACKED", 2)
    far = Far()
    far.gate.set()
    numbers = range(1, 6)
    for number in numbers:
        await far.keep(*study(number))
    async with kept(far, tmp_path, cache=KEEPS) as backend:
        for number in numbers:
            await read(backend, Ref(uid(number)))
        await entries_in(tmp_path, 5)
        await until(lambda: len([each for each in backend._shelf if each.pieces]) <= 2)
        both = [Ref(uid(number), uid(number, 1)) for number in numbers]
        found = await read(backend, *both)
        assert found == datasets(*(each for number in numbers for each in study(number)))
        await asyncio.gather(*(read(backend, Ref(uid(number))) for number in numbers))
    assert len(far.asked) == 5
