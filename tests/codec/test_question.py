import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_file_meta_info

from hilum.codec import identifier, question
from hilum.codec.sop_class import EXPLICIT_BE, EXPLICIT_LE, IMPLICIT_LE
from hilum.model.errors import BadQuery
from hilum.model.identity import Level, Ref
from hilum.model.query import Path

SYNTAXES = (IMPLICIT_LE, EXPLICIT_LE, EXPLICIT_BE)
NAME, PATIENT_ID, STUDY, ROWS, PRIVATE = 0x00100010, 0x00100020, 0x0020000D, 0x00280010, 0x00091001
REQUEST, PROCEDURE, OFFENDING = 0x00400275, 0x00401001, 0x00000901
TEXT = st.text(
    st.characters(
        codec="utf-8", exclude_categories=["Cs", "Cc", "Zl", "Zp"], exclude_characters="\\"
    ),
    max_size=20,
).map(str.strip)
KEYS: st.SearchStrategy[dict[Path, str]] = st.fixed_dictionaries(
    {},
    optional={
        (NAME,): TEXT,
        (PATIENT_ID,): TEXT,
        (STUDY,): st.from_regex(r"[1-9](\.[1-9][0-9]{0,5}){1,8}", fullmatch=True),
        (ROWS,): st.integers(0, 0xFFFF).map(str),
        (REQUEST, PROCEDURE): TEXT,
        (REQUEST, 0x00400009): TEXT,
        (0x00081140, 0x00081150): st.just("1.2.3\\1.2.4"),
    },
)


@given(st.sampled_from(list(Level)), KEYS, st.sampled_from(SYNTAXES))
def test_what_is_asked_is_read_back(level: Level, keys: dict[Path, str], syntax: str) -> None:
    read = identifier.parse(question.encode(level, keys, syntax), syntax)
    assert read.level is level
    assert dict(read.keys) == keys


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_pydicom_reads_it(syntax: str) -> None:
    keys = {(NAME,): "Yamada*=山田*", (STUDY,): "", (REQUEST, PROCEDURE): "7", (REQUEST, ROWS): "3"}
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    file = DicomBytesIO()
    file.write(bytes(128) + b"DICM")
    write_file_meta_info(file, meta, enforce_standard=False)
    file.write(question.encode(Level.STUDY, keys, syntax))
    file.seek(0)
    read = dcmread(file)
    assert read.QueryRetrieveLevel == "STUDY"
    assert read.SpecificCharacterSet == "ISO_IR 192"
    assert read.PatientName == "Yamada*=山田*"
    assert read["StudyInstanceUID"].is_empty
    assert read.RequestAttributesSequence[0].RequestedProcedureID == "7"
    assert read.RequestAttributesSequence[0].Rows == 3
    assert [element.tag for element in read] == sorted(element.tag for element in read)


@pytest.mark.parametrize(
    ("value", "charset"),
    [("Smith*", ()), ("Müller*", ("ISO_IR 100",)), ("Łukasz", ("ISO_IR 192",))],
)
def test_the_character_set_is_the_plainest_that_holds_the_keys(
    value: str, charset: tuple[str, ...]
) -> None:
    read = identifier.parse(
        question.encode(Level.STUDY, {(NAME,): value}, EXPLICIT_LE), EXPLICIT_LE
    )
    assert read.encodings == charset
    assert read.keys[NAME,] == value


def test_a_peer_can_be_asked_in_the_character_set_that_it_wants() -> None:
    encoded = question.encode(Level.STUDY, {(NAME,): "Иван*"}, EXPLICIT_LE, "ISO_IR 144")
    read = identifier.parse(encoded, EXPLICIT_LE)
    assert (read.encodings, read.keys[NAME,]) == (("ISO_IR 144",), "Иван*")


@pytest.mark.parametrize(
    ("keys", "encoding", "words"),
    [
        ({(NAME,): "Łukasz"}, "ISO_IR 100", "cannot be written in ISO_IR 100"),
        ({(NAME,): "A"}, "KLINGON", "no Specific Character Set"),
        ({(NAME,): "\udcff"}, "", "lone surrogate"),
        ({(ROWS,): "many"}, "", "Rows is no US"),
        ({(ROWS,): "65536"}, "", "Rows is no US"),
        ({(REQUEST,): "A"}, "", "RequestAttributesSequence cannot be matched"),
        ({(0x7FE00010,): "A"}, "", "PixelData cannot be matched"),
        ({(0x00280009,): "XYZ"}, "", "FrameIncrementPointer is no AT"),
        ({(PATIENT_ID,): "A" * 70_000}, "", "PatientID is too long"),
    ],
)
def test_what_cannot_be_written_is_refused(
    keys: dict[Path, str], encoding: str, words: str
) -> None:
    with pytest.raises(BadQuery, match=words):
        question.encode(Level.STUDY, keys, EXPLICIT_LE, encoding)


def test_a_list_of_uids_may_be_longer_than_its_vr_allows() -> None:
    uids = "\\".join(f"1.2.3.{number}" for number in range(10_000))
    encoded = question.encode(Level.STUDY, {(STUDY,): uids}, EXPLICIT_LE)
    assert identifier.parse(encoded, EXPLICIT_LE).keys[STUDY,] == uids


def test_a_private_key_has_the_vr_that_its_creator_gives_it() -> None:
    keys = {(0x00090010,): "GEMS_IDEN_01", (0x00091001,): "GE*"}
    assert b"\x09\x00\x01\x10LO" in question.encode(Level.STUDY, keys, EXPLICIT_LE)


@pytest.mark.parametrize(
    ("ref", "keys"),
    [
        (Ref(patient="7"), {(PATIENT_ID,): "7"}),
        (Ref(study="1.2"), {(STUDY,): "1.2"}),
        (Ref(study="1.2", series="1.3"), {(STUDY,): "1.2", (0x0020000E,): "1.3"}),
        (Ref(instance="1.4"), {(0x00080018,): "1.4"}),
    ],
)
def test_a_reference_has_its_unique_keys(ref: Ref, keys: dict[Path, str]) -> None:
    assert question.keys_of(ref) == keys
