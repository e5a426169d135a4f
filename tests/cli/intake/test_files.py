import os
from pathlib import Path

import pytest
from anyio import CapacityLimiter
from pydicom.uid import ExplicitVRLittleEndian

from hilum.cli.intake.files import OTHER, Unreadable, below, opened
from hilum.cli.walk.study import study
from hilum.codec.part10 import encode_meta
from hilum.model.instance import CHUNK

pytestmark = pytest.mark.anyio
SLICE = study("FILES").slices[0]


async def read(path: Path) -> tuple[str, str, str, bytes, int | None, int]:
    async with opened(path, CapacityLimiter(1)) as instance:
        chunks = [chunk async for chunk in instance.chunks]
    return (
        instance.sop_class_uid,
        instance.sop_instance_uid,
        instance.transfer_syntax_uid,
        b"".join(chunks),
        instance.size,
        max(map(len, chunks), default=0),
    )


async def refusal(path: Path) -> str:
    with pytest.raises(Unreadable) as caught:
        await read(path)
    return str(caught.value)


def test_files_are_found_at_any_depth_in_a_stable_order(tmp_path: Path) -> None:
    names = ["b/2", "b/1", "a", "c/d/e/f", ".hidden"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "empty").mkdir()
    found = [path.relative_to(tmp_path).as_posix() for path in below([tmp_path])]
    assert found == [".hidden", "a", "b/1", "b/2", "c/d/e/f"]
    assert next(below([tmp_path / "a", tmp_path / "b"])) == tmp_path / "a"


def test_a_link_to_a_folder_is_not_followed_and_one_to_a_file_is(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").touch()
    (tmp_path / "folder" / "loop").symlink_to(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path / "folder" / "file")
    (tmp_path / "dead").symlink_to(tmp_path / "nowhere")
    names = [path.name for path in below([tmp_path])]
    assert names == ["dead", "file", "loop", "link"]


def test_pipes_and_sockets_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert not list(below([tmp_path]))


@pytest.mark.parametrize("tail", [0, 1, CHUNK - 100, 3 * CHUNK])
async def test_an_instance_comes_as_it_is_in_the_file_in_bounded_pieces(
    tail: int, tmp_path: Path
) -> None:
    encoded = SLICE.encoded + bytes(tail)
    path = tmp_path / "x.dcm"
    path.write_bytes(SLICE.part10[: -len(SLICE.encoded)] + encoded)
    kind, uid, syntax, data, size, longest = await read(path)
    assert (kind, uid) == (SLICE.sop_class_uid, SLICE.sop_instance_uid)
    assert syntax == "1.2.840.10008.1.2.1"
    assert data == encoded
    assert size == len(encoded)
    assert longest <= CHUNK


async def test_a_bare_data_set_is_identified_by_what_is_in_it(tmp_path: Path) -> None:
    path = tmp_path / "bare"
    path.write_bytes(SLICE.encoded)
    kind, uid, syntax, data, _, _ = await read(path)
    assert (kind, uid) == (SLICE.sop_class_uid, SLICE.sop_instance_uid)
    assert syntax == "1.2.840.10008.1.2.1"
    assert data == SLICE.encoded


async def test_the_data_set_decides_what_a_file_is(tmp_path: Path) -> None:
    path = tmp_path / "x.dcm"
    other = study("FILES").slices[1]
    path.write_bytes(other.part10.removesuffix(other.encoded) + SLICE.encoded)
    async with opened(path, CapacityLimiter(1)) as found:
        assert found.sop_instance_uid == SLICE.sop_instance_uid
        assert found.warnings == (OTHER,)


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"\x89PNG\r\n\x1a\n" + bytes(2000), bytes(5000)]
)
async def test_what_is_not_dicom_is_left_alone(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(content)
    assert await refusal(path)


async def test_a_file_that_is_gone_is_told(tmp_path: Path) -> None:
    assert await refusal(tmp_path / "x") == "cannot be opened: No such file or directory"


async def test_a_folder_that_cannot_be_listed_is_told(tmp_path: Path) -> None:
    assert await refusal(tmp_path) == "cannot be opened: Is a directory"


async def test_what_it_is_may_stand_far_behind(tmp_path: Path) -> None:
    path = tmp_path / "file"
    before = b"\x04\x00\x00\x10OB\x00\x00" + (200_000).to_bytes(4, "little") + bytes(200_000)
    data = b"\x08\x00\x16\x00UI\x04\x001.2\0\x08\x00\x18\x00UI\x04\x001.3\0"
    path.write_bytes(encode_meta("1.2", "1.4", ExplicitVRLittleEndian) + before + data)
    kind, uid, _, read_back, size, _ = await read(path)
    assert (kind, uid) == ("1.2", "1.3")
    assert read_back == before + data
    assert size == len(before + data)
