import pytest

from hilum.codec import header
from hilum.codec.header import guess, settled, swapped, syntax_of, vr_of


def test_syntaxes_say_how_headers_are_written():
    assert syntax_of("1.2.840.10008.1.2") == header.Syntax(implicit=True)
    assert syntax_of("1.2.840.10008.1.2.2") == header.Syntax(big=True)
    assert syntax_of("1.2.840.10008.1.2.1.99") == header.Syntax(deflated=True)
    for encapsulated in ("1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.8.1"):
        assert syntax_of(encapsulated) == header.Syntax()


@pytest.mark.parametrize(
    ("tag", "vr"),
    [(0x00100010, "PN"), (0x00090000, "UL"), (0x00090010, "LO"), (0x00091001, "UN"),
     (0x60023000, "OB or OW"), (0x00203101, "CS"), (0x00080003, "UN"), (0x00280106, "US or SS")],
)  # fmt: skip
def test_vrs_are_looked_up(tag, vr):
    assert vr_of(tag, {}) == vr


def test_private_vrs_need_their_creator():
    assert vr_of(0x00291010, {0x00290010: "SIEMENS CSA HEADER"}) == "OB"
    assert vr_of(0x00291110, {0x00290011: "SIEMENS CSA HEADER"}) == "OB"
    assert vr_of(0x00291110, {0x00290010: "SIEMENS CSA HEADER"}) == "UN"


def test_ambiguous_vrs_are_settled():
    assert settled("LO", 2, signed=True) == "LO"
    assert settled("US or SS", 2, signed=True) == "SS"
    assert settled("US or SS", 2, signed=False) == "US"
    assert settled("US or OW", 2, signed=True) == "US"
    assert settled("US or OW", 4, signed=True) == "OW"
    assert settled("OB or OW", 4, signed=False) == "OW"


def test_whole_words_are_swapped_and_the_rest_stays():
    assert swapped(b"1234567", 2) == b"2143657"
    assert swapped(b"1234567", 4) == b"4321567"
    assert swapped(b"12345678", 8) == b"87654321"
    assert swapped(b"", 8) == b""


@pytest.mark.parametrize("data", [b"", b"\0" * 100, b"<html><body>", b"%PDF-1.4 %\xe2\xe3\xcf\xd3"])
def test_no_syntax_is_guessed_for_what_is_no_data_set(data):
    assert guess(data, 0) is None
