import contextlib
import struct
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from hilum.codec import identifier
from hilum.codec.identifier import Identifier
from hilum.codec.sop_class import EXPLICIT_BE, EXPLICIT_LE, IMPLICIT_LE
from hilum.model.errors import BadQuery
from hilum.model.identity import Level, Ref
from hilum.model.query import Query

SYNTAXES = (IMPLICIT_LE, EXPLICIT_LE, EXPLICIT_BE)
STUDY, SERIES, INSTANCE = (0x0020000D,), (0x0020000E,), (0x00080018,)
PATIENT_ID, PATIENT_NAME = (0x00100020,), (0x00100010,)
NAMES = [
    ([], "Doe^Jane*"),
    (["ISO_IR 100"], "Buc^Jérôme"),
    (["ISO_IR 126"], "Διονυσιος"),
    (["ISO_IR 144"], "ЖЩЮ^Ф"),
    (["ISO_IR 192"], "王^小東=Ωé"),
    (["GB18030"], "Wang^XiaoDong=王^小东"),
    (["GBK"], "Zhang^XiaoDong=张^小东"),
    (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
    (["ISO 2022 IR 13", "ISO 2022 IR 87"], "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう"),
    (["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동"),
]


def encoded(dataset: Dataset, syntax: str) -> bytes:
    out = DicomBytesIO()
    out.is_implicit_VR = syntax == IMPLICIT_LE
    out.is_little_endian = syntax != EXPLICIT_BE
    write_dataset(out, dataset)
    return out.getvalue()


def dataset(level: str | None = "STUDY", **values: object) -> Dataset:
    made = Dataset()
    if level is not None:
        made.QueryRetrieveLevel = level
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return made


def read(level: str | None = "STUDY", syntax: str = EXPLICIT_LE, **values: object) -> Identifier:
    return identifier.parse(encoded(dataset(level, **values), syntax), syntax)


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_keys_of_each_kind_are_read(syntax: str) -> None:
    item = dataset(None, Modality="CT", ScheduledStationAETitle="")
    found = read(
        "SERIES",
        syntax,
        PatientName="DOE*",
        StudyDate="20200101-20201231",
        StudyInstanceUID="1.2.3",
        SeriesInstanceUID=["1.2.3.4", "1.2.3.5"],
        SeriesNumber="12",
        Rows=512,
        PixelSpacing=[0.5, 0.25],
        FrameIncrementPointer=[0x00100010, 0x7FE00010],
        Modality="",
        RequestAttributesSequence=[dataset(None, ScheduledProcedureStepID="S?")],
        ScheduledProcedureStepSequence=[item],
        ReferencedStudySequence=[],
        ReferencedSeriesSequence=[Dataset()],
    )
    assert found == Identifier(
        level=Level.SERIES,
        encodings=(),
        keys={
            PATIENT_NAME: "DOE*",
            (0x00080020,): "20200101-20201231",
            STUDY: "1.2.3",
            SERIES: "1.2.3.4\\1.2.3.5",
            (0x00200011,): "12",
            (0x00280010,): "512",
            (0x00280030,): "0.5\\0.25",
            (0x00280009,): "00100010\\7FE00010",
            (0x00080060,): "",
            (0x00400275, 0x00400009): "S?",
            (0x00400100, 0x00080060): "CT",
            (0x00400100, 0x00400001): "",
            (0x00081110,): "",
            (0x00081115,): "",
        },
    )


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize(("charset", "name"), NAMES)
def test_text_is_read_in_its_character_set(syntax: str, charset: list[str], name: str) -> None:
    values = {"SpecificCharacterSet": charset} if charset else {}
    found = read("STUDY", syntax, **values, PatientName=name, StudyDescription="x")
    assert found.keys[PATIENT_NAME] == name
    assert found.encodings == tuple(charset)


def test_an_item_may_have_a_character_set_of_its_own() -> None:
    inner = dataset(None, SpecificCharacterSet="ISO_IR 192", PatientName="小東")
    found = read("STUDY", PatientName="x", RequestAttributesSequence=[inner])
    assert found.keys[(0x00400275, 0x00100010)] == "小東"
    assert found.encodings == ()


def test_undeclared_latin_1_is_understood() -> None:
    data = encoded(dataset("STUDY"), EXPLICIT_LE) + b"\x10\0\x10\0PN\x06\0M\xfcller"
    assert identifier.parse(data, EXPLICIT_LE).keys[PATIENT_NAME] == "Müller"


@pytest.mark.parametrize("charset", [b"ISO_IR 999 ", b"nonsense", b"\\\\\\ ", b"\0\0", b"\xff\xfe"])
def test_an_unknown_character_set_does_not_stop_the_query(charset: bytes) -> None:
    data = struct.pack("<HH2sH", 8, 5, b"CS", len(charset)) + charset
    data += encoded(dataset("STUDY", PatientName="DOE"), EXPLICIT_LE)
    assert identifier.parse(data, EXPLICIT_LE).keys[PATIENT_NAME] == "DOE"


def test_values_lose_their_padding() -> None:
    data = b"\x08\0\x52\0CS\x06\0study " + b"\x20\0\x0d\0UI\x08\x001.2\\1.3\0"
    found = identifier.parse(data, EXPLICIT_LE)
    assert (found.level, found.keys) == (Level.STUDY, {STUDY: "1.2\\1.3"})


def test_group_lengths_are_no_keys() -> None:
    data = b"\x08\0\0\0UL\x04\0\x0e\0\0\0" + encoded(dataset("STUDY"), EXPLICIT_LE)
    assert identifier.parse(data, EXPLICIT_LE).keys == {}


@pytest.mark.parametrize("length", [1, 3, 5])
def test_a_number_of_a_wrong_length_is_refused(length: int) -> None:
    data = encoded(dataset("STUDY"), EXPLICIT_LE)
    data += struct.pack("<HH2sH", 0x28, 0x10, b"US", length) + bytes(length)
    with pytest.raises(BadQuery):
        identifier.parse(data, EXPLICIT_LE)


@pytest.mark.parametrize("level", [None, "", "SLICE", "FRAME"])
def test_a_level_that_is_none_is_refused(level: str | None) -> None:
    with pytest.raises(BadQuery, match=r"0008,0052"):
        read(level, PatientName="x")


@pytest.mark.parametrize("data", [b"", b"\x08", b"\x08\0\x52\0CS\x40\0STUDY ", bytes(100)])
def test_what_is_no_identifier_is_refused(data: bytes) -> None:
    with pytest.raises(BadQuery):
        identifier.parse(data, EXPLICIT_LE)


def test_a_sequence_has_one_item_to_match() -> None:
    items = [dataset(None, Modality="CT"), dataset(None, Modality="MR")]
    with pytest.raises(BadQuery, match="RequestAttributesSequence"):
        read("SERIES", RequestAttributesSequence=items)


def test_sequences_nest_only_so_deep() -> None:
    inner = dataset(None, Modality="CT")
    for _ in range(20):
        inner = dataset(None, RequestAttributesSequence=[inner])
    with pytest.raises(BadQuery):
        read("STUDY", RequestAttributesSequence=[inner])


@given(st.data(), st.sampled_from(SYNTAXES))
def test_mutated_identifiers_raise_nothing_but_bad_query(data: st.DataObject, syntax: str) -> None:
    whole = dataset(
        "STUDY",
        SpecificCharacterSet=["", "ISO 2022 IR 87"],
        PatientName="Yamada=山田",
        Rows=1,
        FrameIncrementPointer=[0x00100010],
        StudyInstanceUID="1.2",
        RequestAttributesSequence=[dataset(None, ScheduledProcedureStepID="S?")],
    )
    changed = bytearray(encoded(whole, syntax))
    for _ in range(data.draw(st.integers(1, 6))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(BadQuery):
        found = identifier.parse(bytes(changed[: data.draw(st.integers(0, len(changed)))]), syntax)
        for patient_root in (True, False):
            with contextlib.suppress(BadQuery):
                identifier.to_query(found, patient_root=patient_root, relational=False)
            with contextlib.suppress(BadQuery):
                identifier.to_refs(found, patient_root=patient_root)


@given(st.binary(max_size=300), st.sampled_from(SYNTAXES))
def test_random_bytes_raise_nothing_but_bad_query(data: bytes, syntax: str) -> None:
    with contextlib.suppress(BadQuery):
        identifier.parse(data, syntax)


@pytest.mark.parametrize(
    "filling",
    [
        b"\x09\0\x52\0CS\0\0",
        b"\x10\0\x10\0PN\x08\0\x1b$B\x1b$B\x1b\x1b",
        b"\x40\0\x75\x02SQ\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\xff\xff\xff\xff",
        b"\x40\0\x75\x02SQ\0\0\0\0\0\0",
        bytes(8),
        b"\xff" * 8,
        b"\x20\0\x0d\0UI\x04\x001\\1\\",
    ],
    ids=["empty", "escapes", "nested", "sequences", "zeros", "ones", "lists"],
)
def test_a_megabyte_is_read_in_bounded_time(filling: bytes) -> None:
    data = encoded(dataset("STUDY"), EXPLICIT_LE) + filling * (1024 * 1024 // len(filling))
    began = time.process_time()
    with contextlib.suppress(BadQuery):
        identifier.parse(data, EXPLICIT_LE)
    assert time.process_time() - began < 5


def test_a_query_has_what_to_match_and_what_to_return() -> None:
    found = read(
        "STUDY",
        PatientName="DOE*",
        PatientID="*",
        StudyDate="",
        RetrieveAETitle="X",
        TimezoneOffsetFromUTC="+0100",
        QueryRetrieveView="CLASSIC",
        RequestAttributesSequence=[dataset(None, ScheduledProcedureStepID="")],
    )
    query = identifier.to_query(found, patient_root=False, relational=False)
    assert query == Query(
        level=Level.STUDY,
        match={PATIENT_NAME: "DOE*"},
        include=frozenset({PATIENT_ID, (0x00080020,), (0x00400275, 0x00400009)}),
        is_bare=True,
    )


@pytest.mark.parametrize("value", [None, "", "*", "1.2.*", "1.2\\1.3"])
def test_a_hierarchical_query_needs_one_value_in_the_keys_above(value: str | None) -> None:
    found = Identifier(Level.SERIES, {STUDY: value} if value is not None else {}, ())
    with pytest.raises(BadQuery, match="StudyInstanceUID"):
        identifier.to_query(found, patient_root=False, relational=False)
    assert identifier.to_query(found, patient_root=False, relational=True).level is Level.SERIES


def test_the_patient_root_needs_the_patient_above_a_study() -> None:
    found = Identifier(Level.STUDY, {}, ())
    with pytest.raises(BadQuery, match="PatientID"):
        identifier.to_query(found, patient_root=True, relational=False)
    identifier.to_query(found, patient_root=False, relational=False)


def test_the_study_root_has_no_patient_level() -> None:
    found = Identifier(Level.PATIENT, {PATIENT_ID: "1"}, ())
    with pytest.raises(BadQuery):
        identifier.to_query(found, patient_root=False, relational=True)
    with pytest.raises(BadQuery):
        identifier.to_refs(found, patient_root=False)
    identifier.to_query(found, patient_root=True, relational=False)


def test_references_are_the_unique_keys_of_the_level_below_those_above() -> None:
    keys = {PATIENT_ID: "P", STUDY: "1.2", SERIES: "1.3", INSTANCE: "1.4\\1.5\\1.4"}
    assert identifier.to_refs(Identifier(Level.IMAGE, keys, ()), patient_root=True) == (
        Ref(patient="P", study="1.2", series="1.3", instance="1.4"),
        Ref(patient="P", study="1.2", series="1.3", instance="1.5"),
    )


@pytest.mark.parametrize(
    ("level", "key", "value", "ref"),
    [
        (Level.PATIENT, PATIENT_ID, "P 1", Ref(patient="P 1")),
        (Level.STUDY, STUDY, "1.2", Ref(study="1.2")),
        (Level.SERIES, SERIES, "1.2", Ref(series="1.2")),
        (Level.IMAGE, INSTANCE, "1.2", Ref(instance="1.2")),
    ],
)
def test_the_keys_above_may_be_left_out(
    level: Level, key: tuple[int], value: str, ref: Ref
) -> None:
    found = Identifier(level, {key: value, (0x00080005,): "", (0x00080060,): ""}, ())
    assert identifier.to_refs(found, patient_root=True) == (ref,)


@pytest.mark.parametrize(
    ("level", "keys"),
    [
        (Level.STUDY, {}),
        (Level.STUDY, {STUDY: ""}),
        (Level.STUDY, {STUDY: "*"}),
        (Level.STUDY, {STUDY: "1.2.*"}),
        (Level.STUDY, {STUDY: "x"}),
        (Level.STUDY, {STUDY: "1." * 40 + "1"}),
        (Level.STUDY, {STUDY: "1.2", PATIENT_ID: "P*"}),
        (Level.STUDY, {STUDY: "1.2", (0x00080060,): "CT"}),
        (Level.STUDY, {STUDY: "1.2", SERIES: "1.3"}),
        (Level.STUDY, {STUDY: "1.2", (0x00400275, 0x00400009): "S"}),
        (Level.PATIENT, {PATIENT_ID: "P?"}),
        (Level.SERIES, {SERIES: "1.3", STUDY: "1.2\\1.4"}),
        (Level.IMAGE, {INSTANCE: "1.3", SERIES: "bad"}),
    ],
)
def test_what_cannot_name_something_to_retrieve_is_refused(
    level: Level, keys: dict[tuple[int, ...], str]
) -> None:
    with pytest.raises(BadQuery):
        identifier.to_refs(Identifier(level, keys, ()), patient_root=True)


def test_long_lists_of_uids_make_one_reference_each() -> None:
    uids = [f"1.2.{at}" for at in range(50_000)]
    began = time.process_time()
    found = Identifier(Level.IMAGE, {INSTANCE: "\\".join(uids), STUDY: "1.9"}, ())
    refs = identifier.to_refs(found, patient_root=False)
    assert [ref.instance for ref in refs] == uids
    assert time.process_time() - began < 3


def test_errors_hold_no_values_of_the_identifier() -> None:
    found = Identifier(Level.STUDY, {STUDY: "SECRET"}, ())
    with pytest.raises(BadQuery) as caught:
        identifier.to_refs(found, patient_root=False)
    assert "SECRET" not in str(caught.value)
