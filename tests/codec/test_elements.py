import struct
import time
import tracemalloc
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import samples

from hilum.codec import part10
from hilum.codec.elements import MAX_DEPTH, MAX_ELEMENTS, walk
from hilum.codec.walked import FRAGMENTS, LITTLE, MAX_WARNINGS, Walked
from hilum.model.errors import BadDataset

IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
BIG = "1.2.840.10008.1.2.2"
JPEG = "1.2.840.10008.1.2.4.50"
UNDEFINED = 0xFFFFFFFF
ITEM_END = b"\xfe\xff\x0d\xe0\0\0\0\0"
SEQUENCE_END = b"\xfe\xff\xdd\xe0\0\0\0\0"
LONG = ("OB", "OW", "SQ", "UN", "UT")


def explicit(tag: int, vr: str, value: bytes, length: int | None = None) -> bytes:
    size = len(value) if length is None else length
    if vr in LONG:
        return struct.pack("<HH2sHL", tag >> 16, tag & 0xFFFF, vr.encode(), 0, size) + value
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr.encode("latin-1"), size) + value


def implicit(tag: int, value: bytes, length: int | None = None) -> bytes:
    size = len(value) if length is None else length
    return struct.pack("<HHL", tag >> 16, tag & 0xFFFF, size) + value


def item(value: bytes, length: int | None = None) -> bytes:
    return implicit(0xFFFEE000, value, length)


CLASS = explicit(0x00080016, "UI", b"1.2\0")
NAME = explicit(0x00100010, "PN", b"A^B ")


def seen(walked: Walked) -> list[tuple[int, str, bytes]]:
    return [
        (tag, vr, bytes(walked.data[start : start + length]))
        for tag, vr, start, length, _, _ in walked.elements
    ]


def test_elements_are_found_where_they_lie():
    data = CLASS + explicit(0x00280010, "US", b"\x02\0") + explicit(0x7FE00010, "OW", b"abcd")
    walked = walk(data, EXPLICIT)
    assert seen(walked) == [
        (0x00080016, "UI", b"1.2\0"),
        (0x00280010, "US", b"\x02\0"),
        (0x7FE00010, "OW", b"abcd"),
    ]
    assert (walked.warnings, walked.truncated, walked.big) == ([], False, False)


def test_implicit_vrs_come_from_the_dictionaries():
    creator = implicit(0x00290010, b"SIEMENS CSA HEADER")
    data = (
        implicit(0x00080000, b"\0\0\0\0") + implicit(0x00080016, b"1.2\0") + creator
        + implicit(0x00291010, b"ab") + implicit(0x00291099, b"cd")
        + implicit(0x60003000, b"ef") + implicit(0x00280106, b"\0\0")
    )  # fmt: skip
    assert [vr for _, vr, _ in seen(walk(data, IMPLICIT))] == [
        "UL", "UI", "LO", "OB", "UN", "OB or OW", "US or SS",
    ]  # fmt: skip


@pytest.mark.parametrize("ended", [True, False])
def test_sequences_nest_with_and_without_lengths(ended):
    def sequence(tag: int, *items: bytes) -> bytes:
        if ended:
            inner = b"".join(item(each + ITEM_END, UNDEFINED) for each in items)
            return explicit(tag, "SQ", inner + SEQUENCE_END, UNDEFINED)
        return explicit(tag, "SQ", b"".join(item(each) for each in items))

    data = CLASS + sequence(0x00400275, sequence(0x00400008, NAME, b""), b"") + NAME
    walked = walk(data, EXPLICIT)
    assert [element[0] for element in walked.elements] == [0x00080016, 0x00400275, 0x00100010]
    items = walked.elements[1][4]
    assert items is not None
    assert [len(each) for each in items] == [1, 0]
    inner = items[0][0][4]
    assert inner is not None
    assert [[element[0] for element in each] for each in inner] == [[0x00100010], []]
    assert walked.warnings == []


def test_a_sequence_as_un_is_in_implicit_little_endian():
    inner = item(implicit(0x00100010, b"A^B ") + ITEM_END, UNDEFINED) + SEQUENCE_END
    little = CLASS + explicit(0x00091010, "UN", inner, UNDEFINED) + NAME
    known = CLASS + explicit(0x00400275, "UN", item(implicit(0x00100010, b"A^B "))) + NAME
    for data in (little, known):
        walked = walk(data, EXPLICIT)
        assert [element[1] for element in walked.elements] == ["UI", "SQ", "PN"]
        assert walked.elements[1][5] == LITTLE
        assert walked.elements[1][4][0][0][:2] == (0x00100010, "PN")


def test_a_known_sequence_as_un_may_have_its_items_in_explicit_vr():
    data = CLASS + explicit(0x00400275, "UN", item(NAME)) + NAME
    found = walk(data, EXPLICIT).elements[1][4]
    assert found is not None
    assert found[0][0][:2] == (0x00100010, "PN")


def test_known_attributes_as_un_get_their_vr_back():
    assert walk(explicit(0x00100010, "UN", b"A^B ") * 1, EXPLICIT).elements[0][1] == "PN"
    big = b"\0\x10\0\x10PN\0\x04A^B \0\x28\0\x10UN\0\0\0\0\0\x02\x02\0"
    assert walk(big, BIG).elements[1][1::4] == ("US", LITTLE)


def test_a_known_sequence_as_un_that_holds_none_stays_binary():
    data = CLASS + explicit(0x00400275, "UN", b"junkjunk")
    assert seen(walk(data, EXPLICIT))[1] == (0x00400275, "UN", b"junkjunk")


def test_encapsulated_pixels_are_found_by_their_lengths():
    fragments = item(b"") + item(b"ab" + SEQUENCE_END + b"cd")
    data = CLASS + explicit(0x7FE00010, "OB", fragments + SEQUENCE_END, UNDEFINED)
    data += explicit(0xFFFCFFFC, "OB", b"\0\0")
    walked = walk(data, JPEG)
    tag, vr, start, length, items, kind = walked.elements[1]
    assert (tag, vr, items, kind) == (0x7FE00010, "OB", None, FRAGMENTS)
    assert data[start : start + length] == fragments
    assert walked.elements[2][0] == 0xFFFCFFFC


def test_missing_delimiters_are_forgiven():
    inner = item(NAME, UNDEFINED) + item(NAME + ITEM_END, UNDEFINED)
    data = explicit(0x00400275, "SQ", inner, UNDEFINED) + explicit(0x00401001, "SH", b"ab")
    walked = walk(data, EXPLICIT)
    assert [element[0] for element in walked.elements] == [0x00400275, 0x00401001]
    assert len(walked.elements[0][4]) == 2
    assert len(walked.warnings) == 2


@pytest.mark.parametrize(
    ("code", "length"), [(b"??", "short"), (b"\0\0", "implicit"), (b"XX", "long"), (b"XX", "short")]
)
def test_an_unknown_vr_is_read_in_the_form_that_makes_sense(code, length):
    tag = struct.pack("<HH", 0x0010, 0x0020)
    header = {
        "short": tag + code + b"\x04\0",
        "implicit": tag + b"\x04\0\0\0",
        "long": tag + code + b"\0\0\x04\0\0\0",
    }[length]
    walked = walk(CLASS + header + b"1234" + explicit(0x00100040, "CS", b"M "), EXPLICIT)
    assert seen(walked)[1:] == [(0x00100020, "LO", b"1234"), (0x00100040, "CS", b"M ")]
    assert walked.warnings == ["(0010,0020) has an unknown VR"]


def test_the_syntax_is_believed_only_where_it_makes_sense():
    data = (
        implicit(0x00080016, b"1.2\0") + implicit(0x00080060, b"CT") + implicit(0x00100020, b"P1")
    )
    for announced in (EXPLICIT, BIG, JPEG):
        walked = walk(data, announced)
        assert [vr for _, vr, _ in seen(walked)] == ["UI", "CS", "LO"]
        assert "announced" in walked.notes[0]
    assert walk(CLASS + NAME + explicit(0x00100040, "CS", b"M "), IMPLICIT).elements[0][1] == "UI"


def test_a_value_that_is_cut_off_is_reported():
    data = CLASS + NAME + explicit(0x7FE00010, "OW", bytes(100))
    walked = walk(data[:-60], EXPLICIT)
    assert walked.truncated
    assert [tag for tag, *_ in walked.elements] == [0x00080016, 0x00100010, 0x7FE00010]
    start, length = walked.elements[2][2:4]
    assert (length, walked.cut) == (40, {start})


def test_every_cut_of_a_nested_data_set_is_reported_and_none_raises():
    inner = item(NAME + explicit(0x00081199, "SQ", item(CLASS)) + ITEM_END, UNDEFINED)
    data = CLASS + explicit(0x00400275, "SQ", inner + SEQUENCE_END, UNDEFINED) + NAME
    ends = {len(CLASS), len(data) - len(NAME), len(data)}
    for length in range(len(CLASS), len(data) + 1):
        walked = walk(data[:length], EXPLICIT)
        assert walked.truncated != (length in ends), length
        assert walked.elements[0][0] == 0x00080016


def test_padding_after_the_end_is_no_truncation():
    for padding in (bytes(3), bytes(4000), explicit(0xFFFCFFFC, "OB", bytes(10))):
        for data, syntax in ((CLASS, EXPLICIT), (implicit(0x00080016, b"1.2\0"), IMPLICIT)):
            if syntax == IMPLICIT and len(padding) == 22:
                continue
            assert not walk(data + padding, syntax).truncated


def test_an_item_cannot_reach_beyond_its_sequence():
    inner = item(explicit(0x00100010, "PN", b"A^B ", 4000))
    walked = walk(explicit(0x00400275, "SQ", inner) + NAME + bytes(8000), EXPLICIT)
    assert [tag for tag, *_ in walked.elements] == [0x00400275, 0x00100010]
    assert not walked.truncated
    assert walked.warnings[0] == "(0010,0010) is cut off"


def test_items_outside_of_a_sequence_do_not_become_attributes_of_the_root():
    walked = walk(CLASS + item(NAME) + ITEM_END + explicit(0x00100020, "LO", b"P1"), EXPLICIT)
    assert [tag for tag, *_ in walked.elements] == [0x00080016, 0x00100020]


def test_a_deflated_data_set_is_inflated(monkeypatch):
    deflater = zlib.compressobj(wbits=-15)
    data = CLASS + NAME + explicit(0x7FE00010, "OW", bytes(100_000))
    packed = deflater.compress(data) + deflater.flush()
    for buffer in (packed, packed + b"\0", zlib.compress(data), memoryview(packed)):
        assert len(walk(buffer, DEFLATED).elements) == 3
    assert walk(packed[:-20], DEFLATED).truncated
    monkeypatch.setattr("hilum.codec.deflate.MAX_INFLATED", 1000)
    walked = walk(packed, DEFLATED)
    assert (len(walked.elements), walked.partial, walked.truncated) == (3, True, False)


@pytest.mark.parametrize("first", [0x00061010, 0x7FE00010])
def test_what_a_bomb_hides_behind_too_long_a_value_is_not_inflated(first):
    deflater = zlib.compressobj(wbits=-15)
    begin = explicit(first, "OW", b"", 256 * 1024 * 1024)
    packed = deflater.compress((CLASS if first > 0x00080016 else b"") + begin + bytes(30_000_000))
    walked = walk(packed + deflater.flush(), DEFLATED, header=True)
    assert len(walked.data) < 1_000_000
    assert (walked.elements[-1][0], walked.partial, walked.truncated) == (first, True, False)
    assert len(walk(packed, DEFLATED).data) > 20_000_000


@pytest.mark.parametrize(
    "data", [b"x", b"\0" * 7, bytes(100), b"\xff" * 100, b"plain text, and nothing else"]
)
@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG, DEFLATED])
def test_rubbish_is_refused_or_warned_of(data, syntax):
    try:
        walked = walk(data, syntax)
    except BadDataset:
        return
    assert walked.truncated
    assert walked.warnings


def test_nesting_is_limited():
    def nested(depth: int) -> bytes:
        header = explicit(0x00400275, "SQ", b"", UNDEFINED) + item(b"", UNDEFINED)
        return CLASS + header * depth + (ITEM_END + SEQUENCE_END) * depth

    assert not walk(nested(MAX_DEPTH), EXPLICIT).truncated
    for depth in (MAX_DEPTH + 1, 100_000):
        with pytest.raises(BadDataset, match="deep"):
            walk(nested(depth), EXPLICIT)


@pytest.mark.parametrize(
    "data",
    [
        explicit(0x00091010, "LO", b"") * (MAX_ELEMENTS + 1),
        explicit(0x00400275, "SQ", item(b"") * (MAX_ELEMENTS + 1)),
        explicit(0x7FE00010, "OB", item(b"") * (MAX_ELEMENTS + 1), UNDEFINED),
    ],
    ids=["elements", "items", "fragments"],
)
def test_the_number_of_elements_is_limited(data):
    with pytest.raises(BadDataset, match="too many"):
        walk(data, EXPLICIT)


def test_warnings_are_few_and_quick():
    data = b"".join(explicit(0x00090000 + n, "??", b"") for n in range(0x1000, 0xF000))
    begun = time.process_time()
    assert len(walk(CLASS + data, EXPLICIT).warnings) == MAX_WARNINGS
    assert time.process_time() - begun < 5


def test_large_values_are_not_copied():
    data = CLASS + explicit(0x7FE00010, "OW", bytes(50_000_000))
    tracemalloc.start()
    try:
        walk(memoryview(data), EXPLICIT)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


@given(
    st.lists(
        st.one_of(
            st.binary(max_size=12),
            st.sampled_from(
                [CLASS, NAME, ITEM_END, SEQUENCE_END, item(b"", UNDEFINED), item(NAME),
                 explicit(0x00400275, "SQ", b"", UNDEFINED), explicit(0x00400275, "UN", item(b"")),
                 explicit(0x7FE00010, "OB", item(b"ab"), UNDEFINED), explicit(0x10, "??", b"")]
            ),
        ),
        max_size=12,
    ).map(b"".join),
    st.sampled_from([IMPLICIT, EXPLICIT, BIG, DEFLATED, JPEG]),
)  # fmt: skip
def test_no_bytes_do_anything_but_raise_bad_dataset(data, syntax):
    try:
        walked = walk(data, syntax)
    except BadDataset:
        return
    for _, _, start, length, _, _ in walked.elements:
        assert 0 <= start <= start + length <= len(walked.data)


@pytest.mark.parametrize("path", samples.GOOD + samples.DUP + samples.DERIVED, ids=lambda p: p.name)
def test_good_files_are_walked_to_their_end(path: Path):
    data = path.read_bytes()
    head = part10.read_head(data, complete=True)
    assert head is not None
    walked = walk(memoryview(data)[head.offset :], head.transfer_syntax_uid)
    assert not walked.truncated
    assert not walked.cut
