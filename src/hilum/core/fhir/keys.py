"""Which matching keys of DICOM find what a search asks for? These, and perhaps more.

What they find is held against the search all the same, so they may be wide, but never too narrow.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import date, timedelta
from itertools import product
from typing import Final

from hilum.codec.fhir.parameters import Condition, plain
from hilum.codec.fhir.values import OID, UID, URI
from hilum.core.fhir.holds import Date, around, dates, tokens
from hilum.core.fhir.table import Alternatives, Keys, Known
from hilum.model.identity import is_uid
from hilum.model.query import Path

Asking = Callable[[Condition, Known], Alternatives]

MOST: Final = 16
"""Sets of keys that one search may become."""
_UNNARROWED: Final = {"not", "missing"}
_RANGE = re.compile(r"(\d{8})?-(\d{8})?")
_NEVER: Final = "99999999"
_WIDER: Final = timedelta(days=1)  # where clocks of two zones are compared


def listed(path: Path, values: Iterable[str]) -> Alternatives:
    """One key with a list of values."""
    found = [*dict.fromkeys(values)]
    return [{path: "\\".join(found)}] if found else []


def uids(path: Path) -> Asking:
    """UIDs, as `urn:oid:1.2` of the system urn:dicom:uid, or as they are in DICOM."""

    def keys(condition: Condition, _known: Known) -> Alternatives:
        if condition.modifier in _UNNARROWED:
            return None
        wanted = (each for each in tokens(condition) if each.system in {None, "", UID, URI})
        found = (each.value.removeprefix(OID) for each in wanted)
        return listed(path, filter(is_uid, found))

    return keys


def codes(path: Path) -> Asking:
    """Codes (VR CS), which are in upper case; of their system only what is found tells."""

    def keys(condition: Condition, _known: Known) -> Alternatives:
        wanted = [each.value for each in tokens(condition)]
        if condition.modifier in _UNNARROWED or not all(wanted):
            return None
        return listed(path, (_literal(each.upper()) for each in wanted))

    return keys


def ids(path: Path) -> Asking:
    """Identifiers, as they are."""

    def keys(condition: Condition, _known: Known) -> Alternatives:
        wanted = [each.value for each in tokens(condition)]
        if condition.modifier in _UNNARROWED or not all(wanted):
            return None
        return listed(path, map(_literal, wanted))

    return keys


def _literal(text: str) -> str:
    """A text in a list of values; its wild cards find it too."""
    return text.replace("\\", "?")


def names(path: Path, part: str) -> Asking:
    """Names of people: `name`, `family` or `given`."""

    def keys(condition: Condition, _known: Known) -> Alternatives:
        if condition.modifier in _UNNARROWED:
            return None
        wide = condition.modifier == "contains"
        patterns = [_pattern(plain(each), part, wide=wide) for each in condition.values]
        return listed(path, patterns) if all(patterns) else None

    return keys


def _pattern(text: str, part: str, *, wide: bool) -> str:
    """A pattern of PN; of several words the longest, as they may be apart in DICOM."""
    if part == "family" and not wide:
        return _wild(text.strip()) + "*" if text.strip() else ""
    word = max(re.split(r"[\s^=,]+", text), key=len)
    return f"*{_wild(word)}*" if word else ""


def _wild(text: str) -> str:
    return re.sub(r"[\\^=*?]", "?", text)


def days(path: Path) -> Asking:
    """Dates (VR DA)."""

    def keys(condition: Condition, _known: Known) -> Alternatives:
        if condition.modifier in _UNNARROWED:
            return None
        found = [_range(each) for each in dates(condition)]
        return listed(path, found) if all(found) else None

    return keys


def _range(wanted: Date) -> str:
    if wanted.prefix == "ne":
        return ""
    ends = around(wanted.span) if wanted.prefix == "ap" else (wanted.span.low, wanted.span.high)
    low, high = (each.date() for each in ends)
    if wanted.span.offset is not None:
        low = low - _WIDER if low > date.min else low
        high = high + _WIDER if high < date.max else high
    first, last = (f"{each:%Y%m%d}".rjust(8, "0") for each in (low, high))
    match wanted.prefix:
        case "gt" | "ge" | "sa":
            return f"{first}-"
        case "lt" | "le" | "eb":
            return f"-{last}"
    return first if first == last else f"{first}-{last}"


def combined(conditions: Sequence[Alternatives]) -> list[Keys]:
    """Sets of keys of which one finds what holds all of the conditions; empty: nothing can.

    Those that would make too many of them are left to be held against what is found.
    """
    sets: list[Keys] = [{}]
    for alternatives in conditions:
        if alternatives is None:
            continue
        if len(sets) * len(alternatives) > MOST:
            continue
        sets = [
            merged
            for one, other in product(sets, alternatives)
            if (merged := _merged(one, other)) is not None
        ]
    return sets


def _merged(one: Keys, other: Keys) -> Keys | None:
    """Both; of two keys for one attribute the first, but of ranges what is in both."""
    both = {**other, **one}
    for path in one.keys() & other.keys():
        ranges = [_ends(each[path]) for each in (one, other)]
        first, second = ranges
        if first is None or second is None:
            continue
        low, high = max(first[0], second[0]), min(first[1] or _NEVER, second[1] or _NEVER)
        if low > high:
            return None
        both[path] = low if low == high else f"{low}-{'' if high == _NEVER else high}"
    return both


def _ends(value: str) -> tuple[str, str] | None:
    if re.fullmatch(r"\d{8}", value):
        return value, value
    found = _RANGE.fullmatch(value)
    return None if found is None else (found[1] or "", found[2] or "")
