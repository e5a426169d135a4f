import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hilum.backends.archive import open_archive
from hilum.cli.intake.work import bring
from hilum.cli.walk.study import study
from hilum.config.mounts import ArchiveMount
from hilum.core.backend import StoreSession
from hilum.core.operations import Originator
from hilum.model.errors import BackendUnavailable

pytestmark = pytest.mark.anyio
MADE = study("WORK")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "images"
    path.mkdir()
    for number, each in enumerate(MADE.slices):
        (path / f"{number}").write_bytes(each.part10)
    (path / "text").write_text("hello")
    return path


class Closed:
    """A place that nobody can get in."""

    @asynccontextmanager
    async def open(
        self,
        _contexts: Sequence[tuple[str, str]] = (),
        _originator: Originator | None = None,
        /,
    ) -> AsyncIterator[StoreSession]:
        raise BackendUnavailable("closed")
        yield


@pytest.mark.parametrize("readers", [1, 2, 9])
async def test_every_file_is_brought_once_by_however_many_readers(
    readers: int, folder: Path, tmp_path: Path
) -> None:
    told: list[tuple[int, int | None]] = []
    async with open_archive(ArchiveMount(), tmp_path / "archive", "A") as archive:
        account = await bring(
            [folder], archive, readers, asyncio.Event(), lambda *each: told.append(each)
        )
    assert account.stored == len(MADE.slices)
    assert account.skipped.total() == 1
    assert [done for done, _ in told] == list(range(1, len(MADE.slices) + 2))
    assert {total for _, total in told} <= {None, len(MADE.slices) + 1}
    assert not account.stopped


async def test_when_it_is_stopped_no_more_is_begun(folder: Path, tmp_path: Path) -> None:
    stop = asyncio.Event()
    async with open_archive(ArchiveMount(), tmp_path / "archive", "A") as archive:
        account = await bring([folder], archive, 1, stop, lambda *_: stop.set())
    assert account.stopped
    assert account.done < len(MADE.slices)


@pytest.mark.parametrize("readers", [1, 4])
async def test_a_place_that_cannot_be_reached_is_one_error(readers: int, folder: Path) -> None:
    with pytest.raises(BackendUnavailable, match="closed"):
        await bring([folder], Closed(), readers, asyncio.Event(), lambda *_: None)
