"""What does the query of a FHIR search say? Read by a table of what can be asked (R4 search)."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from hilum.model.errors import BadQuery

_RESULT: Final = frozenset(
    ("_count", "_sort", "_total", "_include", "_revinclude", "_elements", "_summary")
)
_FORMAT: Final = frozenset(("_format", "_pretty"))
CURSOR: Final = "_cursor"
"""Where a page begins; our own, and not for clients to make."""
_TOTALS: Final = ("none", "estimate", "accurate")
_SUMMARIES: Final = ("true", "text", "data", "count", "false")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_MOST_VALUES: Final = 500  # in one list
_MOST_PARAMETERS: Final = 50
_LEFT_OUT: Final = ", and is left out"


class Kind(Enum):
    """Types of search parameters (R4 §3.1.1.4)."""

    TOKEN = "token"  # noqa: S105 - a word, no secret
    STRING = "string"
    DATE = "date"
    REFERENCE = "reference"
    URI = "uri"


_MODIFIERS: Final = {
    Kind.TOKEN: {"", "not", "missing"},
    Kind.STRING: {"", "exact", "contains", "missing"},
    Kind.DATE: {"", "missing"},
    Kind.REFERENCE: {"", "identifier", "missing"},
    Kind.URI: {"", "missing"},
}


@dataclass(frozen=True, slots=True)
class Offer:
    """One parameter that can be asked for.

    Attributes:
        kind: of its values.
        target: the type that a reference leads to.
        chained: what can be asked of that.
        modifiers: that can be asked with; None: all of its kind.
        sorts: whether the answers can be put in the order of its values.
    """

    kind: Kind
    target: str = ""
    chained: Mapping[str, "Offer"] = field(default_factory=dict)
    modifiers: frozenset[str] | None = None
    sorts: bool = False


@dataclass(frozen=True, slots=True)
class Condition:
    r"""One parameter and what it asks for.

    Attributes:
        name: of the parameter, `patient.name` where it is chained.
        values: of which one must hold; escapes (`\\,`) are still in them.
    """

    name: str
    offer: Offer
    modifier: str
    values: tuple[str, ...]


@dataclass(slots=True)
class Search:
    """All that a search asks for.

    Attributes:
        count: resources in a page; None: nobody says.
        sort: parameters, and whether each goes down.
        total: `none`, `estimate`, `accurate`, or "".
        include, revinclude: `Type:parameter`.
        elements: names of elements; empty: all.
        summary: `true`, `text`, `data`, `count`, `false`, or "".
        cursor: where the page begins.
        problems: of what is not honoured, for people to read.
        used: the query as it was understood, for the links.
    """

    conditions: list[Condition] = field(default_factory=list)
    count: int | None = None
    sort: list[tuple[str, bool]] = field(default_factory=list)
    total: str = ""
    include: list[str] = field(default_factory=list)
    revinclude: list[str] = field(default_factory=list)
    elements: tuple[str, ...] = ()
    summary: str = ""
    cursor: str = ""
    problems: list[str] = field(default_factory=list)
    used: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Offers:
    """What can be asked of one type.

    Attributes:
        type: of the resources.
        parameters: by name.
        include, revinclude: what can be given with them.
        is_written: clients create, update and delete them.
    """

    type: str
    parameters: Mapping[str, Offer]
    include: frozenset[str] = frozenset()
    revinclude: frozenset[str] = frozenset()
    is_written: bool = False


def parse(pairs: Iterable[tuple[str, str]], offers: Offers, *, strict: bool) -> Search:
    """Read a search.

    Args:
        pairs: names and values, decoded.
        offers: what can be asked.
        strict: what cannot be honoured is an error, else it is left out and told.

    Raises:
        BadQuery: a value is malformed; a modifier is not supported; or, strictly, anything.
    """
    search = Search()
    for number, (key, value) in enumerate(pairs):
        if number == _MOST_PARAMETERS:
            raise BadQuery(f"more than {_MOST_PARAMETERS} parameters")
        if key in _FORMAT:
            continue
        problem = _read(search, offers, key, value)
        if problem and strict:
            raise BadQuery(problem.removesuffix(_LEFT_OUT))
        if problem:
            search.problems.append(problem)
        elif key != CURSOR:
            search.used.append((key, value))
    return search


def _read(search: Search, offers: Offers, key: str, value: str) -> str:
    """Take one parameter; gives why it is not honoured, or ""."""
    if key == CURSOR:
        search.cursor = value
        return ""
    name, _, modifier = key.partition(":")
    if name in _RESULT:
        return _result(search, offers, name, modifier, value)
    if not value.strip():
        return f"{_shown(key)} has no value{_LEFT_OUT}"
    condition = _condition(offers.parameters, key)
    if condition is None:
        return f"{_shown(key)} cannot be searched by{_LEFT_OUT}"
    full, offer, modifier = condition
    search.conditions.append(Condition(full, offer, modifier, _values(value)))
    return ""


def _shown(key: str) -> str:
    """A name from outside, as far as it can be one."""
    found = re.fullmatch(r"[A-Za-z0-9_.:-]{1,64}", key)
    return key if found else "a parameter"


def _condition(parameters: Mapping[str, Offer], key: str) -> tuple[str, Offer, str] | None:
    """Name, offer and modifier of a parameter, chained or not; None: there is none of that name.

    Raises:
        BadQuery: the modifier is not supported, which FHIR wants refused in any case.
    """
    first, dot, chain = key.partition(".")
    name, _, modifier = first.partition(":")
    offer = parameters.get(name)
    if offer is None:
        return None
    if dot:
        if modifier not in {"", offer.target}:
            return None
        below = _condition(offer.chained, chain)
        return None if below is None else (f"{name}.{below[0]}", *below[1:])
    if offer.kind is Kind.REFERENCE and modifier and modifier == offer.target:
        modifier = ""
    allowed = _MODIFIERS[offer.kind] if offer.modifiers is None else offer.modifiers
    if modifier not in allowed:
        raise BadQuery(f"{name} cannot be asked with that modifier")
    return name, offer, modifier


def _values(value: str) -> tuple[str, ...]:
    found = tuple(each for each in split(value, ",") if each.strip())
    if len(found) > _MOST_VALUES:
        raise BadQuery(f"more than {_MOST_VALUES} values in one list")
    if not found:
        raise BadQuery("a list of values is empty")
    return found


def split(value: str, separator: str) -> list[str]:
    r"""The parts of a value; a separator behind a backslash is none."""
    return [*_split(value, separator)]


def _split(value: str, separator: str) -> Iterator[str]:
    gathered, escaped = "", False
    for each in value:
        if each == separator and not escaped:
            yield gathered
            gathered = ""
            continue
        gathered += each
        escaped = each == "\\" and not escaped
    yield gathered


def plain(value: str) -> str:
    r"""A value without its escapes: `\,`, `\|`, `\$`, `\\`."""
    return re.sub(r"\\([,|$\\])", r"\1", value)


# What is said of the answer


def _result(search: Search, offers: Offers, name: str, modifier: str, value: str) -> str:
    match name:
        case "_count":
            if not value.isdecimal() or not value.isascii():
                raise BadQuery("_count is no whole number")
            search.count = min(int(value[:9]), 10**9)
        case "_total":
            search.total = _one_of(name, value, _TOTALS)
        case "_summary":
            search.summary = _one_of(name, value, _SUMMARIES)
        case "_elements":
            search.elements = tuple(filter(None, (each.strip() for each in value.split(","))))
            if not all(_NAME.fullmatch(each.split(".")[0]) for each in search.elements):
                raise BadQuery("_elements names no elements")
        case "_sort":
            return _sort(search, offers, value)
        case "_include" | "_revinclude":
            if modifier not in {"", "iterate", "recurse"}:
                raise BadQuery(f"{name} cannot be asked with that modifier")
            return _include(search, offers, name, value)
    return ""


def _one_of(name: str, value: str, known: Collection[str]) -> str:
    if value not in known:
        raise BadQuery(f"{name} is one of {', '.join(known)}")
    return value


def _sort(search: Search, offers: Offers, value: str) -> str:
    for each in filter(None, (part.strip() for part in value.split(","))):
        name = each.removeprefix("-")
        offer = offers.parameters.get(name)
        if offer is None or not offer.sorts:
            return f"the answers cannot be sorted by {_shown(name)}"
        search.sort.append((name, each.startswith("-")))
    return ""


def _include(search: Search, offers: Offers, name: str, value: str) -> str:
    known = offers.include if name == "_include" else offers.revinclude
    into = search.include if name == "_include" else search.revinclude
    wanted = ":".join(value.split(":")[:2])
    kind = wanted.removesuffix("*") if wanted.endswith(":*") else ""
    is_any = value == "*"
    found = [each for each in known if is_any or each == wanted or (kind and each.startswith(kind))]
    if not found:
        return f"{name} of {_shown(value)} cannot be given"
    into += [each for each in found if each not in into]
    return ""
