import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Literal

import pytest
from tests.backends.archive.opened import files, find, keep, numbers, store
from tests.contract.made import made

from hilum.backends.archive import Archive, open_archive
from hilum.backends.archive.index import SWEPT, UNSWEPT, Index
from hilum.backends.archive.keep import INDEX, left_behind, swept
from hilum.backends.archive.part import Part
from hilum.config.mounts import ArchiveMount
from hilum.model.errors import BackendUnavailable
from hilum.model.identity import Level
from hilum.state.database import open_database

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(os.name == "nt", reason="there is one process there"),
]


@asynccontextmanager
async def parts(
    folder: Path, duplicates: Literal["keep", "replace", "reject"] = "keep", count: int = 2
) -> AsyncIterator[list[Archive]]:
    """The archive of several processes, here in one."""
    settings = ArchiveMount(duplicates=duplicates)
    lock = swept(settings, folder)
    try:
        async with AsyncExitStack() as stack:
            yield [
                await stack.enter_async_context(
                    open_archive(settings, folder, "HERE", Part(number, count))
                )
                for number in range(count)
            ]
    finally:
        lock.release()


def mark(folder: Path, name: str) -> str:
    engine = open_database(folder / INDEX, writes=True)
    index = Index(engine)
    try:
        return index.recall(name)
    finally:
        index.close()
        engine.dispose()


async def test_what_one_stores_the_other_finds(tmp_path: Path) -> None:
    async with parts(tmp_path) as both:
        for number in range(1, 9):
            await keep(both[number % 2], made(1, number % 3, number))
            for each in both:
                assert len(await find(each, Level.IMAGE)) == number
        for each in both:
            assert await numbers(each, "00201208", Level.STUDY) == [8]
            assert await numbers(each, "00201206", Level.STUDY) == [3]


async def test_all_may_store_at_once_also_the_same(tmp_path: Path) -> None:
    async def fill(archive: Archive, first: int) -> None:
        for number in range(1, 81):
            await keep(archive, made(1, 1 + number % 2, number), made(first, 1, number))

    async with parts(tmp_path, count=3) as all_parts:
        async with asyncio.TaskGroup() as tasks:
            for number, each in enumerate(all_parts):
                tasks.create_task(fill(each, 10 + number))
        for each in all_parts:
            assert len(await find(each, Level.IMAGE)) == 4 * 80
            assert await numbers(each, "00201208", Level.STUDY) == [80] * 4
    assert len(files(tmp_path)) == 4 * 80


async def test_rows_that_another_took_away_are_not_remembered(tmp_path: Path) -> None:
    async with parts(tmp_path, "replace") as (one, other):
        await keep(one, made(1, 1, 1))
        # the only instance moves to another study: rows of study and series go with it
        moved = made(1, 1, 1, StudyInstanceUID="1.2.99", SeriesInstanceUID="1.2.99.1")
        await keep(other, moved)
        await keep(one, made(1, 1, 2))
        for each in (one, other):
            assert len(await find(each, Level.STUDY)) == 2
            assert await numbers(each, "00201208", Level.STUDY) == [1, 1]


async def test_a_conflict_is_seen_from_the_other(tmp_path: Path) -> None:
    async with parts(tmp_path) as (one, other):
        await keep(one, made(1, 1, 1))
        [same] = await store(other, made(1, 1, 1))
        [changed] = await store(other, made(1, 1, 1, PatientName="Other"))
    assert same.failure is None
    assert changed.failure is not None
    assert len(files(tmp_path)) == 1


async def test_the_folder_is_held_for_all(tmp_path: Path) -> None:
    async with parts(tmp_path):
        with pytest.raises(BackendUnavailable, match="another process"):
            swept(ArchiveMount(), tmp_path)
    swept(ArchiveMount(), tmp_path).release()


async def test_where_one_died_the_next_start_looks_at_all_days_since(tmp_path: Path) -> None:
    async with parts(tmp_path) as (one, _):
        await keep(one, made(1, 1, 1))
    before = mark(tmp_path, SWEPT)
    assert before
    old = tmp_path / "files" / "2020" / "01" / "01"
    old.mkdir(parents=True)
    left_behind(tmp_path)
    engine = open_database(tmp_path / INDEX, writes=True)
    index = Index(engine)
    index.begin()
    index.remember(SWEPT, "2020/01/01")
    index.commit()
    index.close()
    engine.dispose()
    [path] = files(tmp_path)
    number = int(path.stem, 16)
    async with parts(tmp_path) as (one, _):
        assert mark(tmp_path, UNSWEPT) == ""
        await keep(one, made(1, 1, 2))
        left_behind(tmp_path)
        await keep(one, made(1, 1, 3))
    assert number
    assert mark(tmp_path, UNSWEPT) == "1"
    assert mark(tmp_path, SWEPT) == "2020/01/01"
    swept(ArchiveMount(), tmp_path).release()
    assert mark(tmp_path, UNSWEPT) == ""


def test_a_folder_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(BackendUnavailable, match="cannot be used"):
        swept(ArchiveMount(), tmp_path / "file")
