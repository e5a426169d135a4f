from urllib.parse import parse_qsl

import pytest
from tests.contract.made import uid

from hilum.backends.dicomweb.resources import MAX_URL, is_whole, loosened, of_ref, searches
from hilum.model.errors import NotOffered
from hilum.model.identity import Level, Ref
from hilum.model.query import Path, Query

STUDY, SERIES, INSTANCE = (0x0020000D,), (0x0020000E,), (0x00080018,)
NAME: Path = (0x00100010,)


@pytest.mark.parametrize(
    ("level", "match", "resource", "relational"),
    [
        (Level.STUDY, {}, "/studies", False),
        (Level.STUDY, {STUDY: "1.2"}, "/studies", False),
        (Level.SERIES, {STUDY: "1.2"}, "/studies/1.2/series", False),
        (Level.SERIES, {}, "/series", True),
        (Level.SERIES, {STUDY: "1.2\\1.3"}, "/series", True),
        (Level.SERIES, {STUDY: "1.2", SERIES: "1.2.3"}, "/studies/1.2/series", False),
        (Level.IMAGE, {STUDY: "1.2", SERIES: "3"}, "/studies/1.2/series/3/instances", False),
        (Level.IMAGE, {STUDY: "1.2"}, "/studies/1.2/instances", True),
        (Level.IMAGE, {STUDY: "1.2", SERIES: "3\\4"}, "/studies/1.2/instances", True),
        (Level.IMAGE, {SERIES: "3"}, "/instances", True),
        (Level.IMAGE, {INSTANCE: "5"}, "/instances", True),
        (Level.IMAGE, {STUDY: "*", SERIES: "3"}, "/instances", True),
    ],
)
def test_single_uids_of_the_levels_above_are_in_the_path(
    level: Level, match: dict[Path, str], resource: str, *, relational: bool
) -> None:
    (search,) = searches(Query(level, match))
    assert search.resource == resource
    assert search.relational is relational
    asked = dict(parse_qsl(search.query))
    settled = {f"{path[0]:08X}": value for path, value in match.items()} | asked
    assert set(settled) == {f"{path[0]:08X}" for path in match}
    assert set(search.within) == set(settled) - set(asked)


def test_keys_and_fields_are_parameters() -> None:
    query = Query(
        Level.STUDY,
        {NAME: "Müller^*", (0x00080020,): "20260101-", STUDY: "1.2\\1.3"},
        frozenset({(0x00080061,), (0x00400275, 0x00400007)}),
        limit=7,
        offset=3,
        fuzzy=True,
    )
    (search,) = searches(query)
    assert parse_qsl(search.query) == [
        ("00100010", "Müller^*"), ("00080020", "20260101-"), ("0020000D", "1.2,1.3"),
        ("includefield", "00080061"), ("includefield", "00400275.00400007"),
        ("fuzzymatching", "true"),
    ]  # fmt: skip
    assert search.page(5, 10).endswith("&limit=5&offset=10")
    assert searches(Query(Level.STUDY))[0].page(None, 0) == "/studies"
    assert searches(Query(Level.STUDY))[0].page(5, 0) == "/studies?limit=5"


def test_all_fields_stand_alone() -> None:
    (search,) = searches(Query(Level.STUDY, {}, frozenset({NAME}), include_all=True))
    assert search.query == "includefield=all"


def test_patients_are_not_offered() -> None:
    with pytest.raises(NotOffered):
        searches(Query(Level.PATIENT))


def test_a_list_of_uids_that_is_too_long_for_a_url_is_parted() -> None:
    uids = [uid(1, 1, number) for number in range(1, 2001)]
    found = searches(Query(Level.IMAGE, {INSTANCE: "\\".join(uids), NAME: "A*"}))
    assert len(found) > 1
    assert all(len(each.page(1000, 0)) < MAX_URL + 100 for each in found)
    parts = [dict(parse_qsl(each.query)) for each in found]
    assert [one for part in parts for one in part["00080018"].split(",")] == uids
    assert {part["00100010"] for part in parts} == {"A*"}


def test_a_long_key_that_is_no_list_stays_one_question() -> None:
    assert len(searches(Query(Level.STUDY, {NAME: "A" * 10_000}))) == 1


def test_what_stands_in_a_path_is_escaped() -> None:
    assert of_ref(Ref("1.2", "1.3", "1.4")) == "/studies/1.2/series/1.3/instances/1.4"
    assert of_ref(Ref("1.2")) == "/studies/1.2"
    assert of_ref(Ref("../x?y", "#")) == "/studies/..%2Fx%3Fy/series/%23"


def test_a_ref_is_whole_with_the_keys_of_its_resource() -> None:
    assert is_whole(Ref("1"))
    assert is_whole(Ref("1", "2"))
    assert is_whole(Ref("1", "2", "3"))
    assert not is_whole(Ref(None, "2"))
    assert not is_whole(Ref("1", None, "3"))
    assert not is_whole(Ref(patient="P"))


def test_what_a_url_escapes_becomes_a_wild_card_in_a_looser_question() -> None:
    query = Query(
        Level.STUDY, {NAME: "Mül ler^A*", (0x0020_0010,): "A B\\C", (0x0008_0020,): "2020-"}
    )
    loose = loosened(query)
    assert loose is not None
    assert loose.match == {NAME: "M*l*ler^A*", (0x0020_0010,): "A*B\\C", (0x0008_0020,): "2020-"}
    assert loosened(Query(Level.STUDY, {NAME: "DOE^JANE", STUDY: "1.2.3"})) is None


def test_a_looser_question_never_asks_for_everything() -> None:
    loose = loosened(Query(Level.STUDY, {NAME: "\u5c71\u7530^\u592a"}))
    assert loose is not None
    assert loose.match == {NAME: "??^?"}
