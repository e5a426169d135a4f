import re
import shutil
import subprocess
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests import samples

from hilum.codec import part10
from hilum.codec.dicom_json import from_encoded
from hilum.codec.dicom_xml import NAMESPACE, dumps, loads
from hilum.codec.elements import MAX_DEPTH
from hilum.model.errors import BadDataset, HilumError

DCM2XML = shutil.which("dcm2xml")
SPACE = f"{{{NAMESPACE}}}"
CHOSEN = samples.GOOD + samples.EDGE


def described(path: Path) -> dict[str, Any] | None:
    data = path.read_bytes()
    try:
        head = part10.read_head(data, complete=True)
        assert head is not None
        return from_encoded(data[head.offset :], head.transfer_syntax_uid).attributes
    except HilumError:
        return None


def plain(attributes: dict[str, Any]) -> dict[str, Any]:
    """The same without what XML cannot say, and without the carets at the end of names."""

    def tidy(name: dict[str, str] | None) -> dict[str, str] | None:
        groups = {key: part.rstrip("^") for key, part in (name or {}).items()}
        return {key: part for key, part in groups.items() if part} or None

    def clean(node: Any) -> Any:
        if isinstance(node, str):
            return re.sub("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", node)
        if isinstance(node, list):
            return [clean(each) for each in node]
        if not isinstance(node, dict):
            return node
        if node.get("vr") == "PN":
            names = [tidy(each) for each in node.get("Value", [])]
            return {"vr": "PN", "Value": names} if any(names) else {"vr": "PN"}
        return {key: clean(each) for key, each in node.items()}

    return dict(clean(attributes))


@pytest.mark.parametrize("path", CHOSEN, ids=lambda path: path.name)
def test_every_sample_comes_back_as_it_was(path: Path) -> None:
    attributes = described(path)
    if attributes is None:
        pytest.skip("no data set")
    assert loads(dumps(attributes)) == plain(attributes)


@pytest.mark.skipif(DCM2XML is None, reason="DCMTK is not installed")
@pytest.mark.parametrize("path", samples.GOOD, ids=lambda path: path.name)
def test_what_dcmtk_writes_is_read_as_the_same_data_set(path: Path) -> None:
    command = [str(DCM2XML), "-nat", "+Xn", "+U8", "+Ca", "latin-1", str(path)]
    run = subprocess.run(command, capture_output=True, check=False, timeout=60)
    if run.returncode or path.name == "JPEG2KLossless_1s_1f_u_16_16.dcm":
        pytest.skip("DCMTK cannot convert it, or takes UTF-8 that nobody declared for Latin-1")
    theirs, ours = loads(run.stdout), described(path)
    assert ours is not None
    assert comparable(theirs, ours) == comparable(ours, theirs)


def comparable(attributes: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """What two systems must agree on: not which charset it was, nor what either holds as bytes."""
    gathered: dict[str, Any] = {}
    for tag, attribute in attributes.items():
        kinds = attribute.keys() | other.get(tag, {}).keys()
        if tag in {"00080005", "FFFCFFFC"} or {"BulkDataURI", "InlineBinary"} & kinds:
            continue
        if tag.startswith("7001"):  # private without a creator; they cut the numbers all the same
            continue
        values = list(attribute.get("Value", []))
        if attribute["vr"] == "SQ":
            theirs = [*other.get(tag, {}).get("Value", []), *({} for _ in values)]
            values = [comparable(mine, their) for mine, their in zip(values, theirs, strict=False)]
        elif attribute["vr"] in {"FL", "FD", "DS"}:
            values = [None if each is None else f"{each + 0.0:.5g}" for each in values]
        elif attribute["vr"] == "PN":  # their phonetic group repeats the one before it
            values = [(each or {}).get("Alphabetic", "").rstrip("^") or None for each in values]
        if trimmed(values):
            gathered[tag] = attribute["vr"], values
    return gathered


def test_a_document_looks_as_the_standard_has_it() -> None:
    document = dumps(
        {
            "00100010": {
                "vr": "PN",
                "Value": [{"Alphabetic": "Yamada^Tarou^^Dr.", "Ideographic": "山田^太郎"}],
            },
            "00080008": {"vr": "CS", "Value": ["ORIGINAL", None, "A<&B"]},
            "00081140": {
                "vr": "SQ",
                "Value": [{"00081155": {"vr": "UI", "Value": ["1.2"]}}, {}],
            },
            "00090010": {"vr": "LO", "Value": ["ACME"]},
            "00091002": {"vr": "UN", "InlineBinary": "AAE="},
            "7FE00010": {"vr": "OW", "BulkDataURI": "http://x/y?a=1&b"},
            "00280010": {"vr": "US", "Value": [512]},
            "00180050": {"vr": "DS", "Value": [5.0, 0.25]},
        }
    )
    root = ET.fromstring(document)  # noqa: S314 - our own
    assert root.tag == SPACE + "NativeDicomModel"
    found = {str(each.get("tag")): each for each in root}
    assert len(found) == 8
    name = found["00100010"]
    assert name.attrib == {"tag": "00100010", "vr": "PN", "keyword": "PatientName"}
    alphabetic = name.find(f"{SPACE}PersonName/{SPACE}Alphabetic")
    assert alphabetic is not None
    parts = {each.tag.removeprefix(SPACE): each.text for each in alphabetic}
    assert parts == {"FamilyName": "Yamada", "GivenName": "Tarou", "NamePrefix": "Dr."}
    kinds = [(each.get("number"), each.text) for each in found["00080008"]]
    assert kinds == [("1", "ORIGINAL"), ("3", "A<&B")]
    assert [each.get("number") for each in found["00081140"]] == ["1", "2"]
    assert found["00090002"].attrib == {"tag": "00090002", "vr": "UN", "privateCreator": "ACME"}
    assert found["00090002"][0].tag == SPACE + "InlineBinary"
    assert found["7FE00010"][0].get("uri") == "http://x/y?a=1&b"
    assert [each.text for each in found["00180050"]] == ["5", "0.25"]


TEXT = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\\^=\ufffe\uffff"),
    min_size=1,
    max_size=8,
).filter(lambda text: text.strip() == text)
NUMBERS = st.integers(-(2**53) + 1, 2**53 - 1)
REALS = st.floats(allow_nan=False, allow_infinity=False)


def several(values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    lists = st.lists(st.none() | values, max_size=4).map(trimmed)
    return lists.map(lambda given: {"Value": given} if given else {})


def trimmed(values: list[Any]) -> list[Any]:
    while values and values[-1] is None:
        values.pop()
    return values


def of(vr: str, rest: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return rest.map(lambda given: {"vr": vr, **given})


NAMES = st.dictionaries(
    st.sampled_from(["Alphabetic", "Ideographic", "Phonetic"]),
    st.lists(TEXT, min_size=1, max_size=5).map("^".join),
    min_size=1,
)
VALUES = st.one_of(
    *(of(vr, several(TEXT)) for vr in ("CS", "LO", "SH", "UC", "UI", "DA", "LT", "UT", "UR")),
    *(of(vr, several(NUMBERS)) for vr in ("IS", "SL", "SS", "SV", "UL", "US", "UV")),
    *(of(vr, several(REALS)) for vr in ("DS", "FD", "FL")),
    of("PN", several(NAMES)),
    of("AT", several(st.integers(0, 2**32 - 1).map("{:08X}".format))),
    of("OB", st.binary(min_size=1).map(lambda data: {"InlineBinary": data.hex()})),
    of("OW", TEXT.map(lambda text: {"BulkDataURI": text})),
)
TAGS = st.builds("{:04X}{:04X}".format, st.sampled_from((8, 0x10, 0x28)), st.integers(1, 0xFFFF))


def datasets(values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    private = st.builds(
        lambda creator, block, number, value: {
            f"000900{block:02X}": {"vr": "LO", "Value": [creator]},
            f"0009{block:02X}{number:02X}": value,
        },
        TEXT,
        st.integers(0x10, 0xFF),
        st.integers(0, 0xFF),
        values,
    )
    public = st.dictionaries(TAGS, values, max_size=3)
    return st.tuples(public, private | st.just({})).map(
        lambda both: dict(sorted({**both[0], **both[1]}.items()))
    )


NESTED = st.recursive(
    VALUES,
    lambda inner: of(
        "SQ",
        st.lists(datasets(inner), min_size=1, max_size=3).map(lambda given: {"Value": given}),
    ),
    max_leaves=4,
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(datasets(NESTED))
def test_what_is_written_is_read_back(attributes: dict[str, Any]) -> None:
    assert loads(dumps(attributes)) == attributes


@given(st.text(max_size=20))
def test_any_text_makes_a_document_that_can_be_read(text: str) -> None:
    read = loads(
        dumps(
            {
                "00204000": {"vr": "LT", "Value": [text]},
                "00090010": {"vr": "LO", "Value": [text]},
                "00091001": {"vr": "UT", "Value": [text]},
            }
        )
    )
    assert "00204000" in read


def test_text_keeps_its_line_ends_and_blanks() -> None:
    attributes = {"00204000": {"vr": "LT", "Value": ["  a\r\nb\tc\n\n  d"]}}
    assert loads(dumps(attributes)) == attributes


def test_whole_numbers_beyond_what_json_keeps_stay_text() -> None:
    attributes = {"00081234": {"vr": "UV", "Value": [str(2**64 - 1), 5]}}
    assert loads(dumps(attributes)) == attributes


def attribute(given: str, value: str) -> str:
    return f"<DicomAttribute {given}><Value>{value}</Value></DicomAttribute>"


def document(content: str) -> bytes:
    return f"<NativeDicomModel>{content}</NativeDicomModel>".encode()


def test_a_private_attribute_gets_the_block_of_its_creator_or_a_new_one() -> None:
    one = attribute('tag="00090002" vr="SH" privateCreator="{}"', "x")
    reserved = attribute('tag="00090010" vr="LO"', "A")
    assert loads(document(reserved + one.format("A") + one.format("B"))) == {
        "00090010": {"vr": "LO", "Value": ["A"]},
        "00090011": {"vr": "LO", "Value": ["B"]},
        "00091002": {"vr": "SH", "Value": ["x"]},
        "00091102": {"vr": "SH", "Value": ["x"]},
    }
    whole = one.replace("00090002", "00092002").format("C")
    assert loads(document(whole)) == {
        "00090020": {"vr": "LO", "Value": ["C"]},
        "00092002": {"vr": "SH", "Value": ["x"]},
    }


def test_two_blocks_of_one_creator_stay_apart() -> None:
    attributes = {
        "00090010": {"vr": "LO", "Value": ["A"]},
        "00090011": {"vr": "LO", "Value": ["A"]},
        "00091002": {"vr": "SH", "Value": ["x"]},
        "00091102": {"vr": "SH", "Value": ["y"]},
    }
    assert loads(dumps(attributes)) == attributes


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (attribute('keyword="Modality"', "CT"), ("00080060", "CS", ["CT"])),
        (attribute('tag="00080060"', " CT "), ("00080060", "CS", ["CT"])),
        (
            attribute('tag="00100010" vr="PN"', "A^B=C"),
            ("00100010", "PN", [{"Alphabetic": "A^B", "Ideographic": "C"}]),
        ),
        (attribute('tag="00280009" vr="AT"', "(0018,106a)"), ("00280009", "AT", ["0018106A"])),
        (attribute('tag="00200013" vr="IS"', "1.0"), ("00200013", "IS", [1])),
    ],
)
def test_what_others_leave_out_is_supplied(content: str, expected: tuple[str, str, Any]) -> None:
    tag, vr, values = expected
    assert loads(document(content)) == {tag: {"vr": vr, "Value": values}}


BOMB = b"""<!DOCTYPE n [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>
<NativeDicomModel>&b;</NativeDicomModel>"""
FILE = b"""<!DOCTYPE n [<!ENTITY x SYSTEM "file:///etc/passwd">]><NativeDicomModel>&x;</NativeDicomModel>"""
ATTRIBUTE = '<DicomAttribute tag="00080060" vr="CS">{}</DicomAttribute>'


@pytest.mark.parametrize(
    "broken",
    [
        *(b"", b"<", b"no XML", b"<a/>", BOMB, FILE),
        b'<?xml version="1.0" encoding="rubbish"?><NativeDicomModel/>',
        b'<?xml version="1.0" encoding="UTF-7"?><NativeDicomModel/>',
        *(BOMB.decode().encode("utf-16"), FILE.decode().encode("utf-16-le")),
        *(
            BOMB.replace(b"n [", b'n SYSTEM "http://127.0.0.1:1/x.dtd" ['),
            BOMB.replace(b"<!E", b"<!e"),
        ),
        b'<!DOCTYPE n [<!ENTITY % p SYSTEM "file:///etc/passwd">%p;]><NativeDicomModel/>',
        *(b"<NativeDicomModel>&undeclared;</NativeDicomModel>", b"\xff\xfe<\x00N"),
        document('<DicomAttribute vr="CS"></DicomAttribute>'),
        document('<DicomAttribute tag="0008" vr="CS"/>'),
        document('<DicomAttribute tag="00080060" vr="ZZ"/>'),
        document("<Value>1</Value>"),
        document(ATTRIBUTE.format('<Value number="0">1</Value>')),
        document(ATTRIBUTE.format('<Value number="2">1</Value><Value number="1">1</Value>')),
        document(ATTRIBUTE.format("") * 2),
        document(ATTRIBUTE.replace("CS", "US").format("<Value>x</Value>")),
        document(ATTRIBUTE.replace("CS", "FD").format("<Value>nan</Value>")),
        document(ATTRIBUTE.replace("CS", "OB").format("<Value>x</Value>")),
        document(ATTRIBUTE.replace("CS", "SQ").format("<Value>x</Value>")),
        document(ATTRIBUTE.replace("CS", "DS").format("<Value>1\\2</Value>")),
        document(ATTRIBUTE.replace("CS", "AT").format("<Value>12</Value>")),
        document('<DicomAttribute tag="00081140" vr="SQ"><Item number="1">' * (MAX_DEPTH + 5)),
    ],
)
def test_what_is_no_data_set_is_refused(broken: bytes) -> None:
    with pytest.raises(BadDataset):
        loads(broken)


@pytest.mark.parametrize(
    "content",
    [
        "<x/>" * 1_000_001,
        "".join(
            f'<DicomAttribute tag="{number:08X}" vr="CS"><Value number="999999"/></DicomAttribute>'
            for number in range(0x00080010, 0x00080020)
        ),
    ],
)
def test_a_small_document_cannot_ask_for_much_memory(content: str) -> None:
    with pytest.raises(HilumError):
        loads(document(content))
    with pytest.raises(HilumError):
        loads(document("x" * 100), max_size=50)


def test_sequences_that_are_too_deep_are_not_written() -> None:
    attributes: dict[str, Any] = {}
    for _ in range(MAX_DEPTH + 1):
        attributes = {"00081140": {"vr": "SQ", "Value": [attributes]}}
    with pytest.raises(BadDataset):
        dumps(attributes)
