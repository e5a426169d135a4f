"""Identifiers of C-FIND, C-GET and C-MOVE: bytes to queries and references (PS3.4 §C.4)."""

from collections.abc import Mapping
from dataclasses import dataclass
from struct import Struct
from struct import error as StructError  # noqa: N812 - it is a class

from hilum.codec import elements, header
from hilum.codec.charset import TEXT_VRS, Charset, charset_of
from hilum.codec.walked import LITTLE, Element
from hilum.model.dictionary import keyword_of
from hilum.model.errors import BadDataset, BadQuery
from hilum.model.identity import Level, Ref, is_uid
from hilum.model.query import Path, Query

SPECIFIC_CHARACTER_SET = 0x00080005
QUERY_RETRIEVE_LEVEL = 0x00080052
RETRIEVE_AE_TITLE = 0x00080054
INSTANCE_AVAILABILITY = 0x00080056
PATIENT_ID = 0x00100020
UNIQUE_KEYS = {  # PS3.4 §C.6.1.1
    Level.PATIENT: PATIENT_ID,
    Level.STUDY: 0x0020000D,
    Level.SERIES: 0x0020000E,
    Level.IMAGE: 0x00080018,
}
_FIELDS = {  # of a Ref
    Level.PATIENT: "patient",
    Level.STUDY: "study",
    Level.SERIES: "series",
    Level.IMAGE: "instance",
}
_CONTROL = frozenset(  # with Length to End, Query/Retrieve View and Timezone Offset From UTC
    (SPECIFIC_CHARACTER_SET, QUERY_RETRIEVE_LEVEL, 0x00080001, 0x00080053, 0x00080201)
)
_OURS = frozenset((RETRIEVE_AE_TITLE, INSTANCE_AVAILABILITY))
_NUMBERS = {
    "US": "H", "SS": "h", "UL": "L", "SL": "l", "FL": "f", "FD": "d", "UV": "Q", "SV": "q",
}  # fmt: skip
_MAX_DEPTH = 8  # sequences in a query that are followed
_WILD = frozenset("*?")


@dataclass(frozen=True, slots=True)
class Identifier:
    """What an identifier says.

    Attributes:
        level: Query/Retrieve Level (0008,0052).
        keys: path -> value in the notation of `Query.match`; "" asks for the attribute.
        encodings: the Specific Character Set, as sent.
    """

    level: Level
    keys: Mapping[Path, str]
    encodings: tuple[str, ...]


def parse(data: bytes, transfer_syntax_uid: str) -> Identifier:
    """Read an identifier.

    Raises:
        BadQuery: it cannot be read, or has no or an unknown Query/Retrieve Level.
    """
    try:
        walked = elements.walk(data, transfer_syntax_uid)
    except BadDataset as error:
        raise BadQuery("the identifier cannot be read") from error
    if walked.truncated:
        raise BadQuery("the identifier is cut off")
    reader = _Reader(bytes(walked.data))
    reader.read(walked.elements, (), Charset(), big=walked.big)
    keys = reader.keys
    level = keys.pop((QUERY_RETRIEVE_LEVEL,), "")
    try:
        return Identifier(Level(level.upper()), keys, reader.encodings)
    except ValueError:
        raise BadQuery("Query/Retrieve Level (0008,0052) is missing or unknown") from None


class _Reader:
    """Collects the keys of an identifier, sequences by path."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.encodings: tuple[str, ...] = ()
        self.keys: dict[Path, str] = {}

    def read(self, found: list[Element], above: Path, charset: Charset, *, big: bool) -> None:
        """Read the elements of the root or of one item."""
        for tag, vr, at, length, items, kind in found:
            if tag & 0xFFFF == 0:
                continue
            raw = self._data[at : at + length]
            if tag == SPECIFIC_CHARACTER_SET:
                charset = charset_of(raw)
                if not above:
                    self.encodings = _terms(raw)
                continue
            path = (*above, tag)
            if items is not None:
                self._sequence(path, items, charset, big=big and kind != LITTLE)
                continue
            if vr in TEXT_VRS:
                text, _ = charset.decode(raw, person=vr == "PN")
                self.keys[path] = _stripped(text)
            else:
                one = header.settled(vr, length, signed=False)
                self.keys[path] = _plain(one, raw, big=big)

    def _sequence(
        self, path: Path, items: list[list[Element]], charset: Charset, *, big: bool
    ) -> None:
        if len(path) > _MAX_DEPTH:
            raise BadQuery("the identifier nests sequences too deeply")
        if len(items) > 1:
            raise BadQuery(f"{_name(path)} has more than one item to match (PS3.4 §C.2.2.2.6)")
        if not items or not items[0]:
            self.keys[path] = ""
        else:
            self.read(items[0], path, charset, big=big)


def _terms(raw: bytes) -> tuple[str, ...]:
    text = raw.decode("latin-1").strip(" \0")
    return tuple(each.strip(" \0") for each in text.split("\\")) if text else ()


def _stripped(text: str) -> str:
    return "\\".join(each.strip(" \0") for each in text.rstrip(" \0").split("\\"))


def _plain(vr: str, raw: bytes, *, big: bool) -> str:
    """A value that has no character set: numbers and tags as text."""
    order = ">" if big else "<"
    kind = _NUMBERS.get(vr)
    if kind is not None:
        try:
            return "\\".join(str(value) for (value,) in Struct(order + kind).iter_unpack(raw))
        except StructError:
            raise BadQuery("a number in the identifier has a wrong length") from None
    if vr == "AT":
        pairs = Struct(order + "HH").iter_unpack(raw[: len(raw) & ~3])
        return "\\".join(f"{group:04X}{number:04X}" for group, number in pairs)
    return _stripped(raw.decode("latin-1"))


def _name(path: Path) -> str:
    return ".".join(keyword_of(tag) or f"{tag:08X}" for tag in path)


def _levels(*, patient_root: bool) -> list[Level]:
    return list(Level) if patient_root else list(Level)[1:]


def to_query(
    identifier: Identifier, *, patient_root: bool, relational: bool, fuzzy: bool = False
) -> Query:
    """The query that a C-FIND identifier asks (PS3.4 §C.4.1.2, §C.4.1.3).

    Args:
        identifier: as read.
        patient_root: of the two information models, the Patient Root one.
        relational: relational queries were agreed on, so that the unique keys above the level
            may be left out.
        fuzzy: fuzzy matching of names was agreed on.

    Raises:
        BadQuery: the level is not of the model, or a unique key above it is missing.
    """
    levels = _levels(patient_root=patient_root)
    if identifier.level not in levels:
        raise BadQuery("the Study Root model has no PATIENT level")
    match, include = {}, set()
    for path, value in identifier.keys.items():
        if path[0] in _CONTROL or (path[0] in _OURS and len(path) == 1):
            continue
        if value and not set(value) <= {"*"}:
            match[path] = value
        else:
            include.add(path)
    if not relational:
        for level in levels[: levels.index(identifier.level)]:
            value = match.get((UNIQUE_KEYS[level],), "")
            if not value or "\\" in value or _WILD & set(value):
                name = _name((UNIQUE_KEYS[level],))
                at = identifier.level.value
                raise BadQuery(f"{name} is needed at {at} level, unless relational")
    return Query(
        level=identifier.level,
        match=match,
        include=frozenset(include),
        fuzzy=fuzzy,
        is_bare=True,
    )


def to_refs(identifier: Identifier, *, patient_root: bool) -> tuple[Ref, ...]:
    """What a C-GET or C-MOVE identifier asks for (PS3.4 §C.4.2.1.4, §C.4.3.1.3).

    The unique keys above the level narrow it where they are given, and may be left out: a UID
    names one thing anyway.

    Raises:
        BadQuery: the level is not of the model, the unique key of the level is missing, a unique
            key is no UID, has wildcards or, above the level, more than one value; or another key
            is there to match on.
    """
    level = identifier.level
    levels = _levels(patient_root=patient_root)
    if level not in levels:
        raise BadQuery("the Study Root model has no PATIENT level")
    above = list(Level)[: list(Level).index(level)]
    _check_keys(identifier, {UNIQUE_KEYS[each] for each in (*above, level)})
    wanted = _uniques(identifier, level)
    if not wanted:
        raise BadQuery(f"{_name((UNIQUE_KEYS[level],))} needs a value at {level.value} level")
    given: dict[str, str] = {}
    for each in above:
        values = _uniques(identifier, each)
        if len(values) > 1:
            raise BadQuery(f"{_name((UNIQUE_KEYS[each],))} has more than one value")
        if values:
            given[_FIELDS[each]] = values[0]
    return tuple(Ref(**{**given, _FIELDS[level]: each}) for each in wanted)


def _check_keys(identifier: Identifier, unique: set[int]) -> None:
    """PS3.4 §C.4.2.2.1: nothing but unique keys. Those below the level are empty, or refused."""
    for path, value in identifier.keys.items():
        if value and path[0] not in unique | _CONTROL | _OURS:
            raise BadQuery(f"{_name(path)} cannot choose what to retrieve: it is no unique key")


def _uniques(identifier: Identifier, level: Level) -> list[str]:
    """The values of a unique key, each once.

    Raises:
        BadQuery: one is no UID, or has wildcards.
    """
    value = identifier.keys.get((UNIQUE_KEYS[level],), "")
    found = list(dict.fromkeys(each for each in value.split("\\") if each))
    for each in found:
        if _WILD & set(each) if level is Level.PATIENT else not is_uid(each):
            what = "has wildcards" if level is Level.PATIENT else "is not a UID"
            raise BadQuery(f"{_name((UNIQUE_KEYS[level],))} {what}")
    return found
