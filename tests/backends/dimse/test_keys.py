import pytest

from hilum.backends.dimse.keys import DEFAULTS, OPTIONAL, keys_of, line
from hilum.codec import question
from hilum.codec.sop_class import EXPLICIT_LE, IMPLICIT_LE
from hilum.model.identity import Level
from hilum.model.query import Query

NAME, PATIENT_ID = (0x00100010,), (0x00100020,)
STUDY, SERIES, INSTANCE = (0x0020000D,), (0x0020000E,), (0x00080018,)
REQUESTS = 0x00400275


@pytest.mark.parametrize("level", Level)
def test_the_attributes_of_the_level_are_asked_for_whatever_is_matched(level: Level) -> None:
    keys = keys_of(Query(level, {NAME: "A*"}), patient_root=True)
    assert keys[NAME] == "A*"
    assert DEFAULTS[level] <= keys.keys()
    assert all(value == "" for path, value in keys.items() if path != NAME)


def test_where_nobody_wants_the_defaults_only_what_was_named_is_asked_for() -> None:
    query = Query(Level.SERIES, {STUDY: "1.2"}, frozenset({(0x0008103E,)}), is_bare=True)
    keys = keys_of(query, patient_root=False)
    assert keys == {STUDY: "1.2", SERIES: "", (0x0008103E,): ""}


def test_what_makes_a_peer_open_files_is_asked_for_only_when_it_is_named() -> None:
    availability, timezone = (0x00080056,), (0x00080201,)
    usual = keys_of(Query(Level.STUDY), patient_root=False)
    assert not {availability, timezone} & usual.keys()
    named = keys_of(Query(Level.STUDY, include=frozenset({timezone})), patient_root=False)
    assert timezone in named
    every = keys_of(Query(Level.STUDY, include_all=True), patient_root=False)
    assert {availability, timezone} <= every.keys()


def test_the_unique_keys_above_are_asked_for_as_far_as_the_model_has_them() -> None:
    query = Query(Level.IMAGE, {STUDY: "1.2"})
    keys = keys_of(query, patient_root=False)
    assert (keys[STUDY], keys[SERIES], keys[INSTANCE]) == ("1.2", "", "")
    assert PATIENT_ID not in keys
    assert keys_of(query, patient_root=True)[PATIENT_ID] == ""


def test_what_is_included_is_asked_for() -> None:
    include = frozenset({(0x00081030,), (0x00400275, 0x00400007)})
    keys = keys_of(Query(Level.SERIES, include=include), patient_root=False)
    assert include <= keys.keys()


@pytest.mark.parametrize("level", Level)
def test_all_means_the_optional_keys_and_every_one_can_be_written(level: Level) -> None:
    keys = keys_of(Query(level, include_all=True), patient_root=True)
    assert OPTIONAL[level] <= keys.keys()
    assert OPTIONAL[level] - DEFAULTS[level]
    for syntax in (EXPLICIT_LE, IMPLICIT_LE):
        assert question.encode(level, keys, syntax)


def test_a_key_in_a_sequence_does_not_cost_what_else_its_item_holds() -> None:
    query = Query(Level.SERIES, {(REQUESTS, 0x00400009): "S1"})
    keys = keys_of(query, patient_root=False)
    assert keys[(REQUESTS, 0x00400009)] == "S1"
    assert keys[(REQUESTS, 0x00401001)] == ""


def test_what_is_no_key_of_a_c_find_is_not_sent() -> None:
    include = frozenset({(0x00081190,), (0x00080005,), (0x00080052,)})
    assert not include & keys_of(Query(Level.STUDY, include=include), patient_root=False).keys()


def test_a_key_can_be_read_by_people() -> None:
    assert line(NAME, "A*") == "(0010,0010) PatientName = A*"
    assert line(STUDY, "") == "(0020,000D) StudyInstanceUID ="
    assert line((REQUESTS, 0x00400009), "S") == (
        "(0040,0275).(0040,0009) RequestAttributesSequence.ScheduledProcedureStepID = S"
    )
    assert line((0x00091001,), "x") == "(0009,1001) 00091001 = x"
