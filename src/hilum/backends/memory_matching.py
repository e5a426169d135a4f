"""Does an instance in memory hold what a key asks for? Told plainly, attribute by attribute."""

import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

from hilum.model.dictionary import vr_of
from hilum.model.errors import BadQuery
from hilum.model.query import Path

Attributes = dict[str, dict[str, Any]]
"""Metadata in the DICOM JSON model."""

_NUMBERS = frozenset("DS FD FL IS SL SS SV UL US UV".split())  # noqa: SIM905 - easier to read
_BINARY = frozenset("OB OD OF OL OV OW UN SQ".split())  # noqa: SIM905 - as above


def check(path: Path, value: str) -> None:
    """Raise BadQuery for what cannot be matched."""
    vr = vr_of(path[-1])[:2]
    if not vr:
        return
    parts = [part for part in value.split("\\") if part]
    if vr in _BINARY:
        raise BadQuery(f"attributes of value representation {vr} cannot be matched")
    if vr in _NUMBERS and not all(number(part) is not None for part in parts):
        raise BadQuery("not a number")
    if vr in ("DA", "TM") and not all(re.fullmatch(r"[\d.: -]*\d[\d.: -]*", p) for p in parts):
        raise BadQuery("not a date or time, or a range of them")


def all_hold(attributes: Attributes, wishes: Mapping[Path, str], *, fuzzy: bool) -> bool:
    """Whether one instance holds all keys; those within one sequence in one item of it."""
    within: dict[int, dict[Path, str]] = {}
    for path, value in wishes.items():
        if len(path) > 1:
            within.setdefault(path[0], {})[path[1:]] = value
        elif not _holds(attributes.get(f"{path[0]:08X}"), value, fuzzy=fuzzy):
            return False
    return all(
        any(
            all_hold(item, inner, fuzzy=fuzzy)
            for item in attributes.get(f"{tag:08X}", {}).get("Value") or ()
        )
        for tag, inner in within.items()
    )


def _holds(element: Mapping[str, Any] | None, value: str, *, fuzzy: bool) -> bool:
    if element is None:
        return False
    vr = element["vr"]
    wishes = [part.strip() for part in value.split("\\") if part.strip()]
    one = _comparison(vr, fuzzy=fuzzy)
    return any(
        one(wish, stored)
        for wish in wishes
        for stored in element.get("Value") or ()
        if stored is not None
    )


def _comparison(vr: str, *, fuzzy: bool) -> Callable[[str, Any], bool]:
    """How one wish is held against one stored value."""
    if vr == "PN":
        return _fuzzy_name if fuzzy else _name
    if vr in _NUMBERS:
        return lambda wish, stored: number(wish) == number(stored)
    if vr == "TM":
        return lambda wish, stored: _in_range(wish, stored.replace(":", "").ljust(6, "0"))
    if vr in ("DA", "DT"):
        return _in_range
    return lambda wish, stored: _like(wish, str(stored).strip())


def number(value: Any) -> float | None:  # noqa: ANN401 - a JSON value
    """The value as a number; None where it is none."""
    try:
        return float(value)
    except ValueError:
        return None


def _like(pattern: str, text: str) -> bool:
    escaped = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(escaped, text, re.DOTALL) is not None


def _in_range(wish: str, stored: str) -> bool:
    wish = wish.replace(":", "")
    if "-" not in wish:
        return stored.startswith(wish)
    low, high = (part.strip() for part in wish.split("-", 1))
    return (not low or stored >= low) and (not high or stored[: len(high)] <= high)


def _plain(text: str) -> str:
    apart = unicodedata.normalize("NFKD", text).casefold().replace("ł", "l").replace("ø", "o")
    return "".join(each for each in apart if not unicodedata.combining(each))


def _groups(name: Mapping[str, str]) -> list[str]:
    keys = ("Alphabetic", "Ideographic", "Phonetic")
    return [_plain(name.get(key, "")).rstrip("^ ") for key in keys]


def _name(wish: str, stored: Mapping[str, str]) -> bool:
    groups = _groups(stored)
    if "=" in wish:
        parts = [_plain(part).rstrip("^ ") for part in wish.split("=")]
        return all(not p or _like(p, g) for p, g in zip(parts, groups, strict=False))
    plain = _plain(wish).rstrip("^ ")
    return any(group and (_like(plain, group) or _like(plain, group + "^")) for group in groups)


def _fuzzy_name(wish: str, stored: Mapping[str, str]) -> bool:
    words = [word for group in _groups(stored) for word in re.split(r"[\s^,'-]+", group)]
    asked = [word for word in re.split(r"[\s^=,'*-]+", _plain(wish)) if word]
    return all(any(word.startswith(each) for word in words) for each in asked)
