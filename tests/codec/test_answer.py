import base64
from io import BytesIO
from typing import Any

import pytest
from pydicom import Dataset
from pydicom.filereader import read_dataset

from hilum.codec.answer import answers
from hilum.codec.identifier import Identifier
from hilum.codec.sop_class import EXPLICIT_BE, EXPLICIT_LE, IMPLICIT_LE
from hilum.model.identity import Level

SYNTAXES = (IMPLICIT_LE, EXPLICIT_LE, EXPLICIT_BE)
PATIENT_NAME, PATIENT_ID = 0x00100010, 0x00100020
EVERY_VR: dict[str, dict[str, Any]] = {  # each tag is one that the dictionary knows with this VR
    "00080055": {"vr": "AE", "Value": ["STATION"]},
    "00101010": {"vr": "AS", "Value": ["042Y"]},
    "00280009": {"vr": "AT", "Value": ["00100010", "7FE00010"]},
    "00080060": {"vr": "CS", "Value": ["CT"]},
    "00080061": {"vr": "CS", "Value": ["CT", "MR"]},
    "00080020": {"vr": "DA", "Value": ["20200131"]},
    "00280030": {"vr": "DS", "Value": [0.5, 1e-07]},
    "0008002A": {"vr": "DT", "Value": ["20200131120000.5+0100"]},
    "00460044": {"vr": "FD", "Value": [0.1]},
    "00089459": {"vr": "FL", "Value": [1.5]},
    "00200013": {"vr": "IS", "Value": [-7]},
    "00081030": {"vr": "LO", "Value": ["odd"]},
    "00102000": {"vr": "LO", "Value": ["one", "three"]},
    "001021B0": {"vr": "LT", "Value": ["two\r\nlines"]},
    "00282000": {"vr": "OB", "InlineBinary": base64.b64encode(b"\1\2\3\4").decode()},
    "00281201": {"vr": "OW", "InlineBinary": base64.b64encode(b"\1\2\3\4").decode()},
    "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Doe^J"}]},
    "00080050": {"vr": "SH", "Value": ["A1"]},
    "00186020": {"vr": "SL", "Value": [-70000]},
    "00189219": {"vr": "SS", "Value": [-3]},
    "00400280": {"vr": "ST", "Value": ["a comment"]},
    "00080030": {"vr": "TM", "Value": ["120000.25"]},
    "00080120": {"vr": "UR", "Value": ["http://example.org/a"]},
    "00080119": {"vr": "UC", "Value": ["long code"]},
    "0020000D": {"vr": "UI", "Value": ["1.2.3"]},
    "00186018": {"vr": "UL", "Value": [4000000000]},
    "00280010": {"vr": "US", "Value": [512]},
    "0040A160": {"vr": "UT", "Value": ["text"]},
}


def decoded(data: bytes, syntax: str) -> Dataset:
    return read_dataset(
        BytesIO(data),
        is_implicit_VR=syntax == IMPLICIT_LE,
        is_little_endian=syntax != EXPLICIT_BE,
    )


def answer(
    attributes: dict[str, Any],
    asked: list[tuple[int, ...]],
    syntax: str = EXPLICIT_LE,
    level: Level = Level.STUDY,
    charset: tuple[str, ...] = (),
) -> Dataset:
    says = Identifier(level, dict.fromkeys(asked, ""), charset)
    return decoded(answers(says, syntax, "HILUM").encode(attributes), syntax)


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_values_of_every_vr_are_those_of_the_dicom_json(syntax: str) -> None:
    asked = [(int(tag, 16),) for tag in EVERY_VR]
    found = answer(EVERY_VR, asked, syntax).to_json_dict()
    if syntax == EXPLICIT_BE:  # pydicom gives the bytes of words as they stand
        assert found.pop("00281201")["InlineBinary"] == base64.b64encode(b"\2\1\4\3").decode()
    for tag in set(EVERY_VR) - {"00281201" if syntax == EXPLICIT_BE else ""}:
        assert found[tag] == EVERY_VR[tag]


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_private_numbers_of_64_bits_go_out_too(syntax: str) -> None:
    attributes = {
        "00091001": {"vr": "SV", "Value": [-(2**62)]},
        "00091002": {"vr": "UV", "Value": [str(2**64 - 1)]},
        "00091003": {"vr": "OV", "InlineBinary": base64.b64encode(bytes(range(8))).decode()},
        "00091004": {"vr": "OF", "InlineBinary": base64.b64encode(bytes(range(8))).decode()},
        "00091005": {"vr": "OD", "InlineBinary": base64.b64encode(bytes(range(8))).decode()},
        "00091006": {"vr": "OL", "InlineBinary": base64.b64encode(bytes(range(8))).decode()},
        "00091007": {"vr": "UN", "InlineBinary": base64.b64encode(b"odd").decode()},
    }
    found = answer(attributes, [(int(tag, 16),) for tag in attributes], syntax)
    if syntax == IMPLICIT_LE:  # private attributes have no VR there
        assert found[0x00091001].value == (-(2**62)).to_bytes(8, "little", signed=True)
        return
    assert found[0x00091001].value == -(2**62)
    assert found[0x00091002].value == 2**64 - 1
    swapped = syntax == EXPLICIT_BE
    assert found[0x00091003].value == (bytes(range(7, -1, -1)) if swapped else bytes(range(8)))
    four = b"\3\2\1\0\7\6\5\4" if swapped else bytes(range(8))
    assert found[0x00091004].value == found[0x00091006].value == four
    assert found[0x00091007].value == b"odd\0"


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_an_answer_says_from_where_and_in_which_characters(syntax: str) -> None:
    found = answer({}, [], syntax)
    assert [each.tag for each in found] == sorted(each.tag for each in found)
    assert found.QueryRetrieveLevel == "STUDY"
    assert found.RetrieveAETitle == "HILUM"
    assert found.InstanceAvailability == "ONLINE"
    assert found.SpecificCharacterSet == "ISO_IR 100"
    assert len(found) == 5  # and the Study Instance UID, empty as the match had none


def test_what_was_asked_for_and_is_not_there_comes_back_empty() -> None:
    found = answer({}, [(PATIENT_NAME,), (0x00280010,), (0x00400275,), (0x00091010,)])
    assert found.PatientName == ""
    assert found[0x00280010].VR == "US"
    assert found[0x00280010].value is None
    assert len(found.RequestAttributesSequence) == 0
    assert found[0x00091010].value in ("", None, b"")


def test_what_was_not_asked_for_stays_here() -> None:
    assert "PatientName" not in answer({"00100010": EVERY_VR["00100010"]}, [])


@pytest.mark.parametrize("level", list(Level))
def test_the_unique_keys_of_the_level_and_above_come_back(level: Level) -> None:
    keys = {
        Level.PATIENT: "00100020",
        Level.STUDY: "0020000D",
        Level.SERIES: "0020000E",
        Level.IMAGE: "00080018",
    }
    attributes = {tag: {"vr": "UI", "Value": ["1.2"]} for tag in keys.values()}
    found = answer(attributes, [], level=level)
    expected = [
        key for each, key in keys.items() if list(Level).index(each) <= list(Level).index(level)
    ]
    if level is not Level.PATIENT:
        expected.remove("00100020")  # no unique key of the Study Root
    assert {tag for tag in keys.values() if int(tag, 16) in found} == set(expected)
    assert found.QueryRetrieveLevel == level.value


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_items_have_the_nested_keys_that_were_asked_for(syntax: str) -> None:
    item = {
        "00400007": {"vr": "LO", "Value": ["Head"]},
        "00400009": {"vr": "SH", "Value": ["S1"]},
        "00401001": {"vr": "SH", "Value": ["R1"]},
    }
    attributes = {"00400275": {"vr": "SQ", "Value": [item, {}, None]}}
    asked = [(0x00400275, 0x00400009), (0x00400275, 0x00321060)]
    first, second, third = answer(attributes, asked, syntax).RequestAttributesSequence
    assert first.ScheduledProcedureStepID == "S1"
    assert first.RequestedProcedureDescription == ""
    assert len(first) == len(second) == len(third) == 2


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_a_sequence_that_was_asked_for_as_a_whole_comes_back_whole(syntax: str) -> None:
    inner = {"00080100": {"vr": "SH", "Value": ["C"]}}
    item = {"00400009": {"vr": "SH", "Value": ["S1"]}, "00400008": {"vr": "SQ", "Value": [inner]}}
    attributes = {"00400275": {"vr": "SQ", "Value": [item]}}
    found = answer(attributes, [(0x00400275,)], syntax).to_json_dict()
    assert found["00400275"]["Value"] == [item]


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize(
    ("charset", "name"),
    [
        ((), {"Alphabetic": "Müller"}),
        (("ISO_IR 192",), {"Alphabetic": "Ω", "Ideographic": "王^小東"}),
        (("ISO_IR 126",), {"Alphabetic": "Διονυσιος"}),
        (("GB18030",), {"Alphabetic": "W", "Ideographic": "王^小东"}),
        (
            ("", "ISO 2022 IR 149"),
            {"Alphabetic": "Hong", "Ideographic": "洪^吉洞", "Phonetic": "홍^길동"},
        ),
        (("", "ISO 2022 IR 87"), {"Alphabetic": "Yamada", "Ideographic": "山田^太郎"}),
    ],
)
def test_text_goes_out_in_the_character_set_of_the_question(
    syntax: str, charset: tuple[str, ...], name: dict[str, str]
) -> None:
    attributes = {"00100010": {"vr": "PN", "Value": [name]}}
    found = answer(attributes, [(PATIENT_NAME,)], syntax, charset=charset)
    assert found.to_json_dict()["00100010"]["Value"] == [name]
    terms = found.SpecificCharacterSet
    assert (terms if isinstance(terms, str) else "\\".join(terms)) == (
        "\\".join(charset) or "ISO_IR 100"
    )


@pytest.mark.parametrize(
    "charset", [(), ("ISO_IR 100",), ("ISO_IR 126",), ("", "ISO 2022 IR 87"), ("bogus",)]
)
def test_what_the_question_has_no_characters_for_goes_out_as_utf_8(
    charset: tuple[str, ...],
) -> None:
    attributes = {"00100010": {"vr": "PN", "Value": [{"Alphabetic": "홍é"}]}}
    found = answer(attributes, [(PATIENT_NAME,)], charset=charset)
    assert found.SpecificCharacterSet == "ISO_IR 192"
    assert found.PatientName == "홍é"


def test_the_character_set_of_an_item_is_that_of_the_answer() -> None:
    item = {
        "00080005": {"vr": "CS", "Value": ["ISO_IR 192"]},
        "00400007": {"vr": "LO", "Value": ["é"]},
    }
    attributes = {"00400275": {"vr": "SQ", "Value": [item]}}
    found = answer(attributes, [(0x00400275,)])
    assert found.RequestAttributesSequence[0].ScheduledProcedureStepDescription == "é"
    assert "SpecificCharacterSet" not in found.RequestAttributesSequence[0]


@pytest.mark.parametrize("syntax", [EXPLICIT_LE, EXPLICIT_BE])
def test_a_value_too_long_for_its_vr_goes_out_as_un(syntax: str) -> None:
    uids = [f"1.2.{at}" for at in range(20_000)]
    attributes = {"00081195": {"vr": "UI", "Value": uids}, "00100010": EVERY_VR["00100010"]}
    found = answer(attributes, [(0x00081195,), (PATIENT_NAME,)], syntax)
    value = found[0x00081195].value
    assert list(value) == uids or value.rstrip(b"\0").decode().split("\\") == uids
    assert found.PatientName == "Doe^J"


@pytest.mark.parametrize(
    "element",
    [
        {"vr": "US", "Value": [70_000]},
        {"vr": "US", "Value": ["x"]},
        {"vr": "US", "Value": [{}]},
        {"vr": "FD", "Value": ["x"]},
        {"vr": "AT", "Value": ["xyz"]},
        {"vr": "OW", "InlineBinary": "!"},
        {"vr": "OW", "BulkDataURI": "/bulkdata/1"},
        {"vr": "US", "Value": [None]},
        {"vr": "US"},
    ],
)
def test_a_value_that_its_vr_cannot_hold_goes_out_empty(element: dict[str, Any]) -> None:
    attributes = {"00280010": element, "00100010": EVERY_VR["00100010"]}
    found = answer(attributes, [(0x00280010,), (PATIENT_NAME,)])
    assert not found[0x00280010].value
    assert found.PatientName == "Doe^J"


def test_empty_values_within_a_list_keep_their_place() -> None:
    attributes = {
        "00102000": {"vr": "LO", "Value": ["a", None, "c"]},
        "00081060": {"vr": "PN", "Value": [None, {"Alphabetic": "B"}]},
    }
    found = answer(attributes, [(0x00102000,), (0x00081060,)])
    assert list(found.MedicalAlerts) == ["a", "", "c"]
    assert [str(each) for each in found[0x00081060].value] == ["", "B"]


def test_long_decimals_are_shortened_to_a_ds() -> None:
    attributes = {"00280030": {"vr": "DS", "Value": [1 / 3, 123456789.123456789]}}
    found = answer(attributes, [(0x00280030,)])
    assert all(len(str(each)) <= 16 for each in found.PixelSpacing)
    assert [float(each) for each in found.PixelSpacing] == pytest.approx(
        [1 / 3, 123456789.123456789]
    )


def test_queries_for_the_same_are_answered_by_one_encoder_whatever_their_values() -> None:
    one, other = (
        Identifier(Level.STUDY, {(0x0020000D,): value, (0x00100010,): ""}, ("ISO_IR 192",))
        for value in ("1.2", "1.3")
    )
    assert answers(one, EXPLICIT_LE, "HILUM") is answers(other, EXPLICIT_LE, "HILUM")
    assert answers(one, IMPLICIT_LE, "HILUM") is not answers(one, EXPLICIT_LE, "HILUM")
    assert answers(one, EXPLICIT_LE, "ELSEWHERE") is not answers(one, EXPLICIT_LE, "HILUM")
