from struct import pack

import pytest

from hilum.codec.fragments import FrameReader, FrameStarted, media_type_of
from hilum.model.errors import BadDataset

JPEG, J2K, RLE, VIDEO, PLAIN = (
    "1.2.840.10008.1.2.4.50",
    "1.2.840.10008.1.2.4.90",
    "1.2.840.10008.1.2.5",
    "1.2.840.10008.1.2.4.102",
    "1.2.840.10008.1.2.1.98",
)


def items(*values: bytes) -> bytes:
    return b"".join(pack("<HHL", 0xFFFE, 0xE000, len(value)) + value for value in values)


def frames_of(value: bytes, syntax: str, step: int) -> list[bytes]:
    reader, frames = FrameReader(syntax), []
    for at in range(0, len(value), step):
        for piece in reader.feed(value[at : at + step]):
            if isinstance(piece, FrameStarted):
                frames.append(b"")
            else:
                frames[-1] += piece
    reader.close()
    return frames


@pytest.mark.parametrize("step", [1, 3, 8, 1000])
@pytest.mark.parametrize(
    ("syntax", "value", "frames"),
    [
        (
            JPEG,
            items(b"", b"\xff\xd8ab", b"cdef", b"\xff\xd8gh"),
            [b"\xff\xd8abcdef", b"\xff\xd8gh"],
        ),
        (J2K, items(b"", b"\xff\x4fab", b"\xff\x4fcd"), [b"\xff\x4fab", b"\xff\x4fcd"]),
        (JPEG, items(pack("<L", 0), b"\xff\xd8ab", b"\xff\xd8cd"), [b"\xff\xd8ab\xff\xd8cd"]),
        (JPEG, items(pack("<LL", 0, 22), b"ab", b"cd", b"ef"), [b"abcdef"]),
        (JPEG, items(pack("<LL", 0, 20), b"ab", b"cd", b"ef"), [b"abcd", b"ef"]),
        (RLE, items(b"", b"ab", b"cd"), [b"ab", b"cd"]),
        (PLAIN, items(b"", b"ab", b"cd"), [b"ab", b"cd"]),
        (VIDEO, items(b"", b"\xff\xd8", b"\xff\xd8"), [b"\xff\xd8\xff\xd8"]),
        (JPEG, items(b"", b"", b"\xff\xd8"), [b"", b"\xff\xd8"]),
        (JPEG, items(b""), []),
    ],
)
def test_frames(syntax: str, value: bytes, frames: list[bytes], step: int) -> None:
    assert frames_of(value, syntax, step) == frames


@pytest.mark.parametrize(
    "value",
    [b"rubbish!", items(b"") + b"rubbish!", items(b"", b"abcd")[:-1], b"\xfe\xff", b""],
)
def test_what_are_no_items_is_refused(value: bytes) -> None:
    with pytest.raises(BadDataset):
        frames_of(value, JPEG, 4)


def test_an_endless_table_is_refused() -> None:
    with pytest.raises(BadDataset, match="too long"):
        frames_of(pack("<HHL", 0xFFFE, 0xE000, 2**30), JPEG, 8)


def test_media_types() -> None:
    assert media_type_of(JPEG) == "image/jpeg"
    assert media_type_of(VIDEO) == "video/mp4"
    assert media_type_of("1.2.3") == "application/octet-stream"
