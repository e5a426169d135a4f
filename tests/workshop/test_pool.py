import asyncio
import contextlib
import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import anyio
import anyio.to_thread
import pytest
from tests.workshop import failing

from hilum.config.imaging import ImagingSettings
from hilum.model.errors import BadPixels, NotAcceptable, OutOfResources
from hilum.workshop import job, pool
from hilum.workshop.pool import Workshop, open_workshop

pytestmark = pytest.mark.anyio
ON_POSIX = pytest.mark.skipif(sys.platform == "win32", reason="no such limits or signals there")
SETTINGS = ImagingSettings(processes=2, max_memory=512 * 10**6)


@pytest.fixture(params=[False, pytest.param(True, marks=ON_POSIX)], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": request.param}


@pytest.fixture
async def workshop() -> AsyncIterator[Workshop]:
    async with open_workshop(SETTINGS) as opened:
        yield opened


async def test_work_is_done_elsewhere_and_its_result_comes_back(workshop: Workshop) -> None:
    assert await workshop.run(failing.good, 21) == 42
    assert await workshop.run(failing.pid) != os.getpid()


async def test_a_process_is_used_again(workshop: Workshop) -> None:
    assert len({await workshop.run(failing.pid) for _ in range(5)}) == 1


async def test_no_more_work_at_once_than_there_are_processes(workshop: Workshop) -> None:
    async def one() -> int:
        await workshop.run(failing.sleep, 0.05)
        return await workshop.run(failing.pid)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one()) for _ in range(8)]
    assert len({task.result() for task in tasks}) <= 2


@pytest.mark.parametrize("work", [failing.crash, failing.leave, failing.ask_to_exit])
async def test_a_process_that_dies_costs_its_own_work_only(
    workshop: Workshop, work: Callable[[], None]
) -> None:
    with pytest.raises(BadPixels):
        await workshop.run(work)
    assert await workshop.run(failing.good, 1) == 2


@ON_POSIX
async def test_memory_without_end_is_refused(workshop: Workshop) -> None:
    before = await workshop.run(failing.pid)
    with pytest.raises(BadPixels, match="memory"):
        await workshop.run(failing.devour)
    assert await workshop.run(failing.pid) != before


@ON_POSIX
async def test_one_allocation_beyond_the_limit_is_refused(workshop: Workshop) -> None:
    with pytest.raises(BadPixels, match="memory"):
        await workshop.run(failing.allocate, 700 * 10**6)
    assert await workshop.run(failing.allocate, 100 * 10**6) == 100 * 10**6


async def test_work_that_never_ends_is_ended(workshop: Workshop) -> None:
    began = time.monotonic()
    with pytest.raises(OutOfResources, match="too long"):
        await workshop.run(failing.sleep, 60, limit=0.3)
    assert time.monotonic() - began < 20
    assert await workshop.run(failing.good, 1) == 2


async def test_the_configured_time_is_the_limit_where_none_is_named() -> None:
    async with open_workshop(ImagingSettings(processes=1, timeout=0.5)) as workshop:
        with pytest.raises(OutOfResources):
            await workshop.run(failing.sleep, 60)


async def test_an_error_of_ours_comes_back_as_it_was_raised(workshop: Workshop) -> None:
    with pytest.raises(NotAcceptable, match="not these pixels"):
        await workshop.run(failing.refuse)


async def test_any_other_error_is_logged_without_its_text(
    workshop: Workshop, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(BadPixels) as caught:
        await workshop.run(failing.break_down, "DOE^JANE")
    assert "break_down" in caplog.text
    assert "ValueError" in caplog.text
    assert "DOE^JANE" not in caplog.text + str(caught.value)


async def test_a_result_that_cannot_be_sent_is_an_error_too(workshop: Workshop) -> None:
    with pytest.raises(BadPixels):
        await workshop.run(failing.unpicklable)
    assert await workshop.run(failing.good, 1) == 2


async def test_large_results_come_whole(workshop: Workshop) -> None:
    for size in (1, 65535, 65536, 5_000_000, 60_000_000):
        assert await workshop.run(failing.large, size) == bytes(size)


async def test_a_result_beyond_the_bound_is_refused() -> None:
    async with open_workshop(ImagingSettings(processes=1)) as workshop:
        with pytest.raises(NotAcceptable, match="larger than"):
            await workshop.run(failing.large, job.MAX_RESULT + 1)
        assert await workshop.run(failing.good, 1) == 2


async def test_what_libraries_print_does_not_disturb(
    workshop: Workshop, capfd: pytest.CaptureFixture[str]
) -> None:
    assert await workshop.run(failing.chatter) == "said"
    assert "patient" not in "".join(capfd.readouterr())


async def test_a_process_sees_no_secret(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HILUM_TOKEN", "secret")
    assert "secret" not in (await workshop.run(failing.environment)).values()


@ON_POSIX
async def test_the_signals_of_a_terminal_and_a_service_are_left_to_the_broker(
    workshop: Workshop,
) -> None:
    assert await workshop.run(failing.interrupted) == "still here"


async def test_too_many_that_wait_are_told_to_come_later() -> None:
    async with open_workshop(ImagingSettings(processes=1, queue=1)) as workshop:
        async with asyncio.TaskGroup() as group:
            group.create_task(workshop.run(failing.sleep, 1.5))
            await anyio.sleep(0.05)
            waits = group.create_task(workshop.run(failing.good, 1))
            await anyio.sleep(0.05)
            with pytest.raises(OutOfResources, match="wait"):
                await workshop.run(failing.good, 2)
        assert waits.result() == 2


async def test_nobody_waits_for_his_turn_longer_than_work_may_take() -> None:
    async with open_workshop(ImagingSettings(processes=1, timeout=0.3)) as workshop:
        async with asyncio.TaskGroup() as group:
            other = group.create_task(workshop.run(failing.sleep, 0.9, limit=60))
            await anyio.sleep(0.05)
            with pytest.raises(OutOfResources, match="wait"):
                await workshop.run(failing.good, 2)
        assert other.done()


async def test_a_caller_that_leaves_is_free_at_once_and_its_work_ends(tmp_path: Path) -> None:
    mark = tmp_path / "ended"
    async with open_workshop(ImagingSettings(processes=1)) as workshop:
        began = time.monotonic()
        with anyio.move_on_after(0.3):
            await workshop.run(failing.sleep_and_mark, str(mark), 30)
        assert time.monotonic() - began < 10
        assert await workshop.run(failing.good, 1) == 2
        assert time.monotonic() - began < 20
    assert not mark.exists()


async def test_short_work_that_nobody_waits_for_does_not_cost_its_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pool, "PATIENCE", 60.0)
    async with open_workshop(ImagingSettings(processes=1)) as workshop:
        before = await workshop.run(failing.pid)
        with anyio.move_on_after(0.05):
            await workshop.run(failing.sleep, 0.2)
        assert await workshop.run(failing.pid) == before  # once that is over


async def test_a_caller_that_leaves_while_it_waits_gives_up_its_turn() -> None:
    async with open_workshop(ImagingSettings(processes=1, queue=1)) as workshop:
        async with asyncio.TaskGroup() as group:
            group.create_task(workshop.run(failing.sleep, 1.5))
            await anyio.sleep(0.05)
            for _ in range(5):
                with anyio.move_on_after(0.02):
                    await workshop.run(failing.good, 1)
            waits = group.create_task(workshop.run(failing.good, 1))
        assert waits.result() == 2


async def test_a_caller_that_leaves_while_a_process_starts_leaves_nothing() -> None:
    async with open_workshop(ImagingSettings(processes=1)) as workshop:
        for wait in (0.0, 0.001, 0.005, 0.02):
            with anyio.move_on_after(wait):
                await workshop.run(failing.good, 1)
        assert await workshop.run(failing.good, 1) == 2
    assert await _children() == []


async def test_everything_at_once_and_good_work_beside_it(workshop: Workshop) -> None:
    async def bad(work: Callable[..., object], *args: object) -> str:
        with pytest.raises((BadPixels, OutOfResources)) as caught:
            await workshop.run(work, *args, limit=2)
        return type(caught.value).__name__

    async def left() -> None:
        with anyio.move_on_after(0.1):
            await workshop.run(failing.sleep, 60)

    async with asyncio.TaskGroup() as group:
        goods = []
        for number in range(40):
            goods.append(group.create_task(workshop.run(failing.good, number)))
            if number % 8 == 0:
                group.create_task(bad(failing.crash))
                group.create_task(left())
        sleeps = group.create_task(bad(failing.sleep, 60))
        group.create_task(bad(failing.devour))
        goods += [group.create_task(workshop.run(failing.good, each)) for each in range(40, 80)]
    assert [task.result() for task in goods] == [2 * number for number in range(80)]
    assert sleeps.result() == "OutOfResources"


async def test_idle_processes_end_and_come_again() -> None:
    async with open_workshop(ImagingSettings(processes=2, idle=0.2)) as workshop:
        first = await workshop.run(failing.pid)
        await workshop.run(failing.pid)
        await anyio.sleep(1)
        assert await _children() == []
        assert await workshop.run(failing.pid) != first


async def test_a_process_that_is_killed_while_idle_is_replaced(workshop: Workshop) -> None:
    os.kill(await workshop.run(failing.pid), signal.SIGTERM if sys.platform == "win32" else 9)
    await anyio.sleep(0.3)
    assert await workshop.run(failing.good, 1) == 2


async def test_nothing_is_left_when_it_is_closed() -> None:
    gc.collect()
    async with open_workshop(SETTINGS) as workshop:  # what a loop or anyio keep they keep
        await workshop.run(failing.good, 1)
        await _children()
    tasks, threads, files = len(asyncio.all_tasks()), threading.active_count(), _files()
    async with open_workshop(SETTINGS) as workshop:
        async with asyncio.TaskGroup() as group:
            for _ in range(4):
                group.create_task(workshop.run(failing.sleep, 0.05))
        with anyio.move_on_after(0.05):
            await workshop.run(failing.sleep, 60)
        assert len(await _children()) == 2
    assert await _children() == []
    await anyio.sleep(0.1)
    assert len(asyncio.all_tasks()) == tasks
    assert threading.active_count() <= threads + 1  # asyncio's own
    assert _files() <= files


async def test_after_its_end_it_takes_no_work(workshop: Workshop) -> None:
    await workshop.close()
    with pytest.raises(OutOfResources):
        await workshop.run(failing.good, 1)


@ON_POSIX
async def test_processes_end_with_their_parent() -> None:
    program = (
        "import asyncio, os, sys\n"
        "from hilum.config.imaging import ImagingSettings\n"
        "from hilum.workshop.pool import open_workshop\n"
        "async def main():\n"
        "    async with open_workshop(ImagingSettings(processes=1)) as workshop:\n"
        "        print(await workshop.run(os.getpid), flush=True)\n"
        "        await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    async with await anyio.open_process(
        [sys.executable, "-c", program], stderr=subprocess.DEVNULL
    ) as parent:
        assert parent.stdout is not None
        pid = int(await parent.stdout.receive())
        parent.kill()
        await parent.wait()
    with anyio.fail_after(10):
        while _lives(pid):  # noqa: ASYNC110 - another process
            await anyio.sleep(0.05)


def test_brokers_share_what_is_configured() -> None:
    assert Workshop(ImagingSettings(processes=8), workers=4).processes == 2
    assert Workshop(ImagingSettings(processes=2), workers=4).processes == 1
    assert 1 <= Workshop(ImagingSettings()).processes <= 4


def _files() -> int:
    where = Path("/proc/self/fd")
    return len(list(where.iterdir())) if where.exists() else 0


def _lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    except FileNotFoundError:
        return False
    return state.rpartition(")")[2].split()[0] != "Z"


async def _children() -> list[str]:
    """Our child processes, but the one that other tests have Hilum forked from."""
    await anyio.sleep(0.05)
    return await anyio.to_thread.run_sync(_listed)


def _command(process: Path) -> bytes:
    return (process / "cmdline").read_bytes()


def _listed() -> list[str]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
            if int(fields[1]) == os.getpid() and b"tests.warm" not in _command(stat.parent):
                found.append(stat.parent.name)
    return found
