import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from hilum.service import systemd
from hilum.service.beside import beside
from hilum.service.systemd import notify, reloading, stopping, watchdog, watched


def test_nobody_is_told_when_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert not notify("READY=1")


@pytest.mark.parametrize("abstract", [False, True])
def test_whoever_started_us_is_told(
    abstract: bool,  # noqa: FBT001 - parametrized
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = f"@hilum-{tmp_path.name}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(name.replace("@", "\0"))
        listener.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        assert notify("READY=1")
        assert listener.recv(100) == b"READY=1"


def test_a_listener_that_is_gone_does_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    assert not notify("READY=1")


@pytest.fixture
def listener(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(20)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield listener


def test_a_reload_is_told_with_its_moment(listener: socket.socket) -> None:
    reloading()
    first, second = listener.recv(100).decode().splitlines()
    assert first == "RELOADING=1"
    assert int(second.removeprefix("MONOTONIC_USEC=")) > 0


@pytest.mark.anyio
async def test_a_stop_is_told_and_how_long_it_may_take(listener: socket.socket) -> None:
    stop = asyncio.Event()
    stop.set()
    await stopping(stop, 2.5)
    assert listener.recv(100).decode().splitlines() == [
        "STOPPING=1",
        "EXTEND_TIMEOUT_USEC=2500000",
        "STATUS=running work ends",
    ]


@pytest.mark.anyio
async def test_while_the_event_loop_goes_round_it_is_told_that_we_live(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "20000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    async with beside(watched()):
        for _ in range(3):
            assert await asyncio.to_thread(listener.recv, 100) == b"WATCHDOG=1"


@pytest.mark.parametrize(
    ("usec", "pid", "seconds"),
    [("30000000", "", 30.0), ("", "", None), ("x", "", None), ("0", "", None), ("5", "1", None)],
)
def test_whether_somebody_watches(
    monkeypatch: pytest.MonkeyPatch, usec: str, pid: str, seconds: float | None
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", usec)
    monkeypatch.setenv("WATCHDOG_PID", pid)
    assert watchdog() == seconds


@pytest.mark.anyio
async def test_where_nobody_watches_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    await systemd.watched()
