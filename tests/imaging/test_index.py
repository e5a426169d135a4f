from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.encaps import get_frame
from pydicom.uid import RLELossless
from tests.imaging.images import (
    BASELINE,
    dataset,
    element,
    encapsulated,
    header,
    images,
    item,
    looked,
    native,
    sample,
)

from hilum.codec.header import EXPLICIT_BIG
from hilum.imaging.index import EncapsulatedIndex, FrameIndex, NativeIndex, frame
from hilum.imaging.read import look
from hilum.model.errors import BadPixels, HilumError, NotFound

A, B, C = b"\xff\xd8aaaa\xff\xd9", b"\xff\xd8bb\xff\xd9", b"\xff\xd8cccccc\xff\xd9"


def index_of(data: bytes, syntax: str = BASELINE) -> FrameIndex:
    index = looked(data, syntax).index
    assert index is not None
    return index


def frames_of(data: bytes, syntax: str = BASELINE) -> list[bytes]:
    index = index_of(data, syntax)
    return [bytes(frame(data, index, number)) for number in range(index.frames)]


def test_frames_that_are_not_encapsulated_are_arithmetic() -> None:
    data = header(2, 3, "3") + native(b"abcdefghijklmnopqr")
    assert frames_of(data, "1.2.840.10008.1.2.1") == [b"abcdef", b"ghijkl", b"mnopqr"]


def test_a_frame_of_single_bits_begins_within_a_byte() -> None:
    data = header(3, 3, "3", allocated=1) + native(b"\x01\x02\x03\x04")
    index = index_of(data, "1.2.840.10008.1.2.1")
    start = len(data) - 4
    assert [index.pieces(number) for number in range(3)] == [
        [(start, 2)],
        [(start + 1, 2)],
        [(start + 2, 2)],
    ]
    assert [index.bit(number) for number in range(3)] == [0, 1, 2]


def test_odd_frames_in_words_of_the_other_order_come_with_whole_words() -> None:
    index = NativeIndex(frames=3, start=100, length=10, size=24, unit=16)
    assert [index.pieces(number) for number in range(3)] == [[(100, 4)], [(102, 4)], [(106, 4)]]
    assert [index.bit(number) for number in range(3)] == [0, 8, 0]


def test_bytes_in_words_of_big_endian() -> None:
    big = b"".join(
        pack(">HH2sH", tag >> 16, tag & 0xFFFF, b"US", 2) + pack(">H", value)
        for tag, value in (
            (0x00280002, 1),
            (0x00280010, 1),
            (0x00280011, 3),
            (0x00280100, 8),
            (0x00280101, 8),
        )
    )
    data = big + pack(">HH2sHL", 0x7FE0, 0x0010, b"OW", 0, 4) + b"badc"
    assert index_of(data, EXPLICIT_BIG).pieces(0) == [(len(data) - 4, 4)]


@pytest.mark.parametrize("number", [-1, 3, 10**9])
def test_there_is_no_such_frame(number: int) -> None:
    plain = header(2, 3, "3") + native(b"abcdefghijklmnopqr")
    with pytest.raises(NotFound):
        index_of(plain, "1.2.840.10008.1.2.1").pieces(number)
    with pytest.raises(NotFound):
        index_of(header(2, 3, "3") + encapsulated([A, B, C])).pieces(number)


def test_one_fragment_for_each_frame_needs_no_table() -> None:
    assert frames_of(header(2, 3, "3") + encapsulated([A, B, C])) == [A, B, C]


def test_one_frame_has_all_fragments() -> None:
    assert frames_of(header(2, 3, "1") + encapsulated([A[:4], A[4:]])) == [A]


def test_a_basic_offset_table_says_where_frames_begin() -> None:
    parts = [b"aa", b"bb", b"cc", b"dd"]  # no codestreams: only the table knows
    data = header(2, 3, "2") + encapsulated(parts, [0, 30])
    assert frames_of(data) == [b"aabbcc", b"dd"]


def test_an_extended_offset_table_says_where_frames_begin() -> None:
    data = header(2, 3, "2") + encapsulated([b"aa", b"bb", b"cc"], extended=[0, 20])
    assert frames_of(data) == [b"aabb", b"cc"]


@pytest.mark.parametrize(
    "table",
    [[], [0], [0, 8], [4, 20], [0, 0], [20, 0], [0, 1000], [0, 0xFFFFFFFF], [0, 20, 40]],
)
def test_a_table_that_lies_is_not_believed(table: list[int]) -> None:
    parts = [A[:4], A[4:], B[:4], B[4:]]
    assert frames_of(header(2, 3, "2") + encapsulated(parts, table)) == [A, B]
    assert frames_of(header(2, 3, "2") + encapsulated(parts, extended=table)) == [A, B]


def test_a_frame_ends_where_its_codestream_does() -> None:
    parts = [b"??aa", b"\xff\xd9", b"??bb", b"bb\xff\xd9\0\0"[:-1]]
    assert frames_of(header(2, 3, "2") + encapsulated(parts)) == [
        b"??aa\xff\xd9",
        b"??bbbb\xff\xd9\0",
    ]


def test_empty_fragments_are_no_frames() -> None:
    index = index_of(header(2, 3, "2") + encapsulated([b"aa", b"bb", b""]), RLELossless)
    assert [len(index.pieces(number)) for number in range(2)] == [1, 2]


@pytest.mark.parametrize("frames", ["2", "5", "400000"])
def test_counts_that_do_not_agree(frames: str) -> None:
    with pytest.raises(BadPixels, match=r"frames are announced, and 3 fragments"):
        index_of(header(2, 3, frames) + encapsulated([b"aa", b"bb", b"cc"]))


def test_no_fragments_at_all() -> None:
    with pytest.raises(BadPixels, match="no pixels"):
        index_of(header() + encapsulated([]))


def test_a_data_set_that_ends_early_has_its_first_frames() -> None:
    data = header(2, 3, "3") + encapsulated([A, B, C])
    cut = data[: data.index(B) + 3]
    index = index_of(cut)
    assert bytes(frame(cut, index, 0)) == A
    for number in (1, 2):
        with pytest.raises(BadPixels, match="is cut off"):
            index.pieces(number)


def test_a_table_of_a_data_set_that_ends_early_is_believed() -> None:
    parts = [b"aa", b"bb", b"cc", b"dd", b"ee"]
    data = header(2, 3, "3") + encapsulated(parts, [0, 20, 40])
    cut = data[: data.index(b"ee") - 4]
    index = index_of(cut)
    assert [bytes(frame(cut, index, number)) for number in range(2)] == [b"aabb", b"ccdd"]
    with pytest.raises(BadPixels, match="is cut off"):
        index.pieces(2)


def test_nothing_is_missing_but_the_delimiter() -> None:
    data = header(2, 3, "2") + encapsulated([A[:4], A[4:], B])
    assert frames_of(data[:-8]) == [A, B]


def test_native_frames_that_are_not_there() -> None:
    index = index_of(header(2, 3, "3") + native(b"abcdefgh"), "1.2.840.10008.1.2.1")
    assert len(index.pieces(0)) == 1
    with pytest.raises(BadPixels, match="frame 2 of 3 is cut off"):
        index.pieces(1)


def test_a_video_is_one_frame() -> None:
    data = header(2, 3, "250") + encapsulated([b"aaaa", b"bb"], [0, 12])
    assert frames_of(data, "1.2.840.10008.1.2.4.102") == [b"aaaabb"]


def test_hundreds_of_thousands_of_frames_take_little_memory() -> None:
    count = 400_000
    data = header(2, 3, str(count)) + encapsulated([b"ab"] * count)
    index = index_of(data, RLELossless)
    assert isinstance(index, EncapsulatedIndex)
    assert index.starts.itemsize + index.lengths.itemsize <= 12
    assert index.firsts == range(count)
    assert bytes(frame(data, index, count - 1)) == b"ab"


def test_the_samples_have_the_frames_that_pydicom_finds() -> None:
    seen = 0
    for path in images():
        data, syntax = sample(path)
        index = look(data, syntax).index
        if not isinstance(index, EncapsulatedIndex):
            continue
        pixels = dataset(path).PixelData
        for number in range(index.frames):
            theirs = get_frame(pixels, number, number_of_frames=index.frames)
            assert bytes(frame(data, index, number)) == theirs, path.name
            seen += 1
    assert seen


WHOLE = header(2, 3, "3") + encapsulated([A[:4], A[4:], B, C], [0, 24, 38])
EXTENDED = (
    header(2, 3, "3")
    + element(0x7FE00001, "OV", pack("<3Q", 0, 24, 38))
    + encapsulated([A[:4], A[4:], B, C])
)


@given(
    st.sampled_from([WHOLE, EXTENDED]),
    st.lists(st.tuples(st.integers(0, len(EXTENDED)), st.integers(0, 255)), max_size=6),
    st.integers(0, len(EXTENDED)),
)
def test_whatever_is_changed_is_an_index_or_an_error(
    data: bytes, changes: list[tuple[int, int]], end: int
) -> None:
    broken = bytearray(data)
    for at, byte in changes:
        if at < len(broken):
            broken[at] = byte
    for each in (bytes(broken), bytes(broken[:end])):
        try:
            index = look(each, BASELINE).index
            if index is not None:
                for number in range(min(index.frames, 8)):
                    assert len(frame(each, index, number)) <= len(each)
        except HilumError:
            continue


def test_something_else_between_the_fragments() -> None:
    data = header(2, 3, "2") + encapsulated([A, B])
    broken = data.replace(item(B)[:4], b"\x08\x00\x10\x00", 2)
    with pytest.raises(HilumError):
        frames_of(broken)
