import asyncio
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest

from hilum.config.mounts import ArchiveMount
from hilum.config.schema import ServerSettings, Settings
from hilum.config.watching import AdminSettings
from hilum.core.lasting import Uses
from hilum.core.mounts import Mount
from hilum.model.errors import BackendFault
from hilum.service import readiness
from hilum.service.readiness import Readiness

pytestmark = pytest.mark.anyio


class Archive:
    def __init__(self, error: Exception | None = None, pause: float = 0.0) -> None:
        self.error, self.pause, self.asked = error, pause, 0

    async def echo(self) -> None:
        self.asked += 1
        await asyncio.sleep(self.pause)
        if self.error is not None:
            raise self.error


def mount(archive: Archive, uses: AbstractContextManager[None] | None = None) -> Mount:
    return Mount(name="ARCHIVE", backend="archive", echoes=archive, uses=uses or nullcontext())


def settings(folder: Path, **admin: object) -> Settings:
    return Settings(
        server=ServerSettings(data=folder / "not there yet"),
        admin=AdminSettings(**{"min_free": 1, **admin}),
        mounts={"ARCHIVE": ArchiveMount()},
    )


async def found(readiness: Readiness) -> dict[str, str]:
    return {each.name: each.problem for each in await readiness()}


async def test_all_is_in_order(tmp_path: Path) -> None:
    database = Archive()
    ready = Readiness(settings(tmp_path), lambda: [mount(Archive())], database.echo, lambda: 0.0)
    assert await found(ready) == {"archive": "", "database": "", "space": "", "queue": ""}
    assert [each.mount for each in await ready()] == ["ARCHIVE", "", "", ""]
    assert database.asked == 1


async def test_what_is_wrong_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "PATIENCE", 0.01)

    async def fails() -> None:
        raise BackendFault("the state's database fails")

    poor = settings(tmp_path, min_free=10**18, max_wait=10.0)
    sick = Readiness(poor, lambda: [mount(Archive(pause=60))], fails, lambda: 11.0)
    told = await found(sick)
    assert told["archive"] == "no answer within 0.01 seconds"
    assert told["database"] == "the state's database fails"
    assert told["space"].startswith("only ")
    assert str(tmp_path) not in told["space"]
    assert told["queue"] == "a Send waits for its turn since 11 seconds"


async def test_an_archive_is_not_closed_while_it_is_asked(tmp_path: Path) -> None:
    uses, archive = Uses(), Archive(pause=0.01)
    ready = Readiness(settings(tmp_path), lambda: [mount(archive, uses)])
    async with asyncio.TaskGroup() as group:
        looking = group.create_task(found(ready))
        while not archive.asked:  # noqa: ASYNC110 - told by nobody
            await asyncio.sleep(0)
        uses.want(wanted=False)  # as a reload does that has it no more
        assert not uses.over.is_set()
    assert looking.result()["archive"] == ""
    assert uses.over.is_set()


async def test_however_many_ask_it_looks_once_a_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = Archive(BackendFault("broken"), pause=0.01)
    ready = Readiness(settings(tmp_path), lambda: [mount(archive)], None, lambda: 0.0)
    monkeypatch.setattr(readiness, "FRESH", 3600.0)
    answers = await asyncio.gather(*(found(ready) for _ in range(20)))
    assert answers == [{"archive": "broken", "space": "", "queue": ""}] * 20
    assert archive.asked == 1
