import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.backends.archive import opened

from hilum.backends.archive.files import HEAD, Seal, head, read_seal
from hilum.codec.part10 import read_head
from hilum.model.errors import BackendError

pytestmark = pytest.mark.anyio


async def test_it_is_ill_when_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened.archive(tmp_path) as archive:
        await archive.echo()
        monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=1))
        with pytest.raises(BackendError, match="full"):
            await archive.echo()


async def test_it_is_ill_when_its_folder_is_gone(tmp_path: Path) -> None:
    async with opened.archive(tmp_path) as archive:
        (tmp_path / "files").rename(tmp_path / "elsewhere")
        with pytest.raises(BackendError):
            await archive.echo()


async def test_its_folder_is_for_its_owner_only(tmp_path: Path) -> None:
    async with opened.archive(tmp_path / "archive"):
        for path in ("", "files", "lost"):
            assert (tmp_path / "archive" / path).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("length", [5, 6, 63, 64])
@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2", "1." + "2" * 62])
def test_a_head_has_its_length_and_its_seal(length: int, syntax: str) -> None:
    uid = "1." + "2" * (length - 2)
    seal = Seal(2**40 + 1, 2**32 - 1)
    made = head(uid, uid, syntax, seal)
    assert len(made) == HEAD
    found = read_head(made, complete=True)
    assert found is not None
    assert (found.sop_class_uid, found.sop_instance_uid, found.transfer_syntax_uid) == (
        uid, uid, syntax,
    )  # fmt: skip
    assert found.offset == HEAD
    assert read_seal(found.private) == seal
    assert not found.warnings


def test_what_is_no_seal_is_none() -> None:
    assert read_seal(b"") is None
    assert read_seal(b"hilum archive length=1 crc32=2") is None
