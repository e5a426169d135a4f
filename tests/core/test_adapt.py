"""What a crippled far side answers through the adapter is what a whole one answers."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from functools import lru_cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.contract import made
from tests.contract.made import Made, uid
from tests.core.crippled import Crippled

from hilum.backends.memory import Memory
from hilum.codec import dicom_json, qido
from hilum.core.adapt import Adapted
from hilum.core.backend import Finds
from hilum.core.levels import UNIQUE, level_of
from hilum.core.sift import LITERAL
from hilum.model.errors import NotOffered, OutOfResources, TooLarge
from hilum.model.identity import Level
from hilum.model.query import Path, Query

pytestmark = pytest.mark.anyio

NAME, ID, ISSUER, SEX = (0x00100010,), (0x00100020,), (0x00100021,), (0x00100040,)
STUDY, SERIES, IMAGE = (0x0020000D,), (0x0020000E,), (0x00080018,)
DATE, TIME, ACCESSION, DESCRIPTION = (0x00080020,), (0x00080030,), (0x00080050,), (0x00081030,)
MODALITY, MODALITIES, NUMBER = (0x00080060,), (0x00080061,), (0x00200011,)
REQUEST, PROCEDURE, STEP = 0x00400275, 0x00401001, 0x00400009
COUNT = (0x00201206,)
HIERARCHICAL: dict[str, Any] = {"relational": False}
NO_PATIENTS: dict[str, Any] = {"levels": frozenset(Level) - {Level.PATIENT}}
ALL_KEYS = [NAME, ID, SEX, DATE, TIME, ACCESSION, DESCRIPTION, MODALITIES, MODALITY, NUMBER, COUNT]


def world() -> list[Made]:
    """Twelve studies of four patients."""
    names = ["Doe^Jane", "Müller^Jörg", "DOE^JOHN", "Yamada^Tarou=山田^太郎"]
    return [
        made.made(
            n,
            series,
            number,
            PatientID=f"Q{n % 4}",
            PatientName=names[n % 4],
            PatientSex="MF"[n % 2],
            IssuerOfPatientID="HERE",
            StudyDate=f"2026{n:02}15",
            StudyTime=["0800", "123000", "235959"][n % 3],
            AccessionNumber=["a", "A", "b"][n % 3],
            StudyDescription=["CHEST", "Head", ""][n % 3],
            Modality=["CT", "MR", "US"][(n + series) % 3],
            RequestAttributesSequence=[
                {"ScheduledProcedureStepID": f"S{n % 2}", "RequestedProcedureID": "R"},
                {"ScheduledProcedureStepID": "S9", "RequestedProcedureID": f"R{series}"},
            ],
        )
        for n in range(1, 13)
        for series in range(1, 2 + n % 3)
        for number in range(1, 2 + n % 2)
    ]


async def filled(instances: list[Made]) -> Memory:
    memory = Memory("HERE")
    async with memory.open() as session:
        for each in instances:
            assert (await session.store(each.instance())).failure is None
    return memory


@lru_cache(maxsize=1)
def memory() -> Memory:
    return asyncio.run(filled(world()))


@pytest.fixture(scope="module", autouse=True)
def made_before_any_loop_runs() -> None:
    memory()


def crippled(**switches: Any) -> Crippled:
    return Crippled(memory(), **switches)


def adapted(walk_limit: int = 1000, **switches: Any) -> Adapted:
    return Adapted(crippled(**switches), walk_limit)


async def found(finds: Finds, query: Query) -> list[dict[str, Any]]:
    async with finds.find(query) as matches:
        return [dicom_json.loads(each.dicom_json("http://h")) async for each in matches]


async def until_it_fails(finds: Finds, query: Query) -> tuple[int, Exception | None]:
    """How many matches came, and what came then."""
    count = 0
    try:
        async with finds.find(query) as matches:
            async for _ in matches:
                count += 1
    except OutOfResources as error:
        return count, error
    return count, None


async def warned(finds: Finds, query: Query) -> tuple[int, list[str], set[Path]]:
    async with finds.find(query) as matches:
        count = len([each async for each in matches])
        return count, matches.warnings, matches.unmatched


def shown(query: Query, answers: list[dict[str, Any]]) -> list[Mapping[str, Any]]:
    """What must be the same: the level's defaults, what was asked for, and the unique keys."""
    defaults = {Level.STUDY: qido.STUDY, Level.SERIES: qido.SERIES, Level.IMAGE: qido.INSTANCE}
    if query.level is Level.PATIENT:
        tags = {(0x00100010,), ID, (0x00100030,), SEX, (0x00201200,), (0x00201202,), (0x00201204,)}
    else:
        tags = {*defaults[query.level], STUDY}
    asked = {path for path in (*query.match, *query.include) if _above(path, query.level)}
    wanted = {f"{path[0]:08X}" for path in {*tags, *asked, (UNIQUE[query.level],)}} | {"00081190"}
    cut = [{tag: each[tag] for tag in sorted(each) if tag in wanted} for each in answers]
    return sorted(cut, key=lambda each: str(each[f"{UNIQUE[query.level]:08X}"]))


def _above(path: Path, level: Level) -> bool:
    ranks = {each: rank for rank, each in enumerate(Level)}
    own = level_of(path)
    return own is None or ranks[own] <= ranks[level]


async def same(query: Query, **switches: Any) -> Crippled:
    far = crippled(**switches)
    expected = shown(query, await found(memory(), query))
    assert shown(query, await found(Adapted(far, 1000), query)) == expected
    assert far.open == 0
    return far


QUERIES = [
    Query(Level.SERIES),
    Query(Level.IMAGE),
    Query(Level.PATIENT),
    Query(Level.PATIENT, {ID: "Q1"}),
    Query(Level.PATIENT, {NAME: "doe*"}, frozenset({ISSUER})),
    Query(Level.PATIENT, {SEX: "F"}),
    Query(Level.STUDY, {NAME: "doe*", DATE: "20260301-20260930"}),
    Query(Level.STUDY, {ACCESSION: "a"}),
    Query(Level.STUDY, {ACCESSION: "a\\b", SEX: "M"}),
    Query(Level.STUDY, {MODALITIES: "CT"}),
    Query(Level.STUDY, {MODALITIES: "CT\\US"}),
    Query(Level.STUDY, {MODALITY: "CT\\US"}),
    Query(Level.STUDY, {STUDY: "\\".join([uid(1), uid(4), "9.9"])}),
    Query(Level.STUDY, {COUNT: "2"}),
    Query(Level.SERIES, {NAME: "*jörg*", MODALITY: "MR"}, qido.STUDY),
    Query(Level.SERIES, {STUDY: uid(2)}),
    Query(Level.SERIES, {STUDY: uid(2), NAME: "no*"}),
    Query(Level.SERIES, {STUDY: uid(2)}, frozenset({NAME, DESCRIPTION})),
    Query(Level.SERIES, {SERIES: uid(2, 1)}, frozenset({ACCESSION})),
    Query(Level.SERIES, {(REQUEST, PROCEDURE): "R1", (REQUEST, STEP): "S9"}),
    Query(Level.SERIES, {(REQUEST, PROCEDURE): "R", (REQUEST, STEP): "S9"}),
    Query(Level.IMAGE, {IMAGE: uid(2, 1, 1)}, qido.STUDY | qido.SERIES - {(0x00080056,)}),
    Query(Level.IMAGE, {STUDY: uid(5), MODALITY: "CT\\MR"}, qido.SERIES),
    Query(Level.IMAGE, {SERIES: uid(5, 2)}),
    Query(Level.IMAGE, {DATE: "-20260430", (0x00200013,): "1"}, qido.STUDY),
    Query(Level.IMAGE, {TIME: "08-1230"}),
]
SWITCHES: list[dict[str, Any]] = [
    {},
    HIERARCHICAL,
    {**HIERARCHICAL, "strict": False, "twice": True},
    NO_PATIENTS,
    {**HIERARCHICAL, **NO_PATIENTS},
    {"refuses": frozenset({Level.SERIES, Level.IMAGE})},
    {"ignores": frozenset(f"{path[0]:08X}" for path in ALL_KEYS)},
    {**HIERARCHICAL, "ignores": frozenset(f"{path[0]:08X}" for path in [*ALL_KEYS, STUDY])},
    {"ignores": frozenset({f"{REQUEST:08X}"}), "says_ignored": True},
]


@pytest.mark.parametrize("switches", SWITCHES, ids=lambda each: "+".join(each) or "whole")
@pytest.mark.parametrize("query", QUERIES, ids=lambda each: f"{each.level.value}-{each.match}")
async def test_a_crippled_far_side_answers_like_a_whole_one(
    query: Query, switches: dict[str, Any]
) -> None:
    await same(query, **switches)


PATHS = [NAME, ID, SEX, DATE, TIME, ACCESSION, DESCRIPTION, MODALITIES, NUMBER, STUDY, SERIES]
VALUES = {
    NAME: st.sampled_from(["doe*", "Doe^Jane", "?oe^john", "山田*", "x"]),
    ID: st.sampled_from(["Q1", "Q*", "Q2\\Q3", "q1"]),
    SEX: st.sampled_from(["M", "F", "M\\F"]),
    DATE: st.sampled_from(["20260315", "20260201-20260601", "-20260415", "20260315\\20260415"]),
    TIME: st.sampled_from(["0800", "12-13", "-0900"]),
    ACCESSION: st.sampled_from(["a", "A", "a\\b", "?"]),
    DESCRIPTION: st.sampled_from(["CHEST", "*e*", "CHEST\\Head", "head"]),
    MODALITIES: st.sampled_from(["CT", "CT\\MR", "M?", "XA"]),
    MODALITY: st.sampled_from(["CT", "CT\\MR", "M?"]),
    NUMBER: st.sampled_from(["1", "2", "1\\3"]),
    STUDY: st.sampled_from([uid(1), uid(2) + "\\" + uid(3), "9.9"]),
    SERIES: st.sampled_from([uid(1, 1), uid(2, 1) + "\\" + uid(3, 1)]),
}


@st.composite
def queries(draw: st.DrawFn) -> Query:
    level = draw(st.sampled_from(Level))
    allowed = [path for path in VALUES if _above(path, level)]
    if level is Level.PATIENT:
        allowed = [NAME, ID, SEX]
    chosen = draw(st.sets(st.sampled_from(allowed), max_size=3))
    if {DATE, TIME} <= chosen:
        chosen -= {TIME}  # two ranges that may be meant as one are given the benefit of the doubt
    match = {path: draw(VALUES[path]) for path in sorted(chosen)}
    include = draw(st.sets(st.sampled_from(allowed), max_size=3))
    return Query(level, match, frozenset(include - chosen))


@st.composite
def cripples(draw: st.DrawFn) -> dict[str, Any]:
    ignored = draw(st.sets(st.sampled_from(sorted(VALUES)), max_size=4)) - {SERIES}
    levels = frozenset(Level) - draw(st.sampled_from([frozenset(), {Level.PATIENT}]))
    return {
        "relational": draw(st.booleans()),
        "strict": draw(st.booleans()),
        "twice": draw(st.booleans()),
        "levels": levels,
        "ignores": frozenset(f"{path[0]:08X}" for path in ignored),
        "omits": frozenset({"00080061"}) if draw(st.booleans()) else frozenset(),
    }


@given(queries(), cripples())
def test_no_query_shows_what_the_far_side_cannot_do(query: Query, switches: dict[str, Any]) -> None:
    async def compare() -> None:
        far = crippled(**switches)
        mine = shown(query, await found(Adapted(far, 1000), query))
        whole = shown(query, await found(memory(), query))
        if switches["omits"]:
            mine, whole = ([{**each, "00080061": {}} for each in some] for some in (mine, whole))
        assert mine == whole
        assert far.open == 0
        assert far.most <= 1

    asyncio.run(compare())


async def test_a_question_that_can_be_answered_is_asked_as_it_is() -> None:
    far = await same(Query(Level.SERIES, {STUDY: uid(2)}), **HIERARCHICAL)
    assert len(far.asked) == 1
    far = await same(Query(Level.IMAGE, {NAME: "doe*"}))
    assert len(far.asked) == 1


async def test_keys_are_put_at_their_levels() -> None:
    far = await same(Query(Level.SERIES, {NAME: "doe*", MODALITY: "CT"}), **HIERARCHICAL)
    first, second, *_ = far.asked
    assert (first.level, dict(first.match)) == (Level.STUDY, {NAME: "doe*"})
    assert (second.level, set(second.match)) == (Level.SERIES, {STUDY, MODALITY})


async def test_pages_of_a_walk_are_parts_of_the_whole() -> None:
    finds = adapted(**HIERARCHICAL)
    whole = await found(finds, Query(Level.IMAGE, {MODALITY: "CT\\MR"}))
    pages = [
        each
        for offset in range(0, len(whole) + 4, 4)
        for each in await found(
            finds, Query(Level.IMAGE, {MODALITY: "CT\\MR"}, limit=4, offset=offset)
        )
    ]
    assert pages == whole


async def test_the_far_side_is_left_once_enough_has_come() -> None:
    far = crippled()
    assert len(await found(Adapted(far, 1000), Query(Level.STUDY, limit=2, offset=1))) == 2
    assert (far.answered, far.open) == (3, 0)
    far = crippled(**HIERARCHICAL)
    assert len(await found(Adapted(far, 1000), Query(Level.SERIES, limit=2))) == 2
    assert far.open == 0
    assert await found(Adapted(far, 1000), Query(Level.SERIES, limit=0)) == []


async def test_too_long_a_walk_is_refused_before_it_begins() -> None:
    far = crippled(**HIERARCHICAL)
    with pytest.raises(TooLarge, match=r"more than 11 studies .* walk_limit"):
        await found(Adapted(far, 11), Query(Level.SERIES))
    assert len(far.asked) == 1
    with pytest.raises(TooLarge, match="more than 20 series"):
        await found(Adapted(far, 20), Query(Level.IMAGE))
    with pytest.raises(TooLarge, match="more than 11 studies"):
        await found(adapted(11, **NO_PATIENTS), Query(Level.PATIENT))
    with pytest.raises(TooLarge, match="more than 7 studies"):
        await found(
            adapted(7, omits=frozenset({"00080061"})), Query(Level.STUDY, {MODALITIES: "*T"})
        )


async def test_a_page_that_is_served_in_time_is_not_too_long() -> None:
    finds = adapted(3, **HIERARCHICAL)
    assert len(await found(finds, Query(Level.SERIES, limit=3))) == 3
    with pytest.raises(TooLarge):
        await found(finds, Query(Level.SERIES, limit=20))


async def test_an_answer_that_does_not_tell_is_kept_and_told_of() -> None:
    query = Query(Level.STUDY, {DESCRIPTION: "CHEST"})
    far = {"ignores": frozenset({"00081030"}), "omits": frozenset({"00081030"})}
    text = "The far side did not say StudyDescription: it may not have been matched."
    assert await warned(adapted(**far), query) == (12, [text], {DESCRIPTION})
    assert await warned(adapted(**HIERARCHICAL, **far), Query(Level.SERIES, query.match)) == (
        24,
        [text],
        {DESCRIPTION},
    )


async def test_an_empty_value_contradicts_unless_the_far_side_says_that_it_ignored_a_key() -> None:
    query = Query(Level.STUDY, {DESCRIPTION: "CHEST"})
    far = {"ignores": frozenset({"00081030"}), "empties": frozenset({"00081030"})}
    assert await warned(adapted(**far), query) == (0, [], set())
    count, warnings, _ = await warned(adapted(**far, says_ignored=True), query)
    assert count == 12
    assert len(warnings) == 1


async def test_names_that_match_fuzzily_are_left_to_the_far_side() -> None:
    query = Query(Level.STUDY, {NAME: "jane doe"}, fuzzy=True)
    far = crippled()
    assert len(await found(Adapted(far, 1000), query)) == 3
    assert far.asked[0].fuzzy
    for switches in ({}, HIERARCHICAL):
        finds = adapted(fuzzy=False, **switches)
        for level in (Level.STUDY, Level.SERIES):
            names = Query(level, {NAME: "doe*"}, fuzzy=True)
            assert (await warned(finds, names))[1] == [LITERAL]


async def test_modalities_that_are_not_told_are_looked_up() -> None:
    far = await same_but_modalities("CT", omits=frozenset({"00080061"}))
    assert [each.level for each in far.asked].count(Level.SERIES) > 0
    far = await same_but_modalities(
        "CT\\US", empties=frozenset({"00080061"}), ignores=frozenset({"00080061"})
    )
    assert [each.level for each in far.asked].count(Level.SERIES) == 12


async def same_but_modalities(value: str, **switches: Any) -> Crippled:
    far = crippled(**switches)
    query = Query(Level.STUDY, {MODALITIES: value})
    mine = await found(Adapted(far, 1000), query)
    whole = await found(memory(), query)
    uids = [{each["0020000D"]["Value"][0] for each in some} for some in (mine, whole)]
    assert uids[0] == uids[1]
    assert all(each["00080061"]["Value"] for each in mine)
    return far


async def test_a_list_too_long_to_be_split_is_filtered_here() -> None:
    dates = "\\".join(f"2026{month:02}15" for month in range(1, 9))
    far = await same(Query(Level.STUDY, {DATE: dates, ACCESSION: "a\\b\\A"}))
    assert len(far.asked) == 3
    assert all(DATE in each.include for each in far.asked)


async def test_what_came_is_given_before_the_error() -> None:
    count, error = await until_it_fails(adapted(ends_after=3), Query(Level.STUDY))
    assert (count, type(error)) == (3, OutOfResources)
    finds = adapted(ends_after=1, **HIERARCHICAL)
    count, error = await until_it_fails(finds, Query(Level.SERIES, {STUDY: uid(2), NAME: "*"}))
    assert (count, type(error)) == (1, OutOfResources)
    finds = adapted(ends_after=2)
    count, error = await until_it_fails(finds, Query(Level.STUDY, {ACCESSION: "a\\b"}))
    assert (count, type(error)) == (2, OutOfResources)


async def test_answers_without_their_unique_key_are_left_out() -> None:
    count, warnings, _ = await warned(adapted(omits=frozenset({"0020000D"})), Query(Level.STUDY))
    assert (count, warnings) == (0, ["An answer without StudyInstanceUID was left out."])


async def test_a_level_that_nobody_can_ask_at_is_not_offered() -> None:
    with pytest.raises(NotOffered):
        await found(adapted(levels=frozenset({Level.STUDY})), Query(Level.IMAGE))
    with pytest.raises(NotOffered):
        await found(adapted(levels=frozenset({Level.SERIES})), Query(Level.PATIENT))
    far = adapted(relational=False, levels=frozenset({Level.SERIES}))
    with pytest.raises(NotOffered):
        await found(far, Query(Level.SERIES))


async def test_a_refusal_across_levels_is_remembered() -> None:
    far = crippled(refuses=frozenset({Level.SERIES}))
    finds = Adapted(far, 1000)
    assert len(await found(finds, Query(Level.SERIES))) == 24
    assert far.asked[0].level is Level.SERIES
    far.asked.clear()
    assert len(await found(finds, Query(Level.SERIES))) == 24
    assert far.asked[0].level is Level.STUDY


async def leave_with_an_error(finds: Finds) -> None:
    async with finds.find(Query(Level.SERIES)) as matches:
        await anext(matches)
        raise ValueError("mine")


async def test_who_leaves_in_the_middle_leaves_nothing_open() -> None:
    for switches in ({}, HIERARCHICAL):
        far = crippled(**switches)
        async with Adapted(far, 1000).find(Query(Level.SERIES)) as matches:
            await anext(matches)
            assert far.open <= 1
        assert far.open == 0
        with pytest.raises(ValueError, match="mine"):
            await leave_with_an_error(Adapted(far, 1000))
        assert far.open == 0


async def test_a_generator_that_is_closed_in_the_middle_leaves_nothing_open() -> None:
    far = crippled(**HIERARCHICAL)

    async def names() -> AsyncGenerator[str, None]:
        async with Adapted(far, 1000).find(Query(Level.SERIES)) as matches:
            async for each in matches:
                yield str(each)

    given = names()
    await anext(given)
    await given.aclose()
    assert far.open == 0


async def test_two_ranges_that_may_be_one_are_given_the_benefit_of_the_doubt() -> None:
    query = Query(Level.STUDY, {DATE: "20260214-20260416", TIME: "0900-0830"})
    ignores = frozenset({"00080020", "00080030"})
    dates = [each["00080020"]["Value"][0] for each in await found(adapted(ignores=ignores), query)]
    assert dates == ["20260215", "20260315", "20260415"]


async def test_answers_that_cannot_be_read_are_told_of() -> None:
    for switches in ({}, HIERARCHICAL):
        finds = adapted(unreadable=2, **switches)
        _, warnings, _ = await warned(finds, Query(Level.SERIES))
        assert warnings == ["2 of the far side's answers could not be read."]
