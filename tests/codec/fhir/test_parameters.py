import pytest

from hilum.codec.fhir.parameters import Kind, Offer, Offers, Search, parse, plain, split
from hilum.model.errors import BadQuery

OFFERS = Offers(
    "Thing",
    {
        "code": Offer(Kind.TOKEN, sorts=True),
        "when": Offer(Kind.DATE, sorts=True),
        "owner": Offer(Kind.REFERENCE, "Person", {"name": Offer(Kind.STRING)}),
    },
    include=frozenset(("Thing:owner",)),
)


def said(*pairs: tuple[str, str], strict: bool = True) -> Search:
    return parse(pairs, OFFERS, strict=strict)


def test_names_modifiers_chains_and_lists() -> None:
    search = said(
        ("code:not", "a,b\\,c"),
        ("owner.name:exact", "X"),
        ("owner:Person.name", "Y"),
        ("when", "2"),
    )
    told = [(each.name, each.modifier, each.values) for each in search.conditions]
    assert told == [
        ("code", "not", ("a", "b\\,c")),
        ("owner.name", "exact", ("X",)),
        ("owner.name", "", ("Y",)),
        ("when", "", ("2",)),
    ]


def test_what_is_said_of_the_answer() -> None:
    search = said(
        *(("_count", "7"), ("_sort", "-when,code"), ("_total", "accurate"), ("_summary", "true")),
        *(("_elements", "id, series.uid"), ("_include", "Thing:owner"), ("_cursor", "o7")),
        *(("_format", "json"), ("_pretty", "true")),
    )
    assert (search.count, search.total, search.summary) == (7, "accurate", "true")
    assert search.sort == [("when", True), ("code", False)]
    assert (search.elements, search.include) == (("id", "series.uid"), ["Thing:owner"])
    assert search.cursor == "o7"
    assert "_cursor" not in dict(search.used)
    assert said(("_include", "*")).include == ["Thing:owner"]
    assert said(("_include", "Thing:*")).include == ["Thing:owner"]


@pytest.mark.parametrize(
    "pair",
    [
        *(("nonesuch", "1"), ("owner.nonesuch", "1"), ("owner:Other.name", "x"), ("code", " ")),
        *(("_sort", "owner"), ("_include", "Thing:code"), ("_revinclude", "*"), ("_has", "x")),
    ],
)
def test_what_is_not_known_is_told_or_refused(pair: tuple[str, str]) -> None:
    search = said(pair, ("code", "x"), strict=False)
    assert len(search.problems) == 1
    assert search.used == [("code", "x")]
    with pytest.raises(BadQuery, match=r"^(?!.*left out)"):
        said(pair)


@pytest.mark.parametrize(
    "pair",
    [
        *(("code:exact", "x"), ("when:not", "x"), ("owner:Other", "x"), ("_count", "-1")),
        *(("_total", "some"), ("_summary", "x"), ("_elements", "1;"), ("code", ",")),
        *(("code", ",".join("x" * 501)), ("_include:all", "Thing:owner")),
    ],
)
@pytest.mark.parametrize("strict", [True, False])
def test_what_is_wrong_is_always_refused(pair: tuple[str, str], *, strict: bool) -> None:
    with pytest.raises(BadQuery):
        said(pair, strict=strict)


def test_there_are_not_too_many_parameters() -> None:
    with pytest.raises(BadQuery):
        said(*([("code", "x")] * 51), strict=False)


def test_a_separator_may_be_escaped() -> None:
    assert split(r"a\|b|c\\|d", "|") == [r"a\|b", r"c\\", "d"]
    assert plain(r"a\|b\,\$\\") == "a|b,$\\"
