import os
import threading
from pathlib import Path

import pytest
from tests.backends.archive import opened
from tests.backends.archive.opened import keep
from tests.contract import made

from hilum.backends.archive import files as module
from hilum.backends.archive.files import Files

pytestmark = pytest.mark.anyio


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "files").rglob("*.dcm"))


@pytest.fixture
def syncs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The directories that were synced."""
    found: list[str] = []
    real = module.sync_directory

    def noted(path: Path | str) -> None:
        real(path)
        found.append(str(path))

    monkeypatch.setattr(module, "sync_directory", noted)
    return found


def test_the_more_come_the_more_names_are_made_durable_at_once(
    tmp_path: Path, syncs: list[str]
) -> None:
    files = Files(tmp_path, durable=True)
    files.prepare()
    syncs.clear()
    taken = []
    for _ in range(40):
        fd, number = files.create()
        assert f"{number:016x}.dcm" in names(tmp_path)
        assert files.unsafe_since() <= module.day_of(number)
        os.close(fd)
        taken.append(number)
    assert taken == sorted(taken)
    assert sum(len(Path(each).relative_to(files.root).parts) == 3 for each in syncs) <= 7
    files.spare()
    assert len(names(tmp_path)) == 40


def test_each_gets_a_file_of_its_own(tmp_path: Path) -> None:
    files = Files(tmp_path, durable=True)
    files.prepare()
    taken: list[int] = []

    def take() -> None:
        for _ in range(50):
            fd, number = files.create()
            os.close(fd)
            taken.append(number)

    threads = [threading.Thread(target=take) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(set(taken)) == 200
    files.spare()
    assert len(names(tmp_path)) == 200


def test_what_is_not_durable_is_made_when_it_is_needed(tmp_path: Path, syncs: list[str]) -> None:
    files = Files(tmp_path, durable=False)
    files.prepare()
    syncs.clear()
    for count in range(1, 9):
        os.close(files.create()[0])
        assert len(names(tmp_path)) == count
    assert syncs == []


def test_yesterdays_names_are_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = Files(tmp_path, durable=True)
    files.prepare()
    for _ in range(4):
        os.close(files.create()[0])
    assert len(names(tmp_path)) == 7
    real = module.time.time_ns
    monkeypatch.setattr(module.time, "time_ns", lambda: real() + 24 * 3600 * 10**9)
    fd, number = files.create()
    os.close(fd)
    assert module.day_of(number) == module.day_of(real() + 24 * 3600 * 10**9)
    assert len(names(tmp_path)) == 5


async def test_names_that_nobody_needed_do_not_stay(tmp_path: Path) -> None:
    async with opened.archive(tmp_path) as archive:
        await keep(archive, *(made.made(1, 1, number) for number in range(1, 10)))
        assert len(names(tmp_path)) > 9
    assert len(names(tmp_path)) == 9
    (opened.files(tmp_path)[0].with_name(f"{'0' * 16}.dcm")).touch()  # of 1970, so none of ours
    left = opened.files(tmp_path)[-1]
    left.with_name(f"{int(left.stem, 16) + 1:016x}.dcm").touch()  # as after kill -9
    async with opened.archive(tmp_path):
        assert len(names(tmp_path)) == 9
        assert len(opened.lost(tmp_path)) == 1
