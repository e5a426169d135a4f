"""Whether an attribute holds what a matching key asks for (PS3.4 §C.2.2.2)."""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from enum import Enum
from functools import lru_cache
from typing import Any

from hilum.core import names
from hilum.core.wanted import (
    Moments,
    Names,
    Numbers,
    Spans,
    Texts,
    Wanted,
    date_ends,
    moment,
    number_of,
    parse,
    time_ends,
)
from hilum.model import dictionary
from hilum.model.errors import BadQuery

Wish = str | Mapping[str, "Wish"]
"""The text of a key, or the keys within an item of a sequence, by tag in hexadecimal."""

_NOTHING: tuple[Any, ...] = (None, "", {})  # values that say nothing


class Verdict(Enum):
    """What an attribute of an answer says of a key."""

    HOLDS = "holds"
    CONTRADICTS = "contradicts"
    EMPTY = "empty"
    UNTOLD = "not told"


def verdict(element: Any, tag: str, wish: Wish) -> Verdict:  # noqa: ANN401 - JSON
    """What one attribute in the DICOM JSON Model says of a key, which is not universal.

    Args:
        element: the attribute, None where the answer does not have it.
        tag: its tag in hexadecimal.
        wish: what is asked for; where it is a mapping, one item must hold all of it.

    Returns:
        `UNTOLD` also where the key is not what the value representation can be held against.
    """
    if not isinstance(element, dict) or "BulkDataURI" in element:
        return Verdict.UNTOLD
    values = element.get("Value")
    if not isinstance(values, list) or all(value in _NOTHING for value in values):
        return Verdict.UNTOLD if "InlineBinary" in element else Verdict.EMPTY
    if not isinstance(wish, str):
        return _items(values, wish)
    try:
        wanted = parse(str(element.get("vr") or vr_of(tag)), wish)
    except BadQuery:
        return Verdict.UNTOLD
    vr = str(element.get("vr") or vr_of(tag))
    held = any(_value_holds(wanted, vr, value) for value in values)
    return Verdict.HOLDS if held else Verdict.CONTRADICTS


def _items(items: list[Any], wish: Mapping[str, Wish]) -> Verdict:
    """The best that any item of a sequence says."""
    best = Verdict.CONTRADICTS
    for item in items:
        found = item if isinstance(item, dict) else {}
        said = {verdict(found.get(tag), tag, each) for tag, each in wish.items()}
        if said == {Verdict.HOLDS}:
            return Verdict.HOLDS
        if Verdict.CONTRADICTS not in said and best is not Verdict.UNTOLD:
            best = Verdict.UNTOLD if Verdict.UNTOLD in said else Verdict.EMPTY
    return best


@lru_cache(maxsize=1024)
def vr_of(tag: str) -> str:
    """The VR of the dictionary, the first where it has several; "" if it has none."""
    return dictionary.vr_of(int(tag, 16)).partition(" ")[0]


def combined_holds(date: Any, time: Any, dates: str, times: str) -> bool:  # noqa: ANN401 - JSON
    """Whether a date and a time lie in two ranges that are taken for one of moments.

    A peer may do so (PS3.4 §C.2.2.2.5.1: combined date-time matching).
    """
    (low, high), (first, last) = parse("DA", dates).ends[0], parse("TM", times).ends[0]  # type: ignore[union-attr] # both give Spans
    for day in date.get("Value") or ():
        for moment_ in time.get("Value") or ():
            days, hours = date_ends(str(day)), time_ends(str(moment_))
            if days is None or hours is None:
                continue
            when = (days[0], hours[0])
            if (not low or when >= (low, first)) and (not high or when <= (high, last or "24")):
                return True
    return False


def all_hold(asked: Mapping[str, Any], find: Callable[[str], Any], *, fuzzy: bool) -> bool:
    """Whether attributes, looked up by their tags, hold all that is asked."""
    return all(element_holds(find(tag), wish, fuzzy=fuzzy) for tag, wish in asked.items())


def element_holds(element: Any, wish: str | Mapping[str, Any], *, fuzzy: bool) -> bool:  # noqa: ANN401 - JSON
    """Whether one attribute in the DICOM JSON model holds the wish: with any value, any item."""
    if not isinstance(element, dict):
        return False
    values = element.get("Value") or ()
    if not isinstance(wish, str):
        return element.get("vr") == "SQ" and any(
            isinstance(item, dict) and all_hold(wish, item.get, fuzzy=fuzzy) for item in values
        )
    try:
        wanted = parse(str(element.get("vr", "")), wish, fuzzy=fuzzy)
    except BadQuery:
        return False  # asked in the words of the dictionary, stored as something else
    return any(_value_holds(wanted, element["vr"], value) for value in values)


def _value_holds(wanted: Wanted, vr: str, value: object) -> bool:
    match wanted:
        case Numbers(values):
            return number_of(value) in values
        case Names(patterns, fuzzy):
            found = names.groups_of(value)
            return any(_name_holds(each, found) for each in patterns) or any(
                fuzzy_holds(each, found) for each in fuzzy
            )
    if not isinstance(value, str):
        return False
    match wanted:
        case Texts(patterns):
            return any(text_holds(pattern, value.strip(" \0")) for pattern in patterns)
        case Spans(ends):
            point = (date_ends if vr == "DA" else time_ends)(value.strip())
            return point is not None and any(
                (not low or low <= point[0]) and (not high or point[0] <= high)
                for low, high in ends
            )
        case Moments():
            return _moment_holds(wanted, value.strip())


@lru_cache(maxsize=1024)
def _regex(pattern: str) -> re.Pattern[str]:
    """The pattern as an expression that never backtracks past a star it has satisfied."""
    *before, last = re.split(r"\*+", pattern)
    parts = [re.escape(part).replace(r"\?", ".") for part in before]
    inner = "".join(f"(?>.*?{part})" for part in parts[1:] if part)
    end = re.escape(last).replace(r"\?", ".")
    return re.compile(f"{parts[0]}{inner}.*{end}" if parts else end, re.DOTALL)


def text_holds(pattern: str, text: str) -> bool:
    """Whether `text` is as `pattern` says, with `*` and `?` as wild cards."""
    if "*" not in pattern and "?" not in pattern:
        return pattern == text
    return _regex(pattern).fullmatch(text) is not None


def alternatives(pattern: str) -> list[str]:
    """A name pattern, and what else it matches because trailing empty components do not count.

    "doe^*" asks for whatever given name, and so also for none: "doe".
    """
    patterns = [re.sub(r"\*+", "*", pattern)]
    while patterns[-1].endswith("^*"):
        patterns.append(patterns[-1][:-2].rstrip("^"))
    return [each for each in patterns if each]


def _group_holds(pattern: str, found: str) -> bool:
    return bool(found) and any(text_holds(each, found) for each in alternatives(pattern))


def _name_holds(pattern: names.Groups | str, found: names.Groups) -> bool:
    if isinstance(pattern, str):
        return any(_group_holds(pattern, each) for each in found)
    return any(pattern) and all(
        not part or _group_holds(part, each) for part, each in zip(pattern, found, strict=True)
    )


def fuzzy_holds(asked: Iterable[str], found: names.Groups) -> bool:
    """Whether each word begins some word of the name."""
    there = [word for each in found for word in names.words(each)]
    return all(any(text_holds(word + "*", each) for each in there) for word in asked)


def _moment_holds(wanted: Moments, value: str) -> bool:
    point = moment(value)
    if point is None:
        return False
    when, offset = point
    for low, high in wanted.ends:
        inside = True
        for end, sign in ((low, 1), (high, -1)):
            if end is None:
                continue
            limit, limit_offset = end
            late = when
            if offset is not None and limit_offset is not None:
                try:
                    late = when + timedelta(minutes=limit_offset - offset)
                except OverflowError:
                    inside = False
            inside = inside and (late >= limit if sign > 0 else late <= limit)
        if inside:
            return True
    return False
