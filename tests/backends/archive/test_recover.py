import logging
import os
import shutil
from pathlib import Path
from typing import Literal

import pytest
from tests.backends.archive import opened
from tests.backends.archive.opened import find, keep, numbers, retrieved
from tests.contract import made
from tests.contract.made import uid

from hilum.backends.archive.files import HEAD
from hilum.model.errors import BackendUnavailable
from hilum.model.identity import Level, Ref
from hilum.model.instance import CHUNK

pytestmark = pytest.mark.anyio


def without_index(folder: Path) -> None:
    """As a power cut may leave it, at worst."""
    for path in folder.glob("index.db*"):
        path.unlink()


async def test_an_index_that_is_gone_is_made_again(tmp_path: Path) -> None:
    everything = [made.made(n, 1, m, PixelData=bytes(n * 1000)) for n in (1, 2) for m in (1, 2)]
    everything.append(made.made(3, PixelData=bytes(2 * CHUNK)))
    async with opened.archive(tmp_path) as archive:
        await keep(archive, *everything)
        before = [await find(archive, level) for level in Level]
    without_index(tmp_path)
    async with opened.archive(tmp_path) as archive:
        assert [await find(archive, level) for level in Level] == before
        assert await retrieved(archive, Ref(study=uid(3))) == [everything[-1].data]
    assert opened.lost(tmp_path) == []


async def test_a_start_after_a_clean_end_changes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened.archive(tmp_path) as archive:
        await keep(archive, made.made())
    caplog.clear()
    async with opened.archive(tmp_path) as archive:
        assert len(await find(archive, Level.IMAGE)) == 1
    assert [each for each in caplog.records if each.levelno >= logging.WARNING] == []


@pytest.mark.parametrize("durability", ["full", "relaxed"])
async def test_an_empty_file_is_one_that_was_made_ahead_or_is_lost(
    tmp_path: Path, durability: Literal["full", "relaxed"]
) -> None:
    async with opened.archive(tmp_path, durability=durability) as archive:
        await keep(archive, made.made())
    without_index(tmp_path)
    (file,) = opened.files(tmp_path)
    file.write_bytes(b"")
    async with opened.archive(tmp_path, durability=durability):
        assert len(opened.lost(tmp_path)) == (durability == "relaxed")
    assert not file.exists()


@pytest.mark.parametrize("size", [9, 2 * CHUNK])
@pytest.mark.parametrize("kept", [1, 128, 132, 300, HEAD - 1, HEAD, HEAD + 1, -9, -1])
async def test_a_file_that_is_cut_goes_to_lost(tmp_path: Path, size: int, kept: int) -> None:
    async with opened.archive(tmp_path) as archive:
        await keep(archive, made.made(1, PixelData=bytes(size)), made.made(2))
    without_index(tmp_path)
    file = opened.files(tmp_path)[0]
    cut = file.read_bytes()[:kept]
    file.write_bytes(cut)
    async with opened.archive(tmp_path) as archive:
        assert await numbers(archive, "0020000D", Level.STUDY) == [uid(2)]
        (set_aside,) = opened.lost(tmp_path)
        assert set_aside.read_bytes() == cut
        assert len(opened.files(tmp_path)) == 1
        await keep(archive, made.made(1, PixelData=bytes(size)))


@pytest.mark.parametrize("place", [140, 400, HEAD, HEAD + 200, -1])
async def test_a_file_that_is_long_enough_but_wrong_goes_to_lost(
    tmp_path: Path, place: int
) -> None:
    async with opened.archive(tmp_path) as archive:
        await keep(archive, made.made(1, PixelData=bytes(100_000)))
    without_index(tmp_path)
    (file,) = opened.files(tmp_path)
    data = bytearray(file.read_bytes())
    end = place + 64 if place > 0 else len(data)
    data[place:end] = b"\xff" * (end - place if place > 0 else 1)
    file.write_bytes(data)
    async with opened.archive(tmp_path) as archive:
        found = await find(archive, Level.IMAGE)
    assert len(found) + len(opened.lost(tmp_path)) == 1
    assert not found or place in (140, 400)  # what stands there says nothing that matters


async def test_zeros_where_data_should_be_go_to_lost(tmp_path: Path) -> None:
    async with opened.archive(tmp_path) as archive:
        await keep(archive, made.made(1, PixelData=b"\1" * 100_000))
    without_index(tmp_path)
    (file,) = opened.files(tmp_path)
    length = file.stat().st_size
    for whole in (HEAD + 50_000, 0):
        os.truncate(file, whole)
        os.truncate(file, length)
        async with opened.archive(tmp_path) as archive:
            assert await find(archive, Level.IMAGE) == []
        (set_aside,) = opened.lost(tmp_path)
        assert set_aside.stat().st_size == length
        set_aside.rename(file)
        without_index(tmp_path)


@pytest.mark.parametrize("damage", ["gone", "cut", "longer"])
async def test_a_row_whose_file_is_not_right_is_dropped_and_logged(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened.archive(tmp_path) as archive:
        await keep(archive, made.made(1, 1, 1), made.made(1, 1, 2), made.made(2))
    file = opened.files(tmp_path)[0]
    whole = file.read_bytes()
    if damage == "gone":
        file.unlink()
    else:
        file.write_bytes(whole[:-1] if damage == "cut" else whole + b"x")
    async with opened.archive(tmp_path) as archive:
        assert await numbers(archive, "00200013", Level.IMAGE) == [2, 1]
        assert await numbers(archive, "00201208", Level.STUDY) == [1, 1]
        assert len(opened.lost(tmp_path)) == (damage != "gone")
        assert file.name in caplog.text
        await keep(archive, made.made(1, 1, 1))
    file = opened.files(tmp_path)[0]


async def test_a_second_copy_is_removed_only_after_comparing(tmp_path: Path) -> None:
    async with opened.archive(tmp_path) as archive:
        await keep(archive, made.made())
    (file,) = opened.files(tmp_path)
    number = int(file.stem, 16)
    shutil.copy(file, file.with_name(f"{number + 1:016x}.dcm"))
    async with opened.archive(tmp_path) as archive:
        assert len(await find(archive, Level.IMAGE)) == 1
    assert opened.files(tmp_path) == [file]
    assert opened.lost(tmp_path) == []


async def test_of_two_that_contradict_the_one_with_a_row_stays(tmp_path: Path) -> None:
    other = tmp_path / "other"
    async with opened.archive(other) as archive:
        await keep(archive, made.made(PatientName="Roe^Richard"))
    async with opened.archive(tmp_path / "here", "replace") as archive:
        await keep(archive, made.made())
    (theirs,) = opened.files(other)
    (ours,) = opened.files(tmp_path / "here")
    shutil.copy(theirs, ours.parent)
    async with opened.archive(tmp_path / "here", "replace") as archive:
        assert await retrieved(archive, Ref(study=uid(1))) == [made.made().data]
    assert [each.name for each in opened.lost(tmp_path / "here")] == [theirs.name]


async def test_what_is_none_of_ours_is_set_aside_and_never_deleted(tmp_path: Path) -> None:
    async with opened.archive(tmp_path) as archive:
        await keep(archive, made.made())
    (file,) = opened.files(tmp_path)
    strange = {"notes.txt": b"x", "0000000000000001.dcm": b"y", "IM0001.dcm": file.read_bytes()}
    for name, data in strange.items():
        (file.parent / name).write_bytes(data)
    async with opened.archive(tmp_path) as archive:
        assert len(await find(archive, Level.IMAGE)) == 1
    assert {each.name: each.read_bytes() for each in opened.lost(tmp_path)} == strange


async def test_only_one_process_may_have_a_folder(tmp_path: Path) -> None:
    async with opened.archive(tmp_path):
        with pytest.raises(BackendUnavailable, match="another process"):
            async with opened.archive(tmp_path):
                pass
    async with opened.archive(tmp_path):
        pass


async def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BackendUnavailable, match="folder cannot be used"):
        async with opened.archive(tmp_path / "file" / "archive"):
            pass


async def test_old_days_are_not_looked_at_again(tmp_path: Path) -> None:
    async with opened.archive(tmp_path) as archive:
        await keep(archive, made.made())
        archive._writer.flush()
        archive._writer._index.begin()
        archive._writer._index.remember("swept", "2100/01/01")
        archive._writer._index.commit()
    (file,) = opened.files(tmp_path)
    (file.parent / "notes.txt").write_bytes(b"x")
    async with opened.archive(tmp_path) as archive:
        assert opened.lost(tmp_path) == []
        await keep(archive, made.made(2))
    assert (
        sorted(
            each.parent.relative_to(tmp_path / "files").as_posix()
            for each in opened.files(tmp_path)
        )[1]
        >= "2100/01/01"
    )
