"""How a query becomes conditions on the index.

A condition is a *look*, a tuple that says what its SQL looks like, and the values that go into
it: `select` compiles SQL once for each look, so that a query that comes often costs no more than
its values.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from hilum.backends.archive import tags
from hilum.backends.archive.holds import key_text
from hilum.backends.archive.record import whole
from hilum.core.matching import alternatives, text_holds, vr_of
from hilum.core.wanted import (
    Names,
    Numbers,
    Spans,
    Texts,
    Wanted,
    is_universal,
    parse,
)
from hilum.model.errors import BadQuery
from hilum.model.identity import Level, is_uid
from hilum.model.query import Path, Query

Look = tuple[Any, ...]
"""Kind, then what it is about. Tables are named `patient`, `study`, `series` and `instance`."""

RANK: Final = {Level.PATIENT: 0, Level.STUDY: 1, Level.SERIES: 2, Level.IMAGE: 3}

_TABLES: Final = {
    Level.PATIENT: "study",  # a study keeps its patient's attributes
    Level.STUDY: "study",
    Level.SERIES: "series",
    Level.IMAGE: "instance",
}
_UNIQUE: Final[Mapping[Path, tuple[Level, str]]] = {
    (int(tag, 16),): place
    for tag, place in tags.COLUMNS.items()
    if tag in {"0020000D", "0020000E", "00080018"}
}
"""What one UID is mostly asked for: read without a look at its dictionary."""
_GREATEST: Final = 2**63 - 1  # number of a column
_COMPUTED: Final = frozenset(
    {tags.CHARACTER_SET, tags.RETRIEVE_AE_TITLE, tags.AVAILABILITY, tags.MODALITIES, tags.CLASSES}
)
_MOST: Final = 100
"""Patterns or ranges in the list of one key; SQL nests as deep. Plain values are not bounded."""
_DEEPEST: Final = 16
"""Tags and sequences in the path of a key."""
_WORD_BEGINS: Final = "[ ^,'-]"  # after one of these, in a glob


@dataclass(slots=True)
class Conditions:
    """What a query asks of the entities at its level and above, and of those below.

    An entity matches when it and those above it hold `own`, and one chain of entities below it (a
    series and an instance of it, say) holds all of `below`.
    """

    own: list[Look] = field(default_factory=list)
    below: list[Look] = field(default_factory=list)
    own_values: list[Any] = field(default_factory=list)
    below_values: list[Any] = field(default_factory=list)

    def add(self, asked: Level, level: Level, look: Look, values: Sequence[Any]) -> None:
        """One more, about entities of some level, of a query for those of another."""
        if RANK[level] <= RANK[asked]:
            self.own.append(look)
            self.own_values += values
        else:
            self.below.append(look)
            self.below_values += values

    def values(self) -> list[Any]:
        """The values of the parameters, in their order."""
        return [*self.own_values, *self.below_values]


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition: the level whose entities it is about, its look, its values."""

    level: Level
    look: Look
    values: Sequence[Any]


def conditions(query: Query, ae_title: str) -> Conditions:
    """Cut a query into conditions.

    Raises:
        BadQuery: a key is malformed, or its attribute cannot be matched.
    """
    made = Conditions()
    tree: dict[str, Any] = {}
    for path, value in query.match.items():
        unique = _UNIQUE.get(path)
        if unique is not None and is_uid(value):
            level, column = unique
            made.add(query.level, level, ("equal", _TABLES[level], column), (value,))
            continue
        if not 0 < len(path) <= _DEEPEST:
            raise BadQuery("a key lies too deep within sequences")
        names = [f"{tag:08X}" for tag in path]
        if not is_universal(value, vr_of(names[-1])):
            _plant(tree, names, whole(value))
    for tag, wish in tree.items():
        each = _condition(tag, wish, ae_title, fuzzy=query.fuzzy)
        made.add(query.level, each.level, each.look, each.values)
    return made


def _plant(tree: dict[str, Any], path: Sequence[str], value: str) -> None:
    """Put a key into the tree; those within one sequence must hold in one item of it."""
    tag, *rest = path
    if not rest:
        _check(tag, value)
        tree[tag] = value
        return
    inner = tree.setdefault(tag, {})
    if not isinstance(inner, dict):
        raise BadQuery(f"({tag[:4]},{tag[4:]}) is asked both as a sequence and as a value")
    _plant(inner, rest, value)


def _check(tag: str, value: str) -> None:
    """Raise BadQuery, naming the tag, when a value is malformed."""
    if tag == tags.RETRIEVE_URL:
        raise BadQuery("(0008,1190) cannot be matched")
    vr = vr_of(tag)
    if vr:
        try:
            parse(vr, value)
        except BadQuery as error:
            raise BadQuery(f"({tag[:4]},{tag[4:]}): {error}") from None


def _condition(
    tag: str,
    wish: Any,  # noqa: ANN401 - text, or a tree of it
    ae_title: str,
    *,
    fuzzy: bool,
) -> Condition:
    def key() -> str:
        return key_text({tag: wish}, fuzzy=fuzzy)

    if not isinstance(wish, str):
        return _held(tags.level_of(tag), key())
    if tag in _COMPUTED:
        return _computed(tag, wish, ae_title)
    wanted = parse(vr_of(tag), wish, fuzzy=fuzzy) if vr_of(tag) else None
    if wanted is not None and tag in tags.COUNTS:
        level, column = tags.COUNTS[tag]
        table = "patient" if level is Level.PATIENT else _TABLES[level]
        return Condition(level, *_column(table, column, wanted))
    if wanted is None or tag not in tags.COLUMNS:
        return _held(tags.level_of(tag), key())
    level, column = tags.COLUMNS[tag]
    look, values = _column(_TABLES[level], column, wanted)
    if column.endswith("_uid"):
        return Condition(level, look, values)  # never odd: they were checked at the door
    return Condition(level, ("odd", level, look), [*values, key()])


def _held(level: Level, key: str) -> Condition:
    """Of an attribute without a column."""
    return Condition(level, ("holds", level), [key])


def _computed(tag: str, wish: str, ae_title: str) -> Condition:
    """Of an attribute that no data set brings, but the archive."""
    wanted = parse("UI" if tag == tags.CLASSES else "CS", wish)
    if tag == tags.MODALITIES:
        look, values = _column("series", "modality", wanted)
        return Condition(Level.STUDY, ("in_study", "series", look), values)
    if tag == tags.CLASSES:
        look, values = _column("instance", "sop_class_uid", wanted)
        return Condition(Level.STUDY, ("in_study", "instance", look), values)
    ours = {tags.RETRIEVE_AE_TITLE: ae_title, tags.AVAILABILITY: "ONLINE"}.get(tag)
    patterns = wanted.patterns if isinstance(wanted, Texts) else ()
    # SpecificCharacterSet says how the query is written, and asks for nothing
    true = ours is None or any(text_holds(str(each), ours) for each in patterns)
    return Condition(Level.PATIENT, ("constant", true), ())


def _column(table: str, column: str, wanted: Wanted) -> tuple[Look, list[Any]]:
    """The look of a wish on a column, and its values."""
    parts: list[tuple[Look, list[Any]]] = []
    match wanted:
        case Texts(patterns):
            parts = _texts(table, column, list(patterns))
        case Numbers(values):
            # no column holds what SQLite cannot; and nothing is equal to NULL
            parts = [_among(table, column, [v if abs(v) <= _GREATEST else None for v in values])]
        case Spans(ends):
            parts = [
                (
                    ("span", table, column, bool(low), bool(high)),
                    [end for end in (low, high) if end],
                )
                for low, high in ends
            ]
        case Names(patterns, fuzzy):
            parts = [_name(table, column, each) for each in patterns]
            parts += [_fuzzy(table, column, each) for each in fuzzy]
        case _:
            raise BadQuery("this attribute cannot be matched")
    return _join("or", parts)


def _join(word: str, parts: Sequence[tuple[Look, list[Any]]]) -> tuple[Look, list[Any]]:
    if len(parts) > _MOST:
        raise BadQuery(f"more than {_MOST} patterns or ranges for one attribute")
    if len(parts) == 1:
        return parts[0]
    return (word, *(look for look, _ in parts)), [value for _, values in parts for value in values]


def _among(table: str, column: str, values: list[Any]) -> tuple[Look, list[Any]]:
    if len(values) == 1:
        return ("equal", table, column), values
    return ("among", table, column), [json.dumps(values)]


def _texts(table: str, column: str, patterns: list[str]) -> list[tuple[Look, list[Any]]]:
    plain = [each for each in patterns if not _is_wild(each)]
    parts = [_among(table, column, plain)] if plain else []
    parts += [_glob(table, column, each) for each in patterns if _is_wild(each)]
    return parts


def _is_wild(pattern: str) -> bool:
    return "*" in pattern or "?" in pattern


def _glob(table: str, column: str, pattern: str) -> tuple[Look, list[Any]]:
    """`*` and `?` mean to GLOB what they mean to DICOM; only `[` does not."""
    return ("glob", table, column), [pattern.replace("[", "[[]")]


def _name(table: str, column: str, pattern: tuple[str, str, str] | str) -> tuple[Look, list[Any]]:
    """A name: one text that any group may match, or groups that must match each."""
    if isinstance(pattern, str):
        return _join("or", [_group(table, f"{column}_{each}", pattern) for each in "aip"])
    return _join(
        "and",
        [
            _group(table, f"{column}_{each}", part)
            for each, part in zip("aip", pattern, strict=True)
            if part
        ],
    )


def _group(table: str, column: str, pattern: str) -> tuple[Look, list[Any]]:
    return _join("or", _texts(table, column, alternatives(pattern)))


def _fuzzy(table: str, column: str, words: Sequence[str]) -> tuple[Look, list[Any]]:
    """Each word begins a word of the name, whichever group it is in."""
    parts = []
    for word in words:
        escaped = word.replace("[", "[[]")
        begins = [f"{escaped}*", f"*{_WORD_BEGINS}{escaped}*"]
        parts.append(
            _join(
                "or",
                [
                    (("glob", table, f"{column}_{each}"), [pattern])
                    for each in "aip"
                    for pattern in begins
                ],
            )
        )
    return _join("and", parts)
