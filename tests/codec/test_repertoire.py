import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.charset import convert_encodings, decode_bytes

from hilum.codec.charset import charset_of
from hilum.codec.repertoire import UTF_8, repertoire

TEXTS = [
    (("ISO_IR 100",), "Buc^Jérôme"),
    (("ISO_IR 126",), "Διονυσιος"),
    (("ISO_IR 144",), "ЖЩЮ^Ф"),
    (("ISO_IR 13",), "ﾔﾏﾀﾞ^ﾀﾛｳ"),
    (("ISO_IR 166",), "นามสกุล"),
    (("ISO_IR 192",), "王^小東=Ωé"),
    (("GB18030",), "Wang^XiaoDong=王^小东"),
    (("GBK",), "Zhang^XiaoDong=张^小东"),
    (("", "ISO 2022 IR 87"), "Yamada^Tarou=山田^太郎=やまだ^たろう"),
    (("ISO 2022 IR 13", "ISO 2022 IR 87"), "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう"),
    (("", "ISO 2022 IR 149"), "Hong^Gildong=洪^吉洞=홍^길동"),
    (("", "ISO 2022 IR 58"), "Zhang^XiaoDong=张^小东"),
    (("ISO 2022 IR 100", "ISO 2022 IR 126"), "Jérôme^Διον"),
    (("", "ISO 2022 IR 87", "ISO 2022 IR 159"), "山田^鷗"),
]


@pytest.mark.parametrize(("terms", "text"), TEXTS)
def test_what_is_written_is_read_back(terms: tuple[str, ...], text: str) -> None:
    writer = repertoire(terms)
    assert writer is not None
    data = writer.encode(text, person=True)
    assert writer.name == "\\".join(terms)
    charset = charset_of(writer.name.encode())
    assert charset.decode(data, person=True) == (text, None)


# pydicom does not know the escape sequence of ISO IR 58 that PS3.3 Table C.12-4 names.
@pytest.mark.parametrize(("terms", "text"), [each for each in TEXTS if "IR 58" not in each[0][-1]])
def test_pydicom_reads_what_is_written(terms: tuple[str, ...], text: str) -> None:
    writer = repertoire(terms)
    assert writer is not None
    data = writer.encode(text, person=True)
    encodings = convert_encodings(list(terms))
    assert decode_bytes(data, encodings, {0x5C, 0x5E, 0x3D}) == text


def test_text_begins_anew_after_each_value_and_line() -> None:
    writer = repertoire(("", "ISO 2022 IR 149"))
    assert writer is not None
    assert writer.encode("홍\\길\r\n동 x").count(b"\x1b$)C") == 3


def test_character_sets_may_be_mixed_within_a_word() -> None:
    writer = repertoire(("ISO 2022 IR 100", "ISO 2022 IR 126", "ISO 2022 IR 87"))
    assert writer is not None
    assert charset_of(writer.name.encode()).encoding == "latin_1"
    assert writer.encode("éΩ") == b"\xe9\x1b-F\xd9"


@pytest.mark.parametrize(
    ("terms", "text"),
    [
        (("ISO_IR 100",), "Ω"),
        (("ISO_IR 13",), "山"),
        (("", "ISO 2022 IR 87"), "홍"),
        (("", "ISO 2022 IR 149"), "Ж€é"),
    ],
)
def test_what_none_of_them_has_is_an_error(terms: tuple[str, ...], text: str) -> None:
    writer = repertoire(terms)
    assert writer is not None
    with pytest.raises(UnicodeEncodeError):
        writer.encode(text)


@pytest.mark.parametrize(
    "terms",
    [
        (),
        ("",),
        ("ISO_IR 6",),
        ("bogus",),
        ("", "bogus"),
        ("ISO_IR 192", "ISO_IR 100"),
        ("ISO 2022 IR 87",),
    ],
)
def test_what_is_not_known_or_says_nothing_is_none(terms: tuple[str, ...]) -> None:
    assert repertoire(terms) is None


@given(st.text())
def test_utf_8_holds_everything_but_lone_surrogates(text: str) -> None:
    assert UTF_8.encode(text).decode() == text
