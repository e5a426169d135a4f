import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilum.codec import qido
from hilum.model.errors import BadQuery
from hilum.model.identity import Level
from hilum.model.query import Path, Query

PATIENT_NAME = (0x0010_0010,)
STUDY_UID = (0x0020_000D,)
SERIES_UID = (0x0020_000E,)
MODALITIES = (0x0008_0061,)
SPS_ID = (0x0040_0275, 0x0040_0009)


def study(*parameters: tuple[str, str]) -> Query:
    return qido.parse(Level.STUDY, parameters).query


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("PatientName", PATIENT_NAME),
        ("patientname", PATIENT_NAME),
        ("00100010", PATIENT_NAME),
        ("RequestAttributesSequence.ScheduledProcedureStepID", SPS_ID),
        ("00400275.00400009", SPS_ID),
        ("RequestAttributesSequence.00400009", SPS_ID),
        ("00091001", (0x0009_1001,)),
        ("0040a730.0040A160", (0x0040_A730, 0x0040_A160)),
    ],
)
def test_a_key_is_a_keyword_a_tag_or_a_path_of_both(name: str, path: Path) -> None:
    assert study((name, "DOE^J*")).match == {path: "DOE^J*"}


@pytest.mark.parametrize(
    "value", ["20200101-20201231", "-20200101", "20200101-", "D*E?", "*", " a b", "Doe, John"]
)
def test_values_stay_as_in_c_find(value: str) -> None:
    assert study(("PatientName", value)).match == {PATIENT_NAME: value}


@pytest.mark.parametrize(
    "parameters",
    [
        [("StudyInstanceUID", "1.2,1.3")],
        [("StudyInstanceUID", "1.2\\1.3")],
        [("StudyInstanceUID", "1.2"), ("0020000D", "1.3")],
        [("StudyInstanceUID", "1.2, 1.3,"), ("StudyInstanceUID", "1.3")],
    ],
)
def test_lists_of_uids(parameters: list[tuple[str, str]]) -> None:
    assert study(*parameters).match == {STUDY_UID: "1.2\\1.3"}


@pytest.mark.parametrize(
    ("value", "asked"),
    [
        ("2024-02-29", "20240229"),
        ("2024-01-01-2024-02-29", "20240101-20240229"),
        ("20240101-20240229", "20240101-20240229"),
    ],
)
def test_days_with_dashes_are_asked_as_dicom_writes_them(value: str, asked: str) -> None:
    assert study(("StudyDate", value)).match == {(0x0008_0020,): asked}


def test_lists_of_code_strings() -> None:
    assert study(("ModalitiesInStudy", "CT,MR")).match == {MODALITIES: "CT\\MR"}


@pytest.mark.parametrize("value", ["", "  ", "\\"])
def test_an_empty_key_is_one_to_return(value: str) -> None:
    query = study(("00081030", value if value != "\\" else ""), ("StudyInstanceUID", value))
    assert query.match == {}
    assert query.include == {(0x0008_1030,), STUDY_UID}


def test_any_uid_is_no_condition() -> None:
    assert study(("StudyInstanceUID", "*")).match == {}


def test_a_sequence_as_a_key_is_one_to_return() -> None:
    assert study(("ProcedureCodeSequence", "")).include == {(0x0008_1032,)}
    with pytest.raises(BadQuery, match="sequence"):
        study(("RequestAttributesSequence", "x"))


@pytest.mark.parametrize(
    ("parameters", "include"),
    [
        ([("includefield", "00081030,StudyDescription")], {(0x0008_1030,)}),
        (
            [("includefield", "00081030"), ("includeField", "00080080")],
            {(0x0008_1030,), (0x0008_0080,)},
        ),
        ([("includefield", "OtherPatientIDsSequence.PatientID")], {(0x0010_1002, 0x0010_0020)}),
        ([("includefield", "")], set()),
    ],
)
def test_fields_to_include(parameters: list[tuple[str, str]], include: set[Path]) -> None:
    query = study(*parameters)
    assert query.include == include
    assert not query.include_all


def test_all_fields() -> None:
    query = study(("includefield", "all"), ("includefield", "PatientName"))
    assert query.include_all
    assert query.include == {PATIENT_NAME}


def test_a_field_that_is_not_known_is_told_of() -> None:
    search = qido.parse(Level.STUDY, [("includefield", "Nonsense<>,PatientName")])
    assert search.query.include == {PATIENT_NAME}
    assert search.warnings == ("The includefield Nonsense?? is not known and was left out.",)


def test_fields_of_lower_levels_are_not_returned_higher_up() -> None:
    names = "Modality,SeriesInstanceUID,SOPInstanceUID,Rows,StudyDescription"
    assert study(("includefield", names)).include == {(0x0008_1030,)}
    series = qido.parse(Level.SERIES, [("includefield", names)], {0x0020_000D: "1.2"}).query
    assert series.include == {(0x0008_1030,), (0x0008_0060,), SERIES_UID}


OF_EVERY_LEVEL = {(0x0008_0056,), (0x0008_0201,)}  # availability, offset from UTC


def test_fields_of_higher_levels_come_where_the_path_does_not_name_them() -> None:
    everything = qido.parse(Level.IMAGE, []).query.include
    assert everything == (qido.STUDY | qido.SERIES) - OF_EVERY_LEVEL
    assert qido.parse(Level.SERIES, []).query.include == qido.STUDY - OF_EVERY_LEVEL
    within_study = qido.parse(Level.IMAGE, [], {0x0020_000D: "1.2"}).query
    assert within_study.include == qido.SERIES - OF_EVERY_LEVEL
    assert within_study.match == {STUDY_UID: "1.2"}
    within_series = qido.parse(Level.IMAGE, [], {0x0020_000D: "1.2", 0x0020_000E: "1.3"}).query
    assert within_series.include == set()


def test_a_matched_field_is_not_also_included() -> None:
    found = qido.parse(Level.SERIES, [("PatientName", "A")]).query.include
    assert found == qido.STUDY - OF_EVERY_LEVEL - {PATIENT_NAME}


def test_the_path_goes_before_a_key_that_agrees() -> None:
    within = {0x0020_000D: "1.2"}
    assert qido.parse(Level.SERIES, [("StudyInstanceUID", "1.1,1.2")], within).query.match == {
        STUDY_UID: "1.2"
    }
    with pytest.raises(BadQuery, match="StudyInstanceUID contradicts the path"):
        qido.parse(Level.SERIES, [("StudyInstanceUID", "1.1")], within)


def test_paging() -> None:
    query = study(("limit", "10"), ("offset", "20"), ("limit", "10"))
    assert (query.limit, query.offset) == (10, 20)
    assert study(("limit", "0")).limit == 0
    assert study().limit is None
    assert study(("limit", "9" * 50)).limit == qido.MAX_NUMBER


@pytest.mark.parametrize("name", ["limit", "offset"])
@pytest.mark.parametrize("value", ["-1", "x", "", "1.5", "1e3", "٣"])
def test_numbers_that_are_none_are_refused(name: str, value: str) -> None:
    with pytest.raises(BadQuery, match=name):
        study((name, value))


def test_what_is_not_supported_is_told_of() -> None:
    names = ("emptyvaluematching", "multiplevaluematching")
    first, second = qido.parse(Level.STUDY, [(name, "true") for name in names]).warnings
    assert first.startswith("The emptyvaluematching parameter is not supported. Empty Value M")
    assert second.startswith("The multiplevaluematching parameter is not supported. Multiple V")
    none = qido.parse(Level.STUDY, [(name, "false") for name in names])
    assert none == qido.parse(Level.STUDY, [])


def test_fuzzy_matching_is_the_backends_matter() -> None:
    search = qido.parse(Level.STUDY, [("fuzzymatching", "true")])
    assert search.query.fuzzy
    assert search.warnings == ()
    assert not study(("FuzzyMatching", "false")).fuzzy
    with pytest.raises(BadQuery, match="fuzzymatching"):
        study(("fuzzymatching", "yes"))


def test_housekeeping_is_no_key() -> None:
    query = study(
        ("accept", "application/dicom+json"), ("charset", "utf-8"), ("_", "17"), ("_t", "x")
    )
    assert query.match == {}
    assert study(("SpecificCharacterSet", "ISO_IR 100")).match == {}


@pytest.mark.parametrize(
    ("parameter", "text"),
    [
        (("PatientNam", "A"), "PatientNam is neither .* did you mean PatientName?"),
        (("StudyIntanceUID", "1"), "did you mean StudyInstanceUID?"),
        (("atientName", "A"), "did you mean PatientName?"),
        (("limt", "1"), "limt is neither"),
        (("00100010.00100020", "A"), "PatientName is not a sequence"),
        (("RequestAttributesSequence.", "A"), "neither"),
        (("00020010", "1.2"), "neither"),
        (("TransferSyntaxUID", "1.2"), "neither"),
        (("StudyInstanceUID", "abc"), "no UID"),
        (("StudyInstanceUID", "1" * 65), "no UID"),
        (("x" * 5000, ""), "neither"),
        ((".".join(["RequestAttributesSequence"] * 50), ""), "too many"),
    ],
)
def test_what_is_no_key_is_refused_by_name(parameter: tuple[str, str], text: str) -> None:
    with pytest.raises(BadQuery, match=text):
        study(parameter)


def test_a_key_given_twice_is_refused_where_it_can_be_no_list() -> None:
    assert study(("PatientID", "1"), ("00100020", "1")).match == {(0x0010_0020,): "1"}
    with pytest.raises(BadQuery, match="PatientID is given more than once"):
        study(("00100020", "1"), ("PatientID", "2"))
    with pytest.raises(BadQuery, match="limit is given more than once"):
        study(("limit", "1"), ("limit", "2"))


def test_error_texts_hold_no_values() -> None:
    with pytest.raises(BadQuery) as raised:
        study(("PatientID", "SECRET1"), ("PatientID", "SECRET2"))
    assert "SECRET" not in str(raised.value)


def test_asking_for_one_more() -> None:
    assert qido.one_more(Query(Level.STUDY, limit=3)).limit == 4
    assert qido.one_more(Query(Level.STUDY)).limit is None


KEYS = st.sampled_from([PATIENT_NAME, STUDY_UID, SPS_ID, (0x0008_0020,), (0x0009_1001,)])


@given(
    st.builds(
        Query,
        level=st.just(Level.STUDY),
        match=st.lists(KEYS, unique=True).map(
            lambda keys: {key: "1.2\\1.3" if key == STUDY_UID else "A*-b?" for key in keys}
        ),
        include=st.frozensets(st.sampled_from([(0x0008_1030,), (0x0008_1032, 0x0008_0100)])),
        include_all=st.booleans(),
        limit=st.none() | st.integers(0, qido.MAX_NUMBER),
        offset=st.integers(0, qido.MAX_NUMBER),
        fuzzy=st.booleans(),
    )
)
def test_what_is_written_is_read_back(query: Query) -> None:
    assert qido.parse(Level.STUDY, qido.encode(query)).query == query


@given(st.lists(st.tuples(st.text(max_size=30), st.text(max_size=30))))
def test_whatever_comes_is_a_query_or_refused(parameters: list[tuple[str, str]]) -> None:
    with contextlib.suppress(BadQuery):
        qido.parse(Level.IMAGE, parameters)
