"""The changes of studies that are told: see `core.changes`."""

import shutil
import sqlite3
import time
from pathlib import Path

import pytest
from pydantic import SecretStr
from tests.backends.archive.opened import files, keep, store
from tests.contract.made import made, uid

from hilum.backends.archive import Archive, open_archive
from hilum.config.mounts import ArchiveMount, Publish
from hilum.core.changes import Change
from hilum.model.identity import Ref

FOLLOWED = ArchiveMount(publish=Publish(url="http://127.0.0.1:1/fhir", bearer=SecretStr("x")))


async def at_rest(archive: Archive) -> list[Change]:
    return [*await archive.at_rest(time.time() + 1, 100)]


@pytest.mark.anyio
async def test_a_study_is_told_once_for_all_that_came_together(tmp_path: Path) -> None:
    async with open_archive(FOLLOWED, tmp_path, "HERE") as archive:
        await keep(archive, *[made(1, 1, number) for number in range(1, 9)], made(2, 1, 1))
        found = await at_rest(archive)
        assert {each.study for each in found} == {uid(1), uid(2)}
        assert await archive.at_rest(time.time() - 60, 100) == []
        await store(archive, made(1, 1, 1))  # it is there already
        assert await at_rest(archive) == found
        await archive.settle(found)
        assert await at_rest(archive) == []


@pytest.mark.anyio
async def test_what_changes_while_it_is_told_stays(tmp_path: Path) -> None:
    async with open_archive(FOLLOWED, tmp_path, "HERE") as archive:
        await keep(archive, made(1, 1, 1), made(2, 1, 1))
        found = await at_rest(archive)
        await keep(archive, made(1, 1, 2))
        await archive.settle(found)
        (left,) = await at_rest(archive)
        assert left.study == uid(1)
        assert left.at > max(each.at for each in found)


@pytest.mark.anyio
@pytest.mark.parametrize("what", [Ref(study=uid(1)), Ref(instance=made(1, 1, 1).sop_instance_uid)])
async def test_a_deletion_is_told(tmp_path: Path, what: Ref) -> None:
    async with open_archive(FOLLOWED, tmp_path, "HERE") as archive:
        await keep(archive, made(1, 1, 1), made(1, 1, 2))
        await archive.settle(await at_rest(archive))
        await archive.delete(what)
        assert [each.study for each in await at_rest(archive)] == [uid(1)]


@pytest.mark.anyio
async def test_nothing_is_written_where_nobody_wants_to_know(tmp_path: Path) -> None:
    async with open_archive(ArchiveMount(), tmp_path, "HERE") as archive:
        await keep(archive, made(1, 1, 1))
        await archive.delete(Ref(study=uid(1)))
        assert await at_rest(archive) == []


@pytest.mark.anyio
async def test_it_outlives_us_and_rows_that_are_made_again_are_told(tmp_path: Path) -> None:
    async with open_archive(FOLLOWED, tmp_path, "HERE") as archive:
        await keep(archive, made(1, 1, 1), made(2, 1, 1))
    with sqlite3.connect(tmp_path / "index.db") as database:
        found = database.execute("SELECT study_instance_uid FROM changed ORDER BY 1").fetchall()
    database.close()
    assert found == [(uid(1),), (uid(2),)]
    # A power cut took all rows, and with them that they were to be told.
    shutil.copytree(tmp_path / "files", tmp_path / "other" / "files")
    files(tmp_path / "other")[0].unlink()
    async with open_archive(FOLLOWED, tmp_path / "other", "HERE") as archive:
        assert len(await at_rest(archive)) == 1


@pytest.mark.anyio
async def test_a_clock_that_was_set_back_keeps_nothing_for_itself(tmp_path: Path) -> None:
    async with open_archive(FOLLOWED, tmp_path, "HERE") as archive:
        await keep(archive, made(1, 1, 1))
        await archive.settle(await at_rest(archive))
        archive._writer.flush()
        with sqlite3.connect(tmp_path / "index.db") as database:
            values = uid(1), time.time_ns() + 3600 * 10**9
            database.execute("INSERT INTO changed VALUES (?, ?)", values)
        database.close()
        assert len(await archive.at_rest(time.time() - 60, 100)) == 1


@pytest.mark.anyio
async def test_a_fhir_server_that_is_new_is_told_of_all_that_is_there(tmp_path: Path) -> None:
    other = ArchiveMount(publish=Publish(url="http://127.0.0.1:2/fhir"))
    numbers = []
    for settings in (ArchiveMount(), FOLLOWED, FOLLOWED, other, ArchiveMount(), other):
        async with open_archive(settings, tmp_path, "HERE") as archive:
            if not numbers:
                await keep(archive, made(1, 1, 1), made(2, 1, 1))
            found = await at_rest(archive)
            await archive.settle(found)
        numbers.append(len(found))
    assert numbers == [0, 2, 0, 2, 0, 2]
