"""Whether what a resource says holds what a search asks for (R4 §3.1.1.4)."""

import re
from calendar import monthrange
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

from hilum.codec.fhir.parameters import Condition, Kind, plain, split
from hilum.core.names import folded
from hilum.model.errors import BadQuery

_MOMENT = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?"
    r"(Z|[+-]\d\d:\d\d)?)?)?)?"
)
_AP: Final = 0.1  # of the time until now, which `ap` is off at most


@dataclass(frozen=True, slots=True)
class Token:
    """A code, or an identifier, and its system.

    Attributes:
        system: "" where it has none; of a wish None: any.
        value: of a wish "": any.
    """

    system: str | None
    value: str


@dataclass(frozen=True, slots=True)
class Span:
    """All moments from the first to the last of a date or time.

    Attributes:
        low, high: by the clock that it was written by.
        offset: of that clock from UTC; None: nobody says.
    """

    low: datetime
    high: datetime
    offset: timedelta | None


@dataclass(frozen=True, slots=True)
class Date:
    """A date or time that is asked for, and how."""

    prefix: str
    span: Span


def tokens(condition: Condition) -> list[Token]:
    """What a token parameter asks for.

    Raises:
        BadQuery: it is none.
    """
    return [_token(each, of_type=condition.modifier == "of-type") for each in condition.values]


def _token(value: str, *, of_type: bool) -> Token:
    parts = [plain(each).strip() for each in split(value, "|")]
    if of_type:
        if len(parts) != 3 or not all(parts):  # noqa: PLR2004 - system|code|value
            raise BadQuery("an identifier of a type is asked for as system|code|value")
        return Token("|".join(parts[:2]), parts[2])
    if len(parts) > 2 or not any(parts):  # noqa: PLR2004 - system and code
        raise BadQuery("a token is system|code")
    return Token(None, parts[0]) if len(parts) == 1 else Token(parts[0], parts[1])


def token_holds(wish: Token, found: Token) -> bool:
    """Whether that is what was asked for; case does not count."""
    if wish.system is not None and wish.system != found.system:
        return False
    return not wish.value or wish.value.casefold() == found.value.casefold()


def dates(condition: Condition) -> list[Date]:
    """What a date parameter asks for.

    Raises:
        BadQuery: it is none.
    """
    return [_date(plain(each).strip()) for each in condition.values]


def _date(value: str) -> Date:
    prefix = value[:2] if value[:2] in _COMPARED else ""
    found = span(value.removeprefix(prefix).replace(" ", "+"))
    if found is None:
        raise BadQuery("not a date or time")
    return Date(prefix or "eq", found)


def span(text: str) -> Span | None:
    """A date or dateTime of FHIR, or None where it is none."""
    found = _MOMENT.fullmatch(text)
    if found is None:
        return None
    year, month, day, hour, minute, second = (
        None if each is None else int(each) for each in found.groups()[:6]
    )
    second = 59 if second == 60 else second  # noqa: PLR2004 - a leap second
    try:
        first = datetime(year or 0, month or 1, day or 1, hour or 0, minute or 0, second or 0)  # noqa: DTZ001 - the offset stays beside it
        if found[7]:
            first = first.replace(microsecond=int(f"{found[7]:0<6}"[:6]))
        last = _last(first, found.groups())
        return Span(first, last, _offset(found[8]))
    except (ValueError, OverflowError):
        return None


def _last(first: datetime, parts: Sequence[str | None]) -> datetime:
    """The last microsecond of what begins at `first` and was given by those parts."""
    _, month, day, hour, _, second, fraction = parts[:7]
    if hour is not None:
        if fraction is not None:
            return first.replace(microsecond=int(f"{fraction:9<6}"[:6]))
        rest = timedelta(seconds=1) if second is not None else timedelta(minutes=1)
        return first + (rest - timedelta(microseconds=1))
    last = first.replace(hour=23, minute=59, second=59, microsecond=999999)
    if day is None:
        last = last.replace(month=last.month if month else 12)
        last = last.replace(day=monthrange(last.year, last.month)[1])
    return last


def _offset(text: str | None) -> timedelta | None:
    if text is None:
        return None
    if text == "Z":
        return timedelta()
    length = timedelta(hours=int(text[1:3]), minutes=int(text[4:6]))
    timezone(length)  # raises ValueError beyond a day
    return -length if text[0] == "-" else length


def date_holds(wish: Date, found: Span) -> bool:
    """Whether a date is as it was asked for; where one says no zone, clocks are compared."""
    low, high = wish.span.low, wish.span.high
    if wish.prefix == "ap":
        low, high = around(wish.span)
    if wish.span.offset is not None and found.offset is not None:
        try:
            low, high = (each - wish.span.offset + found.offset for each in (low, high))
        except OverflowError:
            return wish.prefix == "ne"
    return _COMPARED[wish.prefix](low, high, found.low, found.high)


_Compares = Callable[[datetime, datetime, datetime, datetime], bool]


def _equal(low: datetime, high: datetime, first: datetime, last: datetime) -> bool:
    return low <= first and last <= high


_COMPARED: Final[
    Mapping[str, _Compares]
] = {  # by both ends of what is asked for, and what is found
    "eq": _equal,
    "ne": lambda *ends: not _equal(*ends),
    "gt": lambda _low, high, _first, last: last > high,
    "lt": lambda low, _high, first, _last: first < low,
    "ge": lambda *ends: ends[3] > ends[1] or _equal(*ends),
    "le": lambda *ends: ends[2] < ends[0] or _equal(*ends),
    "sa": lambda _low, high, first, _last: first > high,
    "eb": lambda low, _high, _first, last: last < low,
    "ap": lambda low, high, first, last: low <= last and first <= high,
}


def around(when: Span) -> tuple[datetime, datetime]:
    """Both ends of what is about then: a tenth of the time from then to now, to each side."""
    now = datetime.now(UTC).replace(tzinfo=None)
    off = max(abs(now - when.low), abs(now - when.high)) * _AP
    try:
        return when.low - off, when.high + off
    except OverflowError:
        return datetime.min, datetime.max  # noqa: DTZ901 - as above


def string_holds(wish: str, found: str, modifier: str) -> bool:
    """Whether a text is as it was asked for: it begins so, without case and accents."""
    match modifier:
        case "exact":
            return found == wish
        case "contains":
            return folded(wish) in folded(found)
    return folded(found).startswith(folded(wish))


def checked(condition: Condition) -> Callable[[Iterable[object]], bool]:
    """What says whether the values of a resource hold a condition.

    The values are `Token`s, `Span`s or texts, by the kind of the parameter; those of a reference
    are texts: `Patient/1`.

    Raises:
        BadQuery: the condition is malformed.
    """
    modifier = condition.modifier
    if modifier == "missing":
        wanted = _is_true(condition)
        return lambda found: wanted is not any(True for _ in found)
    if condition.offer.kind is Kind.TOKEN or modifier == "identifier":
        wishes, is_not = tokens(condition), modifier == "not"
        return lambda found: _any(wishes, found, token_holds) is not is_not
    if condition.offer.kind is Kind.DATE:
        days = dates(condition)
        return lambda found: _any(days, found, date_holds)
    texts = [plain(each) for each in condition.values]
    if condition.offer.kind in {Kind.REFERENCE, Kind.URI}:
        return lambda found: any(each in texts for each in found)
    return lambda found: _any(texts, found, lambda wish, each: string_holds(wish, each, modifier))


def _is_true(condition: Condition) -> bool:
    if condition.values not in {("true",), ("false",)}:
        raise BadQuery(":missing is true or false")
    return condition.values == ("true",)


def _any(wishes: Sequence[object], found: Iterable[object], holds: Callable[..., bool]) -> bool:
    return any(holds(wish, each) for each in found for wish in wishes)
