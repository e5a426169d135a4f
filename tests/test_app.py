import asyncio
import errno
import os
import socket
from pathlib import Path

import pytest
from pydantic import SecretStr

from hilum.app import CannotStart, Listening, reason, serve
from hilum.config.mounts import ArchiveMount
from hilum.config.schema import DimseSettings, HttpSettings, ServerSettings, Settings
from hilum.config.watching import TelemetrySettings

pytestmark = pytest.mark.anyio


def settings(folder: Path, port: int = 0) -> Settings:
    return Settings(
        server=ServerSettings(data=folder),
        dimse=DimseSettings(port=port),
        http=HttpSettings(port=0),
        mounts={"ARCHIVE": ArchiveMount(default=True)},
    )


async def test_it_is_ready_once_when_both_doors_listen_and_ends_when_told(tmp_path: Path) -> None:
    stop = asyncio.Event()
    told: list[Listening] = []

    def ready(listening: Listening) -> None:
        told.append(listening)
        stop.set()

    await asyncio.wait_for(serve(settings(tmp_path), ready, stop), 60)
    [listening] = told
    assert sorted(listening.doors) == ["dimse", "http"]
    assert all(port > 0 for _, port in listening.doors.values())


async def test_when_one_door_cannot_open_the_other_closes_and_the_archive_is_free_again(
    tmp_path: Path,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotStart, match=f"dimse.port: .* port {port}: "):
            await serve(settings(tmp_path, port), lambda _: None, asyncio.Event())
    stop = asyncio.Event()
    await serve(settings(tmp_path), lambda _: stop.set(), stop)


async def test_what_cannot_be_told_elsewhere_is_a_reason_not_to_start(tmp_path: Path) -> None:
    told = settings(tmp_path).model_copy(
        update={"telemetry": TelemetrySettings(sentry=SecretStr("nonsense"))}
    )
    with pytest.raises(CannotStart, match=r"telemetry\.sentry: is no DSN|its library is not there"):
        await serve(told, lambda _: None, asyncio.Event())


def test_the_reason_is_that_of_the_system() -> None:
    assert reason(OSError(errno.EADDRINUSE, "long")) == os.strerror(errno.EADDRINUSE)
    assert reason(socket.gaierror(-2, "Name or service not known")) == "Name or service not known"
