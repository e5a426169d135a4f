"""Whether a stored attribute holds what a matching key asks for (PS3.4 §C.2.2.2).

For the attributes that have no column of their own: called by SQLite as `hilum_holds`.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from functools import lru_cache
from typing import Any, Final

import orjson

from hilum.backends.archive import names
from hilum.backends.archive.deflated import dictionary_of, inflate
from hilum.backends.archive.wanted import (
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
from hilum.model.errors import BadQuery

FUNCTION: Final = "hilum_holds"
"""Name in SQL: `hilum_holds(key, lines, more lines, NULL)`, or, of whole metadata,
`hilum_holds(key, deflated JSON, NULL, its dictionary or NULL)`."""

Asked = Mapping[str, "str | Asked"]
"""Tags to what they ask for: the text of a key, or the keys within an item of a sequence."""


def key_text(asked: Asked, *, fuzzy: bool) -> str:
    """The first argument of the SQL function."""
    return json.dumps([asked, fuzzy], sort_keys=True)


def holds(key: str, first: bytes, second: bytes | None, dictionary: bytes | None) -> int:
    """1 if the attributes hold what `key` asks for, else 0."""
    asked, fuzzy = _asked(key)
    if second is not None:
        find = _in_lines(first, second)
    else:
        find = _in_json(inflate(first, dictionary_of(dictionary)), asked)
    return int(_all_hold(asked, find, fuzzy=fuzzy))


@lru_cache(maxsize=256)
def _asked(key: str) -> tuple[dict[str, Any], bool]:
    asked, fuzzy = json.loads(key)
    return asked, fuzzy


def _in_lines(*blobs: bytes) -> Callable[[str], Any]:
    """Looks attributes up in lines of `TAG":{...}`."""

    def find(tag: str) -> object:
        start = tag.encode() + b'":'
        for blob in blobs:
            at = 0 if blob.startswith(start) else blob.find(b"\n" + start) + 1
            if at or blob.startswith(start):
                end = blob.find(b"\n", at)
                return orjson.loads(blob[at + len(start) : end if end >= 0 else None])
        return None

    return find


def _in_json(text: bytes, asked: Asked) -> Callable[[str], Any]:
    """Looks attributes up in one JSON object, parsed only when it has all of them."""
    if not all(b'"%s":' % tag.encode() in text for tag in asked):
        return lambda _tag: None
    attributes = orjson.loads(text)
    return attributes.get  # type: ignore[no-any-return] # JSON


def _all_hold(asked: Mapping[str, Any], find: Callable[[str], Any], *, fuzzy: bool) -> bool:
    return all(element_holds(find(tag), wish, fuzzy=fuzzy) for tag, wish in asked.items())


def element_holds(element: Any, wish: str | Mapping[str, Any], *, fuzzy: bool) -> bool:  # noqa: ANN401 - JSON
    """Whether one attribute in the DICOM JSON model holds the wish: with any value, any item."""
    if not isinstance(element, dict):
        return False
    values = element.get("Value") or ()
    if not isinstance(wish, str):
        return element.get("vr") == "SQ" and any(
            isinstance(item, dict) and _all_hold(wish, item.get, fuzzy=fuzzy) for item in values
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
