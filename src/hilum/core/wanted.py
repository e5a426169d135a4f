"""What the value of a matching key asks for (PS3.4 §C.2.2.2).

One form per kind of value representation; SQL is made from it in `match`, and `matches` holds
it against stored attributes.
"""

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final

from hilum.core import names
from hilum.model.errors import BadQuery

TEXTS: Final = frozenset({"AE", "AS", "CS", "LO", "LT", "SH", "ST", "UC", "UI", "UR", "UT"})
NUMBERS: Final = frozenset({"DS", "FD", "FL", "IS", "SL", "SS", "SV", "UL", "US", "UV"})
_SINGLE = frozenset({"LT", "ST", "UR", "UT"})  # a backslash is a character of theirs
_DATE = re.compile(r"(\d{4})[.-]?(\d\d)[.-]?(\d\d)")
_TIME = re.compile(r"(\d\d)(?::?(\d\d)(?::?(\d\d)(?:\.(\d{1,6}))?)?)?")
_MOMENT = re.compile(
    r"(\d{4}(?:\d\d(?:\d\d(?:\d\d(?:\d\d(?:\d\d(?:\.\d{1,6})?)?)?)?)?)?)([+-]\d{4})?"
)
_MOMENT_RANGE = re.compile(rf"(?P<low>{_MOMENT.pattern})?-(?P<high>{_MOMENT.pattern})?")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_TAG = re.compile(r"\(?([0-9A-Fa-f]{4}),?([0-9A-Fa-f]{4})\)?")
_MINUTES = 60  # in an hour
_UNITS = (timedelta(days=1), timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1))


Moment = tuple[datetime, int | None]
"""A DT without its offset from UTC, and the offset in minutes, None where it has none."""


@dataclass(frozen=True, slots=True)
class Texts:
    """Any of these; `*` and `?` are wild cards. Case counts."""

    patterns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Names:
    """Any of these person names, folded, each in one of two ways.

    Attributes:
        patterns: three groups, of which those that are not "" must match; or one text, which
            any group may match.
        fuzzy: words, each of which must begin some word of the name, in any order.
    """

    patterns: tuple[names.Groups | str, ...]
    fuzzy: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Spans:
    """Within any of these, ends included, "" being open. Ends compare as text."""

    ends: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Moments:
    """Within any of these spans of DT, ends included, None being open."""

    ends: tuple[tuple[Moment | None, Moment | None], ...]


@dataclass(frozen=True, slots=True)
class Numbers:
    """Equal to any of these."""

    values: tuple[float, ...]


Wanted = Texts | Names | Spans | Moments | Numbers


def is_universal(value: str, vr: str) -> bool:
    """Whether every entity matches, also one without the attribute (PS3.4 §C.2.2.2.3-4)."""
    return not value.strip("* \\\0^=" if vr == "PN" else "* \\\0")


@lru_cache(maxsize=1024)
def parse(vr: str, value: str, *, fuzzy: bool = False) -> Wanted:
    """What `value` asks of an attribute whose value representation is `vr`.

    Raises:
        BadQuery: the value is malformed, or the VR cannot be matched.
    """
    values = [value] if vr in _SINGLE else [part for part in value.split("\\") if part.strip()]
    values = [part.strip(" \0") for part in values]
    if vr in TEXTS:
        return Texts(tuple(values))
    if vr == "PN":
        literal = tuple(names.groups(part) if "=" in part else names.group(part) for part in values)
        words = tuple(found for part in values if (found := tuple(names.words(part))))
        return Names(literal, words if fuzzy else ())
    if vr in {"DA", "TM"}:
        return Spans(tuple(_span(vr, part) for part in values))
    if vr == "DT":
        return Moments(tuple(_moments(part) for part in values))
    if vr in NUMBERS:
        return Numbers(tuple(_number(part) for part in values))
    if vr == "AT":
        return Texts(tuple(_tag(part) for part in values))
    raise BadQuery(f"attributes of value representation {vr} cannot be matched")


def _span(vr: str, value: str) -> tuple[str, str]:
    """Both ends of a date or time, or of a range of them (PS3.4 §C.2.2.2.5)."""
    ends = date_ends if vr == "DA" else time_ends
    whole = ends(value)
    if whole is not None:
        return whole
    first, dash, last = (part.strip() for part in value.partition("-"))
    low, high = (ends(part) if part else ("", "") for part in (first, last))
    if not dash or low is None or high is None or not first + last:
        raise BadQuery(
            "not a date or range of dates" if vr == "DA" else "not a time or range of times"
        )
    return low[0], high[1]


def date_ends(text: str) -> tuple[str, str] | None:
    """A date (DA, also in the old form with dots) as both ends of its day, or None."""
    found = _DATE.fullmatch(text)
    return None if found is None else ("".join(found.groups()),) * 2


def time_ends(text: str) -> tuple[str, str] | None:
    """The first and last microsecond of a time (TM), which may be as short as its hour, or None."""
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    hour, minute, second, fraction = found.groups()
    low = f"{hour}{minute or '00'}{second or '00'}.{fraction or '':0<6}"
    high = f"{hour}{minute or '59'}{second or '59'}.{fraction or '':9<6}"
    return low, high


def moment(text: str, *, last: bool = False) -> Moment | None:
    """The first (or last) microsecond of a DT, which may be as short as its year, or None."""
    found = _MOMENT.fullmatch(text)
    if found is None:
        return None
    digits, _, fraction = found[1].partition(".")
    year, rest = int(digits[:4]), [int(digits[at : at + 2]) for at in range(4, len(digits), 2)]
    month, day, hour, minute, second = rest + [1] * (2 - len(rest)) + [0] * (5 - max(2, len(rest)))
    try:
        first = datetime(year, month, day, hour, minute, second)  # noqa: DTZ001 - the offset stays beside it
        micros = timedelta(microseconds=int(f"{fraction or '0':0<6}"))
        when = _last(first, len(rest), fraction) if last else first + micros
    except (ValueError, OverflowError):
        return None
    return when, _offset(found[2])


def _last(first: datetime, parts: int, fraction: str) -> datetime:
    """The last microsecond of what begins at `first` and was given by so many parts."""
    if parts == 0:
        return first.replace(month=12, day=31, hour=23, minute=59, second=59, microsecond=999999)
    if parts == 1:
        days = monthrange(first.year, first.month)[1]
        return first.replace(day=days, hour=23, minute=59, second=59, microsecond=999999)
    if parts == len(_UNITS) + 1:
        return first.replace(microsecond=int(f"{fraction:9<6}"))
    return first + (_UNITS[parts - 2] - timedelta(microseconds=1))


def _offset(text: str | None) -> int | None:
    if text is None:
        return None
    minutes = int(text[1:3]) * _MINUTES + int(text[3:5])
    return -minutes if text[0] == "-" else minutes


def _moments(value: str) -> tuple[Moment | None, Moment | None]:
    """Both ends of a DT, or of a range of them; a dash may also begin an offset."""
    whole = moment(value), moment(value, last=True)
    if whole[0] is not None and whole[1] is not None:
        return whole
    found = _MOMENT_RANGE.fullmatch(value.replace(" ", ""))
    if found is not None and (found["low"] or found["high"]):
        low = moment(found["low"]) if found["low"] else None
        high = moment(found["high"], last=True) if found["high"] else None
        if (low is None) is not bool(found["low"]) and (high is None) is not bool(found["high"]):
            return low, high
    raise BadQuery("not a date-time or range of date-times")


def _number(text: str) -> float:
    number = number_of(text)
    if number is None:
        raise BadQuery("not a number")
    return number


def number_of(value: object) -> float | None:
    """A stored or asked number; whole ones as int, so that long ones stay exact. Else None."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return int(value) if value == value and abs(value) < 1e15 and value == int(value) else value  # noqa: PLR2004, PLR0124 - NaN
    if not isinstance(value, str) or _NUMBER.fullmatch(value.strip()) is None:
        return None
    text = value.strip()
    try:
        return int(text)
    except ValueError:
        number = float(text)
    return int(number) if number.is_integer() else number


def _tag(text: str) -> str:
    found = _TAG.fullmatch(text)
    if found is None:
        raise BadQuery("not a tag")
    return (found[1] + found[2]).upper()
