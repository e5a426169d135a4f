"""What does a QIDO-RS URL ask, and how is a query written as one? (PS3.18 §8.3.4 and §10.6)."""

import difflib
import re
from bisect import bisect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

from hilum.model.dictionary import keyword_of, keywords, vr_of
from hilum.model.errors import BadQuery
from hilum.model.identity import Level, is_uid
from hilum.model.query import Path, Query

MAX_NUMBER = 2**31 - 1  # a greater limit or offset says no more
MAX_DEPTH = 16  # sequences within sequences

_CHARSET = 0x0008_0005  # Specific Character Set
_NO_GROUPS = frozenset({0x0000, 0x0002, 0xFFFE})  # commands, File Meta Information, items
_TAG = re.compile(r"[0-9A-Fa-f]{8}")
_NUMBER = re.compile(r"[0-9]+")
_DASHED = re.compile(r"\b([0-9]{4})-([0-9]{2})-([0-9]{2})\b", re.ASCII)
_HOUSEKEEPING = frozenset({"accept", "charset"})  # PS3.18 §8.3.3: of all transactions
_BESIDE = 40  # words before, and after, that are held against one that is not known

STUDY: frozenset[Path] = frozenset(
    (tag,)
    for tag in (
        *(0x0008_0020, 0x0008_0030, 0x0008_0050, 0x0008_0056, 0x0008_0061, 0x0008_0090),
        *(0x0008_0201, 0x0010_0010, 0x0010_0020, 0x0010_0030, 0x0010_0040),
        *(0x0020_000D, 0x0020_0010, 0x0020_1206, 0x0020_1208),
    )
)
"""Default attributes of a study, PS3.18 Table 10.6.3-3, but for RetrieveURL."""

SERIES: frozenset[Path] = frozenset(
    (tag,)
    for tag in (
        *(0x0008_0060, 0x0008_0201, 0x0008_103E, 0x0020_000E, 0x0020_0011, 0x0020_1209),
        *(0x0040_0244, 0x0040_0245, 0x0040_0275),
    )
)
"""Default attributes of a series, PS3.18 Table 10.6.3-4, but for RetrieveURL."""

INSTANCE: frozenset[Path] = frozenset(
    (tag,)
    for tag in (
        *(0x0008_0016, 0x0008_0018, 0x0008_0056, 0x0008_0201, 0x0020_0013),
        *(0x0028_0008, 0x0028_0010, 0x0028_0011, 0x0028_0100),
    )
)
"""Default attributes of an instance, PS3.18 Table 10.6.3-5, but for RetrieveURL."""

_BELOW: Mapping[Level, frozenset[Path]] = {
    Level.STUDY: (SERIES | INSTANCE) - STUDY,
    Level.SERIES: INSTANCE - STUDY - SERIES,
    Level.IMAGE: frozenset(),
}
_ABOVE: Mapping[Level, tuple[tuple[int, frozenset[Path]], ...]] = {
    Level.STUDY: (),
    Level.SERIES: ((0x0020_000D, STUDY),),
    Level.IMAGE: ((0x0020_000D, STUDY), (0x0020_000E, SERIES)),
}


_OF_EVERY_LEVEL: frozenset[Path] = frozenset({(0x0008_0056,), (0x0008_0201,)})
"""Instance Availability and Timezone Offset From UTC: asked of a study, not also of its series."""


@dataclass(frozen=True, slots=True)
class Search:
    """What was asked, and what the answer shall say of it.

    Attributes:
        warnings: texts of Warning 299 headers: what could not be honoured.
    """

    query: Query
    warnings: tuple[str, ...] = ()


@dataclass(slots=True)
class _Reading:
    """What has been read of the parameters so far."""

    match: dict[Path, str] = field(default_factory=dict)
    include: set[Path] = field(default_factory=set)
    include_all: bool = False
    single: dict[str, str] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)


def parse(
    level: Level,
    parameters: Iterable[tuple[str, str]],
    within: Mapping[int, str] | None = None,
) -> Search:
    """The query that the parameters of a search make.

    Args:
        level: of the resource: what each match describes.
        parameters: names and values, percent-decoded, in their order.
        within: unique keys from the path: tag -> UID.

    A key is a keyword, a tag, or several of them with dots between. A key that is given more
    than once is a list where its values can be one (UIDs, code strings), else refused.

    Raises:
        BadQuery: a parameter is unknown, malformed, or given twice.
    """
    within = within or {}
    reading = _Reading()
    for name, value in parameters:
        known = _SINGLE.get(name.lower())
        if known is not None:
            _once(reading, name.lower(), known(name, value))
        elif name.lower() == "includefield":
            _include(reading, value)
        elif name.lower() not in _HOUSEKEEPING and not name.startswith("_"):
            _key(reading, name, value)
    _narrow(reading, within)
    query = Query(
        level=level,
        match=reading.match,
        include=_included(level, reading, within),
        include_all=reading.include_all,
        limit=_number(reading.single, "limit"),
        offset=_number(reading.single, "offset") or 0,
        fuzzy=reading.single.get("fuzzymatching") == "true",
    )
    return Search(query, tuple(_warnings(reading)))


def _uint(name: str, value: str) -> str:
    if not _NUMBER.fullmatch(value.strip()):
        raise BadQuery(f"{name} is not a whole number from 0 up")
    return str(min(int(value.strip()[:20]), MAX_NUMBER))


def _boolean(name: str, value: str) -> str:
    if value.strip().lower() not in {"true", "false"}:
        raise BadQuery(f'{name} is neither "true" nor "false"')
    return value.strip().lower()


_SINGLE: Mapping[str, Callable[[str, str], str]] = {
    "limit": _uint,
    "offset": _uint,
    "fuzzymatching": _boolean,
    "emptyvaluematching": _boolean,
    "multiplevaluematching": _boolean,
}
_UNSUPPORTED = {  # PS3.18 §8.3.4.5 and §8.3.4.6
    "emptyvaluematching": "Empty Value Matching has not been performed.",
    "multiplevaluematching": "Multiple Value Matching has not been performed.",
}


def _once(reading: _Reading, name: str, value: str) -> None:
    if reading.single.setdefault(name, value) != value:
        raise BadQuery(f"{name} is given more than once")


def _number(single: Mapping[str, str], name: str) -> int | None:
    return int(single[name]) if name in single else None


def _warnings(reading: _Reading) -> Iterator[str]:
    for name, what in _UNSUPPORTED.items():
        if reading.single.get(name) == "true":
            yield f"The {name} parameter is not supported. {what}"
    for name in reading.unknown:
        yield f"The includefield {name} is not known and was left out."


def _include(reading: _Reading, value: str) -> None:
    for name in filter(None, (each.strip() for each in value.split(","))):
        if name.lower() == "all":
            reading.include_all = True
            continue
        try:
            reading.include.add(path_of(name))
        except BadQuery:
            # PS3.18 §8.3.1: what is not supported is ignored; but not silently.
            reading.unknown.append(_printable(name))


def _included(level: Level, reading: _Reading, within: Mapping[int, str]) -> frozenset[Path]:
    """What to return: asked for, and of the levels above that the path does not name.

    "Series or Instance Level attributes contained in includefield parameters shall not be
    returned" for a study (PS3.18 §10.6.3.3.1), and so on; but where the search is not below
    a study or series, each match carries the attributes of its own (Tables 10.6.3-4 and -5).
    """
    asked = {path for path in reading.include if path[:1] not in _BELOW[level]}
    for key, attributes in _ABOVE[level]:
        if key not in within:
            asked |= attributes - _OF_EVERY_LEVEL
    return frozenset(asked - reading.match.keys())


def _key(reading: _Reading, name: str, value: str) -> None:
    path = path_of(name, hint=True)
    vr = vr_of(path[-1])
    if path == (_CHARSET,):  # "is never matched" (PS3.4 §C.2.2.2), and a URL is UTF-8
        return
    if vr == "SQ":
        if value.strip():
            raise BadQuery(f"{_printable(name)} is a sequence: name an attribute in it")
        reading.include.add(path)
        return
    if vr in {"UI", "CS"}:
        # PS3.18 §8.3.4.1: a uid-list has commas. A code string cannot hold one (PS3.5 §6.2),
        # and viewers send lists of modalities so.
        value = "\\".join(filter(None, re.split(r"[,\\]", value)))
    if vr == "UI":
        value = _uids(name, value)
    if vr == "DA":
        value = _DASHED.sub(r"\1\2\3", value)  # as ISO 8601 has it, which no PACS understands
    if not value.strip():
        reading.include.add(path)
        return
    before = reading.match.get(path)
    if before is not None and before != value:
        if vr not in {"UI", "CS"}:
            raise BadQuery(f"{_printable(name)} is given more than once")
        value = "\\".join(dict.fromkeys([*before.split("\\"), *value.split("\\")]))
    reading.match[path] = value


def _uids(name: str, value: str) -> str:
    """A list of UIDs; "" where all match (wildcards have no other meaning in a UID)."""
    uids = [uid.strip().rstrip("\0") for uid in value.split("\\")]
    if "*" in uids:
        return ""
    if any(uid and not is_uid(uid) for uid in uids):
        raise BadQuery(f"{_printable(name)} has a value that is no UID")
    return "\\".join(filter(None, uids))


def _narrow(reading: _Reading, within: Mapping[int, str]) -> None:
    """Add the keys of the path; one that is also a parameter must agree with it."""
    for tag, uid in within.items():
        asked = reading.match.get((tag,))
        if asked is not None and uid not in asked.split("\\"):
            raise BadQuery(f"{keyword_of(tag)} contradicts the path")
        reading.match[(tag,)] = uid


def path_of(name: str, *, hint: bool = False) -> Path:
    """The path that a dotted name of keywords and tags means.

    Args:
        name: such as `RequestAttributesSequence.00400009`.
        hint: whether the error shall name the nearest attribute, which takes milliseconds.

    Raises:
        BadQuery: a part of it is no attribute.
    """
    parts = name.split(".")
    if len(parts) > MAX_DEPTH:
        raise BadQuery("a key has too many dots")
    tags: list[int] = []
    for part in parts:
        tag = _tag(part.strip())
        if tag is None:
            nearest = f"; did you mean {_nearest(part)}?" if hint and _nearest(part) else ""
            raise BadQuery(f"{_printable(name)} is neither a parameter nor an attribute{nearest}")
        tags.append(tag)
    for tag in tags[:-1]:
        if vr_of(tag) not in {"SQ", ""}:
            raise BadQuery(f"{_printable(name)}: {keyword_of(tag)} is not a sequence")
    return tuple(tags)


def _tag(part: str) -> int | None:
    """The tag that a keyword or eight hexadecimal digits mean, if it can be in a data set."""
    tag = int(part, 16) if _TAG.fullmatch(part) else _keywords().get(part.lower(), 0)
    return None if tag >> 16 in _NO_GROUPS else tag


@cache
def _keywords() -> Mapping[str, int]:
    """Tags by keyword in lower case."""
    return {keyword.lower(): tag for keyword, tag in keywords().items()}


@cache
def _sorted() -> tuple[Sequence[str], Sequence[str]]:
    """The keywords in lower case, in order; and the same from their ends."""
    return sorted(_keywords()), sorted(each[::-1] for each in _keywords())


def _nearest(part: str) -> str:
    """The keyword that was perhaps meant, or ""."""
    text = part[:64].lower()
    words, backwards = _sorted()
    near = [*_around(text, words), *(each[::-1] for each in _around(text[::-1], backwards))]
    nearest = difflib.get_close_matches(text, near, n=1, cutoff=0.75)
    return keyword_of(_keywords()[nearest[0]]) if nearest else ""


def _around(text: str, words: Sequence[str]) -> Sequence[str]:
    """The words that it would stand among: to look at all would take a tenth of a second."""
    at = bisect(words, text)
    return words[max(at - _BESIDE, 0) : at + _BESIDE]


def _printable(name: str) -> str:
    """A name from outside, fit for an answer and a log line."""
    return re.sub(r"[^\w.\-]", "?", name[:80], flags=re.ASCII)


def encode(query: Query) -> list[tuple[str, str]]:
    """The parameters that ask `query`: the other way round.

    A pair with `parse` where no key is fixed by a path and no level is above.
    """
    parameters = [(name_of(path), _written(path, value)) for path, value in query.match.items()]
    include = ["all"] if query.include_all else []
    include += sorted(name_of(path) for path in query.include)
    parameters += [("includefield", name) for name in include]
    if query.fuzzy:
        parameters.append(("fuzzymatching", "true"))
    if query.limit is not None:
        parameters.append(("limit", str(query.limit)))
    if query.offset:
        parameters.append(("offset", str(query.offset)))
    return parameters


def name_of(path: Sequence[int]) -> str:
    """The dotted name of a path, in tags: understood by every server."""
    return ".".join(f"{tag:08X}" for tag in path)


def _written(path: Path, value: str) -> str:
    return value.replace("\\", ",") if vr_of(path[-1]) == "UI" else value


def one_more(query: Query) -> Query:
    """The query that also tells whether more remains than `query` shall return."""
    return query if query.limit is None else replace(query, limit=query.limit + 1)
