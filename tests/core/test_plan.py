import pytest

from hilum.core.backend import Abilities
from hilum.core.plan import MAX_QUESTIONS, Plan, is_single, planned
from hilum.model.errors import NotOffered
from hilum.model.identity import Level
from hilum.model.query import Query

NAME, ID, DATE, ACCESSION = (0x00100010,), (0x00100020,), (0x00080020,), (0x00080050,)
STUDY, SERIES, IMAGE = (0x0020000D,), (0x0020000E,), (0x00080018,)
MODALITY, MODALITIES, ROWS, COMMENTS = (0x00080060,), (0x00080061,), (0x00280010,), (0x00204000,)
PRIVATE = (0x00091010,)
ALL = Abilities(frozenset(Level), relational=True)
STRICT = Abilities(frozenset(Level), relational=False)
NO_PATIENTS = Abilities(frozenset(Level) - {Level.PATIENT}, relational=False)


def levels(plan: Plan) -> list[Level]:
    return [each.level for each in plan.steps]


@pytest.mark.parametrize(
    ("query", "abilities"),
    [
        (Query(Level.PATIENT, {NAME: "A*"}), STRICT),
        (Query(Level.STUDY, {NAME: "A*"}), STRICT),
        (Query(Level.SERIES, {STUDY: "1.2"}), STRICT),
        (Query(Level.SERIES, {NAME: "A*"}), ALL),
        (Query(Level.IMAGE, {STUDY: "1.2", SERIES: "1.3"}), STRICT),
        (Query(Level.IMAGE), ALL),
    ],
)
def test_one_question_is_enough(query: Query, abilities: Abilities) -> None:
    plan = planned(query, abilities)
    assert plan.is_direct
    assert plan.steps[0].questions[0].match == query.match


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (Query(Level.SERIES), [Level.STUDY, Level.SERIES]),
        (Query(Level.IMAGE), [Level.STUDY, Level.SERIES, Level.IMAGE]),
        (Query(Level.IMAGE, {STUDY: "1.2"}), [Level.SERIES, Level.IMAGE]),
        (Query(Level.IMAGE, {SERIES: "1.3"}), [Level.STUDY, Level.IMAGE]),
        (Query(Level.SERIES, {STUDY: "1.2\\1.3"}), [Level.STUDY, Level.SERIES]),
        (Query(Level.SERIES, {STUDY: "1.2", ID: "7"}), [Level.STUDY, Level.SERIES]),
        (Query(Level.SERIES, {STUDY: "1.2"}, frozenset({NAME})), [Level.STUDY, Level.SERIES]),
        (Query(Level.SERIES, {STUDY: "1.2", PRIVATE: "x", ROWS: "7"}), [Level.SERIES]),
    ],
)
def test_levels_are_walked_where_they_must_be(query: Query, expected: list[Level]) -> None:
    assert levels(planned(query, STRICT)) == expected


def test_every_key_is_asked_at_its_level_and_checked_there() -> None:
    match = {NAME: "A*", MODALITY: "CT", ROWS: "512", COMMENTS: "x"}
    study, series, image = planned(Query(Level.IMAGE, match), STRICT).steps
    assert dict(study.questions[0].match) == {NAME: "A*"}
    assert dict(series.questions[0].match) == {MODALITY: "CT"}
    assert dict(image.questions[0].match) == {ROWS: "512", COMMENTS: "x"}
    assert image.checks == ((ROWS, "512"), (COMMENTS, "x"))
    assert (series.given, image.given) == ((STUDY[0],), (STUDY[0], SERIES[0]))
    assert study.questions[0].is_bare
    assert not image.questions[0].is_bare


def test_universal_keys_are_only_asked_for() -> None:
    plan = planned(Query(Level.STUDY, {NAME: "*", ID: "*"}), STRICT)
    assert plan.steps[0].questions[0].include == {NAME, ID}
    assert plan.steps[0].checks == ()


def test_lists_become_questions_but_those_of_uids_stay() -> None:
    plan = planned(Query(Level.STUDY, {STUDY: "1.2\\1.3", ID: "1\\2\\2", ACCESSION: "a\\b"}), ALL)
    asked = [dict(each.match) for each in plan.steps[0].questions]
    assert [(each[ID], each[ACCESSION]) for each in asked] == [
        ("1", "a"),
        ("1", "b"),
        ("2", "a"),
        ("2", "b"),
    ]
    assert all(each[STUDY] == "1.2\\1.3" for each in asked)
    assert (ID, "1\\2\\2") in plan.steps[0].checks


def test_a_list_too_long_is_filtered_here() -> None:
    many = "\\".join(str(number) for number in range(MAX_QUESTIONS + 1))
    (step,) = planned(Query(Level.STUDY, {ID: many}), ALL).steps
    (question,) = step.questions
    assert question.match == {}
    assert ID in question.include
    assert step.checks == ((ID, many),)


def test_the_modality_of_a_study_is_that_of_its_series() -> None:
    plan = planned(Query(Level.STUDY, {MODALITY: "CT", MODALITIES: "MR"}), ALL)
    assert dict(plan.steps[0].questions[0].match) == {MODALITIES: "MR"}
    assert set(plan.steps[0].checks) == {(MODALITIES, "CT"), (MODALITIES, "MR")}
    assert plan.fills_modalities
    alone = Abilities(frozenset({Level.STUDY}), relational=True)
    assert not planned(Query(Level.STUDY, {MODALITY: "CT"}), alone).fills_modalities


def test_patients_are_made_of_studies() -> None:
    plan = planned(Query(Level.PATIENT, {NAME: "A*", (0x00201200,): "2"}, limit=3), NO_PATIENTS)
    assert (levels(plan), plan.groups, plan.counts) == ([Level.STUDY], True, True)
    assert plan.group_checks == (((0x00201200,), "2"),)
    assert plan.steps[0].questions[0].limit is None
    assert not planned(Query(Level.PATIENT, {DATE: "2026-"}), NO_PATIENTS).counts
    bare = planned(Query(Level.PATIENT, is_bare=True), NO_PATIENTS).steps[0].questions[0]
    assert (0x00201206,) not in bare.include


def test_names_that_match_fuzzily_are_not_checked() -> None:
    plan = planned(Query(Level.STUDY, {NAME: "a b", ID: "7"}, fuzzy=True), ALL)
    assert plan.steps[0].checks == ((ID, "7"),)


def test_the_limit_is_told_to_the_far_side() -> None:
    plan = planned(Query(Level.STUDY, limit=5, offset=2), ALL)
    question = plan.steps[0].questions[0]
    assert (question.limit, question.offset) == (5, 2)
    assert all(
        question.limit is None
        for step in planned(Query(Level.SERIES, limit=5), STRICT).steps
        for question in step.questions
    )


def test_what_cannot_be_asked_is_not_offered() -> None:
    with pytest.raises(NotOffered, match="IMAGE"):
        planned(Query(Level.IMAGE), Abilities(frozenset({Level.PATIENT}), relational=True))
    with pytest.raises(NotOffered, match="STUDY"):
        planned(Query(Level.PATIENT), Abilities(frozenset({Level.SERIES}), relational=True))


@pytest.mark.parametrize(
    ("value", "expected"),
    [("1.2", True), ("", False), ("1.2\\1.3", False), ("1.*", False), ("1.?", False)],
)
def test_a_single_value_is_one_without_wild_cards(value: str, *, expected: bool) -> None:
    assert is_single(STUDY, value) is expected


def test_a_backslash_is_a_character_of_some_texts() -> None:
    assert is_single((0x00104000,), "a\\b")
    plan = planned(Query(Level.STUDY, {(0x00104000,): "a\\b"}), ALL)
    assert len(plan.steps[0].questions) == 1


def test_counts_are_filtered_here() -> None:
    (step,) = planned(Query(Level.STUDY, {(0x00201206,): "2", ID: "7"}), ALL).steps
    assert step.questions[0].match == {ID: "7"}
    assert (0x00201206,) in step.questions[0].include
    assert ((0x00201206,), "2") in step.checks
