from datetime import date, timedelta

import pytest

from hilum.codec.fhir.parameters import Condition, Kind, Offer
from hilum.core.fhir.holds import Token, checked, span
from hilum.model.errors import BadQuery


def holds(kind: Kind, value: str, *found: object, modifier: str = "") -> bool:
    condition = Condition("x", Offer(kind), modifier, tuple(value.split(",")))
    return checked(condition)(found)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        *(("a", True), ("A", True), ("s|a", True), ("s|", True), ("t|a", False), ("|a", False)),
        *(("b", False), ("b,s|a", True)),
    ],
)
def test_tokens(value: str, *, found: bool) -> None:
    assert holds(Kind.TOKEN, value, Token("s", "a")) is found
    assert holds(Kind.TOKEN, value, Token("s", "a"), modifier="not") is not found


def test_a_token_without_a_system() -> None:
    assert holds(Kind.TOKEN, "|a", Token("", "a"))
    assert holds(Kind.TOKEN, "a", modifier="not")


@pytest.mark.parametrize(
    ("wish", "found", "which"),
    [  # which prefixes hold
        ("2020", "2020-05-05", "eq ge le ap"),
        ("2020-05-05", "2020-05-05", "eq ge le ap"),
        ("2020-05-05", "2020-05-05T10:00:00Z", "eq ge le ap"),
        ("2020-05-05T10:00:00Z", "2020-05-05", "ne gt lt ge le ap"),
        ("2020-05-05", "2020-05-06", "ne gt ge sa ap"),
        ("2020-05-05", "2020-05-04", "ne lt le eb ap"),
        ("2020-05-05", "1920-05-04", "ne lt le eb"),
        ("2020-05-05T10:00:00Z", "2020-05-05T12:00:00+02:00", "eq ge le ap"),
        ("2020-05-05T10:00Z", "2020-05-05T12:00:30+02:00", "eq ge le ap"),
        ("2020-05-05T10:00:00", "2020-05-05T10:00:00+02:00", "eq ge le ap"),
        ("2020-05-05T10:00:00.5Z", "2020-05-05T10:00:00.6Z", "ne gt ge sa ap"),
        ("2020-02", "2020-02-29", "eq ge le ap"),
    ],
)
def test_dates(wish: str, found: str, which: str) -> None:
    there = span(found)
    prefixes = ("eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap")
    told = [each for each in prefixes if holds(Kind.DATE, each + wish, there)]
    assert told == which.split()
    assert holds(Kind.DATE, wish, there) is ("eq" in told)


def test_about_is_a_tenth_of_the_time_since() -> None:
    today = date.today()  # noqa: DTZ011 - to the day is enough
    wish = today - timedelta(days=100)
    for days, found in ((5, True), (9, True), (20, False)):
        there = span((wish - timedelta(days=days)).isoformat())
        assert holds(Kind.DATE, f"ap{wish}", there) is found


@pytest.mark.parametrize(
    ("value", "modifier", "found"),
    [
        *(("mül", "", True), ("MUL", "", True), ("ller", "", False), ("ller", "contains", True)),
        *(("Müller", "exact", True), ("müller", "exact", False), ("Mül", "exact", False)),
    ],
)
def test_texts(value: str, modifier: str, *, found: bool) -> None:
    assert holds(Kind.STRING, value, "Müller", modifier=modifier) is found


def test_what_is_missing() -> None:
    for kind in Kind:
        assert holds(kind, "true", modifier="missing")
        assert not holds(kind, "false", modifier="missing")
        assert holds(kind, "false", "x", modifier="missing")


@pytest.mark.parametrize(
    ("kind", "value", "modifier"),
    [
        *((Kind.TOKEN, "a|b|c", ""), (Kind.TOKEN, "|", ""), (Kind.TOKEN, "a|b", "of-type")),
        *((Kind.DATE, "x", ""), (Kind.DATE, "2020-13", ""), (Kind.DATE, "xx2020", "")),
        *((Kind.DATE, "2020-02-30", ""), (Kind.DATE, "2020-01-01T10", "")),
        (Kind.STRING, "perhaps", "missing"),
    ],
)
def test_what_is_malformed_is_refused(kind: Kind, value: str, modifier: str) -> None:
    with pytest.raises(BadQuery):
        holds(kind, value, modifier=modifier)
