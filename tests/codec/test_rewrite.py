import struct
import tracemalloc

import pytest

from hilum.codec.elements import MAX_DEPTH, walk
from hilum.codec.header import (
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    LONG,
    UNDEFINED,
    syntax_of,
)
from hilum.codec.rewrite import Rewriter
from hilum.model.errors import BadDataset

ITEM_END = b"\xfe\xff\x0d\xe0\0\0\0\0"
SEQUENCE_END = b"\xfe\xff\xdd\xe0\0\0\0\0"


def explicit(tag: int, vr: str, value: bytes, *, order: str = "<", length: int | None = None):
    size = len(value) if length is None else length
    group, number, code = tag >> 16, tag & 0xFFFF, vr.encode()
    if vr in LONG:
        return struct.pack(order + "HH2sHL", group, number, code, 0, size) + value
    return struct.pack(order + "HH2sH", group, number, code, size) + value


def implicit(tag: int, value: bytes, length: int | None = None) -> bytes:
    size = len(value) if length is None else length
    return struct.pack("<HHL", tag >> 16, tag & 0xFFFF, size) + value


def item(value: bytes, length: int | None = None) -> bytes:
    return implicit(0xFFFEE000, value, length)


def sequence(*items: bytes) -> bytes:
    """The value of a sequence as it goes out, in little endian."""
    return b"".join(item(each + ITEM_END, UNDEFINED) for each in items) + SEQUENCE_END


CLASS = explicit(0x00080016, "UI", b"1.2\0")
NAME = explicit(0x00100010, "PN", b"A^B ")


def rewritten(data: bytes, source: str, target: str, step: int = 1 << 20) -> bytes:
    rewriter = Rewriter(syntax_of(source), syntax_of(target))
    pieces = [rewriter.feed(data[at : at + step]) for at in range(0, len(data), step)]
    return b"".join(pieces) + rewriter.close()


@pytest.mark.parametrize(
    ("vr", "value", "swapped"),
    [
        ("US", b"\1\2\3\4", b"\2\1\4\3"), ("SS", b"\1\2", b"\2\1"),
        ("AT", b"\1\2\3\4", b"\2\1\4\3"), ("OW", b"\1\2\3\4", b"\2\1\4\3"),
        ("UL", b"\1\2\3\4", b"\4\3\2\1"),
        ("SL", b"\1\2\3\4", b"\4\3\2\1"), ("FL", b"\1\2\3\4", b"\4\3\2\1"),
        ("OF", b"\1\2\3\4", b"\4\3\2\1"), ("OL", b"\1\2\3\4", b"\4\3\2\1"),
        ("FD", b"12345678", b"87654321"), ("OD", b"12345678", b"87654321"),
        ("OV", b"12345678", b"87654321"), ("SV", b"12345678", b"87654321"),
        ("UV", b"12345678", b"87654321"), ("OB", b"1234", b"1234"), ("UN", b"1234", b"1234"),
        ("LO", b"1234", b"1234"), ("UT", b"1234", b"1234"), ("OW", b"\1\2\3", b"\2\1\3\0"),
    ],
)  # fmt: skip
def test_words_are_swapped_by_the_vr(vr, value, swapped):
    little = explicit(0x00111001, vr, value)
    big = explicit(0x00111001, vr, swapped, order=">")
    for step in (1, 3, 1000):
        assert rewritten(little, EXPLICIT_LITTLE, EXPLICIT_BIG, step) == big
    if len(value) % 2 == 0:
        assert rewritten(big, EXPLICIT_BIG, EXPLICIT_LITTLE) == little


@pytest.mark.parametrize(
    ("vr", "value", "padded"),
    [("LO", b"abc", b"abc "), ("UI", b"1.2", b"1.2\0"), ("OB", b"abc", b"abc\0"),
     ("UT", b"abc", b"abc "), ("UN", b"abc", b"abc\0"), ("DS", b"1.5", b"1.5 ")],
)  # fmt: skip
def test_odd_values_are_padded(vr, value, padded):
    data = explicit(0x00111001, vr, value) + explicit(0x00120010, "LO", b"x ")
    assert rewritten(data, EXPLICIT_LITTLE, IMPLICIT_LITTLE) == (
        implicit(0x00111001, padded) + implicit(0x00120010, b"x ")
    )


def test_vrs_come_from_the_dictionaries():
    data = (
        implicit(0x00280103, b"\1\0") + implicit(0x00280106, b"\1\0")
        + implicit(0x00283000, item(implicit(0x00283002, bytes(6)) + implicit(0x00283006, b"abcd")
                                    + implicit(0x00280103, b"\0\0") + implicit(0x00283006, b"ab")))
        + implicit(0x00280107, b"\1\0")
        + implicit(0x00290010, b"SIEMENS CSA HEADER") + implicit(0x00291010, b"ab")
        + implicit(0x00291099, b"cd") + implicit(0x60003000, b"ef") + implicit(0x7FE00010, b"gh")
    )  # fmt: skip
    lut = (
        explicit(0x00283002, "SS", bytes(6)) + explicit(0x00283006, "OW", b"abcd")
        + explicit(0x00280103, "US", b"\0\0") + explicit(0x00283006, "US", b"ab")
    )  # fmt: skip
    assert rewritten(data, IMPLICIT_LITTLE, EXPLICIT_LITTLE) == (
        explicit(0x00280103, "US", b"\1\0") + explicit(0x00280106, "SS", b"\1\0")
        + explicit(0x00283000, "SQ", sequence(lut), length=UNDEFINED)
        + explicit(0x00280107, "SS", b"\1\0")
        + explicit(0x00290010, "LO", b"SIEMENS CSA HEADER") + explicit(0x00291010, "OB", b"ab")
        + explicit(0x00291099, "UN", b"cd") + explicit(0x60003000, "OW", b"ef")
        + explicit(0x7FE00010, "OW", b"gh")
    )  # fmt: skip


def test_a_private_creator_counts_in_its_item_only():
    inner = implicit(0x00291010, b"ab")
    data = implicit(0x00290010, b"SIEMENS CSA HEADER") + implicit(0x00400275, item(inner))
    result = rewritten(data, IMPLICIT_LITTLE, EXPLICIT_LITTLE)
    assert result.endswith(
        explicit(0x00400275, "SQ", sequence(explicit(0x00291010, "UN", b"ab")), length=UNDEFINED)
    )


@pytest.mark.parametrize("ended", [True, False])
def test_sequences_go_out_with_undefined_length(ended):
    inner = NAME + explicit(0x00081199, "SQ", item(b"") + item(CLASS))
    if ended:
        value = item(inner + ITEM_END, UNDEFINED) + SEQUENCE_END
        data = explicit(0x00400275, "SQ", value, length=UNDEFINED)
    else:
        data = explicit(0x00400275, "SQ", item(inner))
    data += explicit(0x00401001, "SH", b"ab")
    plain = implicit(0x00080016, b"1.2\0")
    nested = implicit(0x00081199, sequence(b"", plain), UNDEFINED)
    for step in (1, 1000):
        assert rewritten(data, EXPLICIT_LITTLE, IMPLICIT_LITTLE, step) == implicit(
            0x00400275, sequence(implicit(0x00100010, b"A^B ") + nested), UNDEFINED
        ) + implicit(0x00401001, b"ab")


def test_empty_sequences_stay_empty():
    data = explicit(0x00400275, "SQ", b"") + explicit(
        0x00400275, "SQ", SEQUENCE_END, length=UNDEFINED
    )
    assert rewritten(data, EXPLICIT_LITTLE, IMPLICIT_LITTLE) == (
        implicit(0x00400275, SEQUENCE_END, UNDEFINED) * 2
    )


def test_delimiters_are_in_the_byte_order_of_the_target():
    data = explicit(0x00400275, "SQ", item(CLASS))
    assert rewritten(data, EXPLICIT_LITTLE, EXPLICIT_BIG) == (
        explicit(0x00400275, "SQ", b"", order=">", length=UNDEFINED)
        + b"\xff\xfe\xe0\0\xff\xff\xff\xff"
        + explicit(0x00080016, "UI", b"1.2\0", order=">")
        + b"\xff\xfe\xe0\x0d\0\0\0\0\xff\xfe\xe0\xdd\0\0\0\0"
    )


def test_a_sequence_that_was_un_becomes_one():
    inner = item(implicit(0x00280010, b"\1\2") + ITEM_END, UNDEFINED) + SEQUENCE_END
    data = explicit(0x00111010, "UN", inner, length=UNDEFINED) + explicit(0x00120010, "LO", b"x ")
    assert rewritten(data, EXPLICIT_LITTLE, EXPLICIT_BIG) == (
        explicit(0x00111010, "SQ", b"", order=">", length=UNDEFINED)
        + b"\xff\xfe\xe0\0\xff\xff\xff\xff" + explicit(0x00280010, "US", b"\2\1", order=">")
        + b"\xff\xfe\xe0\x0d\0\0\0\0\xff\xfe\xe0\xdd\0\0\0\0"
        + explicit(0x00120010, "LO", b"x ", order=">")
    )  # fmt: skip


def test_a_sequence_that_was_un_may_hold_explicit_vr():
    inner = item(CLASS + NAME + ITEM_END, UNDEFINED) + SEQUENCE_END
    data = explicit(0x00111010, "UN", inner, length=UNDEFINED)
    for step in (1, 1000):
        assert rewritten(data, EXPLICIT_LITTLE, IMPLICIT_LITTLE, step) == implicit(
            0x00111010,
            sequence(implicit(0x00080016, b"1.2\0") + implicit(0x00100010, b"A^B ")),
            UNDEFINED,
        )


def test_values_too_long_for_their_vr_go_out_as_un_in_little_endian():
    value = struct.pack("<40000H", *range(40000))
    data = implicit(0x00281101, value)  # US or SS
    for target, order in ((EXPLICIT_LITTLE, "<"), (EXPLICIT_BIG, ">")):
        assert rewritten(data, IMPLICIT_LITTLE, target) == explicit(
            0x00281101, "UN", value, order=order
        )
    text = explicit(0x00100020, "LO", b"x" * 0xFFFF)
    result = rewritten(text, EXPLICIT_LITTLE, EXPLICIT_BIG)
    assert result == explicit(0x00100020, "UN", b"x" * 0xFFFF + b" ", order=">")


def test_group_lengths_and_padding_are_dropped():
    data = explicit(0x00080000, "UL", b"\1\2\3\4") + CLASS + bytes(100)
    assert rewritten(data, EXPLICIT_LITTLE, IMPLICIT_LITTLE) == implicit(0x00080016, b"1.2\0")
    with pytest.raises(BadDataset):
        rewritten(data + b"x", EXPLICIT_LITTLE, IMPLICIT_LITTLE)


@pytest.mark.parametrize("code", [b"??", b"\0\0", b"XX"])
@pytest.mark.parametrize("step", [1, 1000])
def test_unknown_vrs_are_looked_up(code, step):
    header = {b"??": b"??\4\0", b"\0\0": b"\4\0\0\0", b"XX": b"XX\0\0\4\0\0\0"}[code]
    data = CLASS + b"\x10\0\x20\0" + header + b"1234" + explicit(0x00100040, "CS", b"M ")
    assert rewritten(data, EXPLICIT_LITTLE, IMPLICIT_LITTLE, step) == (
        implicit(0x00080016, b"1.2\0") + implicit(0x00100020, b"1234") + implicit(0x00100040, b"M ")
    )


def test_the_source_is_read_as_it_is_really_written():
    data = (
        implicit(0x00080016, b"1.2\0") + implicit(0x00080060, b"CT") + implicit(0x00100020, b"P1")
    )
    big = walk(rewritten(data, EXPLICIT_LITTLE, EXPLICIT_BIG), EXPLICIT_BIG)
    assert [each[1] for each in big.elements] == ["UI", "CS", "LO"]
    assert rewritten(data, EXPLICIT_LITTLE, IMPLICIT_LITTLE) == data


def test_forgotten_delimiters_are_supplied():
    inner = item(NAME, UNDEFINED) + item(CLASS, UNDEFINED)
    data = explicit(0x00400275, "SQ", inner + SEQUENCE_END, length=UNDEFINED)
    assert rewritten(data, EXPLICIT_LITTLE, IMPLICIT_LITTLE) == implicit(
        0x00400275,
        sequence(implicit(0x00100010, b"A^B "), implicit(0x00080016, b"1.2\0")),
        UNDEFINED,
    )


@pytest.mark.parametrize(
    "data",
    [
        CLASS[:-1],
        CLASS + b"\x10",
        explicit(0x00400275, "SQ", item(NAME, UNDEFINED), length=UNDEFINED),
        explicit(0x00400275, "SQ", item(NAME)[:-2]),
        explicit(0x00400275, "SQ", item(NAME, 4)) + CLASS,
        explicit(0x00400275, "SQ", item(NAME), length=14) + CLASS,
        explicit(0x00400275, "SQ", b"12345678" + NAME),
        explicit(0x7FE00010, "OB", item(b"ab") + SEQUENCE_END, length=UNDEFINED),
        explicit(0x00420011, "OB", item(b"ab") + SEQUENCE_END, length=UNDEFINED),
        explicit(0x00111001, "UT", b"text", length=UNDEFINED),
        CLASS + item(NAME),
        (explicit(0x00400275, "SQ", b"", length=UNDEFINED) + item(b"", UNDEFINED))
        * (MAX_DEPTH + 1),
        b"plain text, and nothing else, that goes on for a while" * 10,
    ],
)
def test_what_cannot_be_understood_is_refused(data):
    for target in (IMPLICIT_LITTLE, EXPLICIT_BIG):
        for step in (1, 1000):
            with pytest.raises(BadDataset):
                rewritten(data, EXPLICIT_LITTLE, target, step)


@pytest.mark.parametrize("target", [IMPLICIT_LITTLE, EXPLICIT_BIG])
def test_a_huge_value_takes_no_memory(target):
    rewriter = Rewriter(syntax_of(EXPLICIT_LITTLE), syntax_of(target))
    total = 400 * 1024 * 1024
    chunk = bytes(1024 * 1024)
    tracemalloc.start()
    try:
        sent = len(rewriter.feed(CLASS + explicit(0x7FE00010, "OW", b"", length=total)))
        sent += sum(len(rewriter.feed(chunk)) for _ in range(total // len(chunk)))
        sent += len(rewriter.close())
        assert tracemalloc.get_traced_memory()[1] < 8 * len(chunk)
    finally:
        tracemalloc.stop()
    assert sent - total in range(20, 40)
