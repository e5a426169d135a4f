import errno
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydicom import dcmread

from hilum.cli.scu.folder import Folder
from hilum.cli.walk.study import study
from hilum.codec.sop_class import EXPLICIT_LE
from hilum.model.errors import BackendFault, BadDataset, OutOfResources
from hilum.model.instance import Instance

pytestmark = pytest.mark.anyio
SLICE = study("FOLDER").slices[0]


def kept(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def pieces(data: bytes, size: int = 1000) -> AsyncIterator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


async def broken() -> AsyncIterator[bytes]:
    yield b"half of it"
    raise BackendFault("the peer is gone")


def instance(
    uid: str = SLICE.sop_instance_uid, chunks: AsyncIterator[bytes] | None = None
) -> Instance:
    return Instance(uid, SLICE.sop_class_uid, EXPLICIT_LE, chunks or pieces(SLICE.encoded))


async def test_an_instance_becomes_a_file_of_part_10(tmp_path: Path) -> None:
    folder = Folder(tmp_path, "PACS")
    stored = await folder.store(instance())
    path = tmp_path / f"{SLICE.sop_instance_uid}.dcm"
    assert stored.failure is None
    assert folder.files == [path]
    assert folder.size == len(SLICE.encoded)
    assert path.read_bytes().endswith(SLICE.encoded)
    read = dcmread(path)
    assert read.file_meta.SourceApplicationEntityTitle == "PACS"
    assert read.file_meta.TransferSyntaxUID == EXPLICIT_LE
    assert read.file_meta.MediaStorageSOPInstanceUID == read.SOPInstanceUID
    assert kept(tmp_path) == [path]


async def test_an_instance_of_many_megabytes_is_written_in_pieces(tmp_path: Path) -> None:
    data = SLICE.encoded + bytes(5_000_001)
    folder = Folder(tmp_path, "PACS")
    assert (await folder.store(instance(chunks=pieces(data, 100_003)))).failure is None
    assert folder.files[0].read_bytes().endswith(data)


@pytest.mark.parametrize(
    "uid", ["", "../../etc/passwd", "1.2/3", "x", "1" * 65, "1.2\0", ".", ".."]
)
async def test_what_is_no_uid_names_no_file(tmp_path: Path, uid: str) -> None:
    inside = tmp_path / "a" / "b"
    inside.mkdir(parents=True)
    stored = await Folder(inside, "PACS").store(instance(uid))
    assert isinstance(stored.failure, BadDataset)
    assert kept(tmp_path) == []


async def test_an_instance_that_comes_again_replaces_the_file(tmp_path: Path) -> None:
    folder = Folder(tmp_path, "PACS")
    await folder.store(instance(chunks=pieces(b"first")))
    await folder.store(instance())
    assert [path.read_bytes().endswith(SLICE.encoded) for path in kept(tmp_path)] == [True]


async def test_half_an_instance_leaves_nothing_behind(tmp_path: Path) -> None:
    folder = Folder(tmp_path, "PACS")
    with pytest.raises(BackendFault):
        await folder.store(instance(chunks=broken()))
    assert kept(tmp_path) == []
    assert folder.files == []


async def test_a_folder_that_is_gone_is_a_failure_of_ours(tmp_path: Path) -> None:
    stored = await Folder(tmp_path / "gone", "PACS").store(instance())
    assert isinstance(stored.failure, BackendFault)
    assert "No such file" in str(stored.failure)


async def test_a_full_disk_is_told_so_that_the_peer_tries_again(
    tmp_path: Path,
) -> None:
    async def full() -> AsyncIterator[bytes]:
        yield b"x"
        raise OSError(errno.ENOSPC, "No space left on device")

    stored = await Folder(tmp_path, "PACS").store(instance(chunks=full()))
    assert isinstance(stored.failure, OutOfResources)
    assert kept(tmp_path) == []
