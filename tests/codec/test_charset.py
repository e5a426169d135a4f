import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilum.codec.charset import Charset, charset_of


def test_the_default_repertoire_is_ascii():
    for value in (b"", b"  ", b"ISO_IR 6", b"ISO 2022 IR 6\\"):
        assert charset_of(value).encoding == "ascii"
        assert charset_of(value).fault is None


@pytest.mark.parametrize(
    ("value", "encoding"),
    [
        (b"ISO_IR 192", "UTF8"),
        (b"iso-ir-192", "UTF8"),
        (b"UTF-8", "UTF8"),
        (b"ISO 2022 IR 100\\ISO 2022 IR 126", "latin_1"),
        (b"ISO-2022-IR-100", "latin_1"),
        (b"ISO2022 IR 58", "gb2312"),
        (b"gb2312", "gb2312"),
    ],
)
def test_terms_are_known_in_many_spellings(value, encoding):
    assert charset_of(value).encoding == encoding


def test_delimiters_of_names_end_code_extensions_and_those_of_text_do_not():
    greek = b"\x1b-F\xc4=\xc4"
    assert charset_of(b"ISO 2022 IR 100").decode(greek, person=True) == ("Δ=Ä", None)
    assert charset_of(b"ISO 2022 IR 100").decode(greek) == ("Δ=Δ", None)


@given(
    st.binary(max_size=30),
    st.lists(
        st.sampled_from([b"$B", b"$)C", b"(B", b"-F", b"$(D", b"(J", b")I", b"%G"]), max_size=4
    ),
    st.sampled_from([b"", b"ISO_IR 100", b"ISO_IR 192", b"ISO 2022 IR 13\\X", b"GB18030", b"?"]),
    st.booleans(),
)
def test_any_bytes_become_some_text(raw, escapes, value, person):
    mixed = b"".join(b"\x1b" + code + raw for code in escapes) + raw
    text, _ = charset_of(value).decode(mixed, person=person)
    assert isinstance(text, str)


def test_ascii_is_ascii_everywhere():
    assert Charset().decode(b"Plain^Text") == ("Plain^Text", None)
    for term in (b"ISO_IR 13", b"ISO_IR 166", b"GBK", b"\\ISO 2022 IR 149"):
        assert charset_of(term).decode(b"Plain^Text") == ("Plain^Text", None)
