import asyncio
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.backends.archive import opened
from tests.backends.archive.opened import find, joined, keep, numbers, retrieved
from tests.backends.archive.test_recover import without_index
from tests.contract import made
from tests.contract.made import uid

from hilum.model.errors import BackendUnavailable, NotFound
from hilum.model.identity import Level, Ref
from hilum.model.instance import CHUNK

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[3]
COUNT = 300


def doomed(folder: Path) -> list[int]:
    """The files that are remembered as to be removed."""
    index = sqlite3.connect(folder / "index.db")
    try:
        return [row[0] for row in index.execute("SELECT file FROM doomed")]
    finally:
        index.close()


async def test_the_files_go_before_the_answer_comes(tmp_path: Path) -> None:
    async with opened.archive(tmp_path) as archive:
        await keep(archive, made.made(1), made.made(2))
        assert await archive.delete(Ref(study=uid(1))) == 1
        assert len(opened.files(tmp_path)) == 1
    async with opened.archive(tmp_path) as archive:
        assert await numbers(archive, "0020000D", Level.STUDY) == [uid(2)]


async def test_deleting_is_not_undone_where_the_index_is_made_again(tmp_path: Path) -> None:
    async with opened.archive(tmp_path) as archive:
        await keep(archive, made.made(1), made.made(2))
        await archive.delete(Ref(study=uid(1)))
    without_index(tmp_path)
    async with opened.archive(tmp_path) as archive:
        assert await numbers(archive, "0020000D", Level.STUDY) == [uid(2)]


async def test_a_crash_between_rows_and_files_is_finished_by_the_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder, aside = tmp_path / "archive", tmp_path / "aside"
    async with opened.archive(folder) as archive:
        await keep(archive, *[made.made(1, 1, number) for number in range(1, 4)], made.made(2))
    shutil.copytree(folder / "files", aside)
    async with opened.archive(folder) as archive:
        await archive.delete(Ref(study=uid(1)))
    kept = opened.files(folder)
    shutil.copytree(aside, folder / "files", dirs_exist_ok=True)
    left = [path for path in opened.files(folder) if path not in kept]
    assert len(left) == 3
    index = sqlite3.connect(folder / "index.db")
    with index:
        index.executemany(
            "INSERT OR IGNORE INTO doomed VALUES (?)", [(int(path.stem, 16),) for path in left]
        )
    index.close()
    caplog.clear()
    async with opened.archive(folder) as archive:
        assert await numbers(archive, "0020000D", Level.STUDY) == [uid(2)]
    assert opened.files(folder) == kept
    assert opened.lost(folder) == []
    assert "3 files of deleted instances were still there" in caplog.text
    assert doomed(folder) == []


async def test_what_is_gone_is_forgotten_with_the_next_commit(tmp_path: Path) -> None:
    async with opened.archive(tmp_path) as archive:
        await keep(archive, made.made(1))
        await archive.delete(Ref(study=uid(1)))
        await keep(archive, made.made(2))
    assert doomed(tmp_path) == []


@pytest.mark.skipif(os.name == "nt", reason="an open file cannot be removed there")
async def test_who_reads_an_instance_reads_it_to_its_end(tmp_path: Path) -> None:
    large = made.made(1, PixelData=bytes(5 * CHUNK))
    async with opened.archive(tmp_path) as archive:
        await keep(archive, large)
        async with archive.retrieve([Ref(study=uid(1))]) as retrieval:
            async for each in retrieval.instances:
                chunks = each.chunks
                first = await anext(chunks)
                await archive.delete(Ref(study=uid(1)))
                assert first + await joined(chunks) == large.data
        assert opened.files(tmp_path) == []


async def test_a_lent_file_goes_when_it_is_given_back_and_is_doomed_until_then(
    tmp_path: Path,
) -> None:
    ref = Ref(study=uid(1), series=uid(1, 1), instance=uid(1, 1, 1))
    async with opened.archive(tmp_path) as archive:
        await keep(archive, made.made(1))
        async with archive.lend(ref) as lent:
            await archive.delete(Ref(study=uid(1)))
            await keep(archive, made.made(2))  # a commit, with which what is gone is forgotten
            held = [path for path in opened.files(tmp_path) if str(path) == lent.path]
            assert len(held) == 1
            assert [int(path.stem, 16) for path in held] == doomed(tmp_path)
            with pytest.raises(NotFound):
                async with archive.lend(ref):
                    pass
    assert held[0] not in opened.files(tmp_path)
    async with opened.archive(tmp_path) as archive:
        assert await numbers(archive, "0020000D", Level.STUDY) == [uid(2)]
    assert doomed(tmp_path) == []


async def test_who_comes_to_an_instance_that_is_gone_by_then_is_told(tmp_path: Path) -> None:
    large = [made.made(1, 1, number, PixelData=bytes(2 * CHUNK)) for number in (1, 2)]
    async with opened.archive(tmp_path) as archive:
        await keep(archive, *large)
        async with archive.retrieve([Ref(study=uid(1))]) as retrieval:
            first = await anext(retrieval.instances)
            assert await joined(first.chunks) == large[0].data
            await archive.delete(Ref(study=uid(1)))
            second = await anext(retrieval.instances)
            with pytest.raises(NotFound, match="deleted meanwhile"):
                await joined(second.chunks)


async def test_a_cancelled_deletion_is_done_to_its_end(tmp_path: Path) -> None:
    async with opened.archive(tmp_path) as archive:
        await keep(archive, *[made.made(1, 1, number) for number in range(1, 20)])
        task = asyncio.get_running_loop().create_task(archive.delete(Ref(study=uid(1))))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await find(archive, Level.IMAGE) == []
        assert opened.files(tmp_path) == []


@pytest.mark.skipif(os.name == "nt" or os.getuid() == 0, reason="root may remove everything")
async def test_a_file_that_cannot_be_removed_stops_the_start_rather_than_come_back(
    tmp_path: Path,
) -> None:
    async with opened.archive(tmp_path) as archive:
        await keep(archive, made.made(1))
    (file,) = opened.files(tmp_path)
    index = sqlite3.connect(tmp_path / "index.db")
    with index:
        index.execute("INSERT INTO doomed VALUES (?)", (int(file.stem, 16),))
    index.close()
    file.parent.chmod(0o500)
    try:
        with pytest.raises(BackendUnavailable):
            async with opened.archive(tmp_path):
                pass
    finally:
        file.parent.chmod(0o700)


def killed_in(folder: Path, study: int, seconds: float | None) -> str:
    """Have a process store and delete a study, and kill it that long after it began to.

    None: as soon as the first file is gone.
    """
    with subprocess.Popen(
        [sys.executable, "-m", "tests.backends.archive.deleting",
         str(folder), str(study), str(COUNT)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "STORED\n"
        day = opened.files(folder)[0].parent
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "DELETING\n"
        if seconds is None:
            while len(os.listdir(day)) == COUNT:  # noqa: PTH208 - the quickest look
                pass
        else:
            time.sleep(seconds)
        process.kill()
        return process.stdout.read()


@pytest.mark.slow
async def test_kill_9_leaves_all_or_nothing_and_nothing_that_was_answered(tmp_path: Path) -> None:
    chance = random.Random(3)  # noqa: S311 - when to strike
    for study in range(1, 7):
        said = killed_in(tmp_path, study, chance.uniform(0, 0.05) if study % 2 else None)
        async with opened.archive(tmp_path, durability="relaxed") as archive:
            there = await find(archive, Level.IMAGE, t0020000D=uid(study))
            assert len(there) in {0, COUNT}
            if "DELETED" in said:
                assert there == []
            assert len(await retrieved(archive, Ref(study=uid(study)))) == len(there)
            if there:
                await archive.delete(Ref(study=uid(study)))
        assert opened.files(tmp_path) == []
        assert opened.lost(tmp_path) == []
