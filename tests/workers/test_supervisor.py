"""What becomes of a worker that dies at work is seen in tests/e2e/test_workers.py."""

import asyncio
import os
from pathlib import Path

import httpx
import pytest

from hilum.app import CannotStart, Listening
from hilum.config.mounts import ArchiveMount, DimseMount
from hilum.config.schema import DimseSettings, HttpSettings, ServerSettings, Settings
from hilum.service.reloading import CannotChange
from hilum.state.lock import Lock
from hilum.workers import start
from hilum.workers.house import House
from hilum.workers.supervisor import Supervisor, _Slot, supervised

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(os.name == "nt", reason="several processes do not serve together there"),
]


def settings(folder: Path) -> Settings:
    pacs = DimseMount(backend="dimse", aet="FAR", host="127.0.0.1", port=1)
    return Settings(
        server=ServerSettings(data=folder, workers=2),
        dimse=DimseSettings(port=0),
        http=HttpSettings(port=0),
        mounts={"ARCHIVE": ArchiveMount(default=True), "PACS": pacs},
    )


async def test_it_is_ready_once_when_all_workers_are_and_ends_when_told(tmp_path: Path) -> None:
    stop = asyncio.Event()
    told: list[Listening] = []

    def ready(listening: Listening) -> None:
        told.append(listening)
        stop.set()

    async with asyncio.timeout(60), supervised(settings(tmp_path), stop) as crew:
        await crew.run(ready)
    [listening] = told
    assert sorted(listening.doors) == ["dimse", "http"]
    assert all(port > 0 for _, port in listening.doors.values())


async def test_a_worker_that_cannot_start_says_why_and_all_end(tmp_path: Path) -> None:
    found = settings(tmp_path)
    spool = found.spool("PACS")
    spool.mkdir(parents=True)
    lock = Lock(spool, "it")
    told: list[Listening] = []
    with pytest.raises(CannotStart, match=r"^mounts\.PACS: another process uses the folder of"):
        async with asyncio.timeout(60), supervised(found, asyncio.Event()) as crew:
            await crew.run(told.append)
    lock.release()
    assert told == []


async def test_a_worker_without_a_program_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", str(tmp_path / "nothing"))
    with pytest.raises(CannotStart, match=r"^server\.workers: no process: "):
        async with asyncio.timeout(60), supervised(settings(tmp_path), asyncio.Event()) as crew:
            await crew.run(lambda _: None)


async def test_stopped_before_it_began_it_serves_nothing(tmp_path: Path) -> None:
    stop = asyncio.Event()
    stop.set()
    told: list[Listening] = []
    async with asyncio.timeout(60), supervised(settings(tmp_path), stop) as crew:
        await crew.run(told.append)
    assert told == []


async def test_a_worker_that_dies_is_started_again(tmp_path: Path) -> None:
    stop = asyncio.Event()
    async with asyncio.timeout(60), supervised(settings(tmp_path), stop) as crew:
        slots = crew._slots

        async def disturb() -> None:
            first = slots[1].process
            assert first is not None
            first.kill()
            while slots[1].process in {first, None} or slots[1].listening is None:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            stop.set()

        async with asyncio.TaskGroup() as tasks:
            await crew.run(lambda _: tasks.create_task(disturb()) and None)


async def test_a_worker_that_says_nothing_is_given_up() -> None:
    stream = asyncio.StreamReader()
    serving = _Slot(0, listening=Listening())
    with pytest.raises(TimeoutError):
        await Supervisor._line(serving, stream, 0.01)
    stream.feed_data(start.alive())
    assert await Supervisor._line(serving, stream, 60) == start.alive()
    stream.feed_eof()
    assert await Supervisor._line(_Slot(0), stream, None) == b""


async def test_a_change_that_fails_unforeseen_leaves_workers_to_be_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(_house: House, _settings: Settings) -> None:
        raise OSError("nobody thought of this")

    monkeypatch.setattr(House, "changing", fails)
    async with supervised(settings(tmp_path), asyncio.Event()) as crew:
        with pytest.raises(OSError, match="nobody thought"):
            await crew.prepared(settings(tmp_path))
        assert crew._steady.is_set()


async def test_all_workers_take_another_configuration_or_none_does(tmp_path: Path) -> None:
    """Those too that are started later."""
    stop = asyncio.Event()
    old = settings(tmp_path)
    new = old.model_copy(update={"mounts": {**old.mounts, "MORE": ArchiveMount()}})
    bad = old.model_copy(update={"mounts": {"BAD": ArchiveMount(path=tmp_path / "no" / "lock")}})
    (tmp_path / "no").touch()

    async def statuses(port: int) -> set[int]:
        """Of both workers: each takes some of so many connections."""
        found = set()
        for _ in range(8):
            async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
                answer = await client.get(f"http://127.0.0.1:{port}/aets/MORE/studies")
                found.add(answer.status_code)
        return found

    async with asyncio.timeout(120), supervised(old, stop) as crew:
        slots = crew._slots

        async def changes(listening: Listening) -> None:
            assert listening.change is not None
            port = listening.doors["http"][1]
            with pytest.raises(CannotChange, match=r"^mounts\.BAD: "):
                await listening.change(bad)
            change = await listening.change(new)
            assert await statuses(port) == {404}
            await change.drop()
            await (await listening.change(new)).commit()
            assert await statuses(port) == {200}
            first = slots[1].process
            assert first is not None
            first.kill()
            while slots[1].process in {first, None} or slots[1].listening is None:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            assert await statuses(port) == {200}
            stop.set()

        async with asyncio.TaskGroup() as tasks:
            await crew.run(lambda found: tasks.create_task(changes(found)) and None)
