"""Which answers of a far side are given on: those that do not contradict what was asked."""

from dataclasses import dataclass, field
from typing import Any

from hilum.codec.dicom_json import Attributes
from hilum.core.backend import Replies
from hilum.core.levels import MODALITIES, PATIENT_ID
from hilum.core.matching import Verdict, Wish, combined_holds, verdict
from hilum.core.plan import Checks
from hilum.core.wanted import parse
from hilum.model.dictionary import keyword_of
from hilum.model.errors import BadQuery
from hilum.model.query import Path, Query

_DATES = {  # of a time: the date that may be one moment with it
    "00080030": "00080020",
    "00080031": "00080021",
    "00080032": "00080022",
    "00080033": "00080023",
    "00400245": "00400244",
}
_MODALITIES = f"{MODALITIES:08X}"
_NONE: dict[str, Any] = {}
LITERAL = "The fuzzymatching parameter is not supported. Only literal matching has been performed."
CUT = "The far side gives no more answers than these to one query: there may be more."
_NOT_ANSWERED = ("00080052", "00080053")  # Query/Retrieve Level and View: of the message


@dataclass(slots=True)
class Remarks:
    """What is to be said of an answer as a whole.

    Attributes:
        warnings: texts, each once.
        unmatched: keys that nobody matched, perhaps.
    """

    warnings: list[str] = field(default_factory=list)
    unmatched: set[Path] = field(default_factory=set)

    def warn(self, text: str) -> None:
        """Keep a warning, once."""
        if text not in self.warnings:
            self.warnings.append(text)

    def asked(self, question: Query, *, is_fuzzy: bool) -> None:
        """Keep that names were not matched as they should (PS3.18 §8.3.4.2)."""
        if question.fuzzy and not is_fuzzy:
            self.warn(LITERAL)

    def ended(self, replies: Replies) -> None:
        """Keep how many answers could not be read, and whether they may not be all."""
        if replies.unreadable:
            self.warn(f"{replies.unreadable} of the far side's answers could not be read.")
        if replies.is_cut:
            self.warn(CUT)

    def untold(self, path: Path) -> None:
        """Keep that a key could not be held against an answer."""
        if path not in self.unmatched:
            self.unmatched.add(path)
            self.warn(f"The far side did not say {named(path)}: it may not have been matched.")


def named(path: Path) -> str:
    """A path in keywords."""
    return ".".join(keyword_of(tag) or f"{tag:08X}" for tag in path)


@dataclass(frozen=True, slots=True)
class _Check:
    """One attribute and what it must hold.

    Attributes:
        paths: of the keys in it.
        other: of a range of times: the range of dates that it may be one moment with.
    """

    tag: str
    wish: Wish
    paths: tuple[Path, ...]
    other: tuple[str, str] | None = None


class Sift:
    """Holds the answers to one step of a query against its keys.

    Args:
        checks: the keys.
        merged: attributes by which an answer that came before is known, the unique key first.
        remarks: takes what is to be said.
    """

    def __init__(self, checks: Checks, merged: tuple[int, ...], remarks: Remarks) -> None:
        compiled = _compiled(checks)
        self._early = [each for each in compiled if each.tag != _MODALITIES]
        self._late = [each for each in compiled if each.tag == _MODALITIES]
        self._merged = [f"{tag:08X}" for tag in merged]
        self._may_be_empty = merged[0] == PATIENT_ID
        self._remarks = remarks
        self._seen: set[tuple[str, ...]] = set()
        self._kept: set[tuple[str, ...]] = set()

    def take(self, attributes: Attributes, *, ignored: bool) -> bool:
        """Whether an answer is given on.

        Args:
            attributes: of the answer; what is no attribute of the entity is taken out.
            ignored: the far side said that it did not honour every key, or never says.
        """
        for tag in _NOT_ANSWERED:
            attributes.pop(tag, None)
        key = self._key(attributes)
        if key is None or key in self._seen:
            return False
        untold: list[Path] = []
        for check in (*self._early, *self._late):
            if not self._passes(check, attributes, untold, ignored=ignored):
                return False
        for path in untold:
            self._remarks.untold(path)
        if any(key):
            self._seen.add(key)
        return True

    def lacks_modalities(self, attributes: Attributes) -> bool:
        """Whether an answer does not tell Modalities in Study, which are asked for."""
        return bool(self._late) and not value_of(attributes, _MODALITIES)

    def may_pass(self, attributes: Attributes, *, ignored: bool) -> bool:
        """Whether an answer may still be given on once its Modalities in Study are known.

        Once for each entity: it is to be kept until then.
        """
        key = self._key(attributes)
        if key is None or key in self._seen or key in self._kept:
            return False
        if not all(self._passes(each, attributes, [], ignored=ignored) for each in self._early):
            return False
        self._kept.add(key)
        return True

    def _key(self, attributes: Attributes) -> tuple[str, ...] | None:
        """What tells an answer from the others; None where it has no unique key."""
        unique = self._merged[0]
        if not value_of(attributes, unique) and not (self._may_be_empty and unique in attributes):
            self._remarks.warn(f"An answer without {named((int(unique, 16),))} was left out.")
            return None
        return tuple([value_of(attributes, tag) for tag in self._merged])

    def _passes(
        self, check: _Check, attributes: Attributes, untold: list[Path], *, ignored: bool
    ) -> bool:
        said = verdict(attributes.get(check.tag), check.tag, check.wish)
        if said is Verdict.HOLDS:
            return True
        if said is Verdict.UNTOLD or (said is Verdict.EMPTY and ignored):
            untold += check.paths
            return True
        if check.other is None or not isinstance(check.wish, str) or said is Verdict.EMPTY:
            return False
        tag, dates = check.other
        return combined_holds(
            attributes.get(tag, {}), attributes.get(check.tag, {}), dates, check.wish
        )


def value_of(attributes: Attributes, tag: str) -> str:
    """The first value of an attribute as text; "" where it has none."""
    values = attributes.get(tag, _NONE).get("Value")
    value = values[0] if isinstance(values, list) and values else None
    return value.strip(" \0") if isinstance(value, str) else str(value or "")


def fill(attributes: Attributes, known: Attributes) -> None:
    """Add what an answer does not tell by itself."""
    for tag, element in known.items():
        if not attributes.get(tag, _NONE).get("Value"):
            attributes[tag] = element


def uid_element(value: str) -> dict[str, Any]:
    """The attribute of a unique key that is a UID."""
    return {"vr": "UI", "Value": [value]}


def _compiled(checks: Checks) -> list[_Check]:
    """The keys by attribute; those in one sequence must hold in one item of it."""
    found: list[_Check] = []
    trees: dict[str, dict[str, Any]] = {}
    paths: dict[str, list[Path]] = {}
    flat = dict(checks)
    for path, value in checks:
        tag, *rest = (f"{each:08X}" for each in path)
        if not rest:
            date = _DATES.get(tag, "")
            dates = flat.get((int(date, 16),), "") if date else ""
            both = _is_range("DA", dates) and _is_range("TM", value)
            found.append(_Check(tag, value, (path,), (date, dates) if both else None))
            continue
        node = trees.setdefault(tag, {})
        for each in rest[:-1]:
            below = node.setdefault(each, {})
            node = below if isinstance(below, dict) else {}
        node[rest[-1]] = value
        paths.setdefault(tag, []).append(path)
    found += [_Check(tag, tree, tuple(paths[tag])) for tag, tree in trees.items()]
    return found


def _is_range(vr: str, value: str) -> bool:
    """Whether a key is one range, that can be read."""
    if "-" not in value or "\\" in value:
        return False
    try:
        parse(vr, value)
    except BadQuery:
        return False
    return True
