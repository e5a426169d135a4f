"""C-FIND answers: matches to encoded identifiers (PS3.4 §C.4.1.1.3.2)."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from struct import Struct, pack
from struct import error as StructError  # noqa: N812 - it is a class
from typing import Any

from hilum.codec import header
from hilum.codec.identifier import (
    INSTANCE_AVAILABILITY,
    QUERY_RETRIEVE_LEVEL,
    RETRIEVE_AE_TITLE,
    SPECIFIC_CHARACTER_SET,
    UNIQUE_KEYS,
    Identifier,
)
from hilum.codec.repertoire import LATIN_1, UTF_8, Repertoire, repertoire
from hilum.codec.sop_class import EXPLICIT_BE, IMPLICIT_LE
from hilum.model.identity import Level
from hilum.model.query import Path

_Element = Mapping[str, Any]
_NUMBERS = {
    "US": "H", "SS": "h", "UL": "L", "SL": "l", "FL": "f", "FD": "d", "UV": "Q", "SV": "q",
}  # fmt: skip
_NUL_PADDED = header.LONG - {"UC", "UR", "UT"} | {"UI"}
_STRINGS = frozenset(("AE", "AS", "CS", "DA", "DT", "LO", "SH", "TM", "UI"))
_MAX_DS = 16  # characters, PS3.5 §6.2
_MAX_SHORT = 0xFFFE  # bytes in a value with a 16 bit length
_FEW = 100  # keys of a query that is remembered
_MAX_PLAIN = 1024  # characters of a text that is written at once


@lru_cache(maxsize=4096)
def _head(tag: int, order: str) -> bytes:
    return pack(order + "HH", tag >> 16, tag & 0xFFFF)


@lru_cache(maxsize=4096)
def _head_with(tag: int, order: str, vr: str) -> bytes:
    return _head(tag, order) + vr.encode()


@dataclass(slots=True)
class _Wanted:
    """A node of the tree of attributes that were asked for; without branches: all below it."""

    below: dict[int, "_Wanted"] = field(default_factory=dict)


def answers(identifier: Identifier, transfer_syntax_uid: str, ae_title: str) -> "Answers":
    """What encodes the matches of one query: the same for many, whose keys are the same."""
    paths = (*identifier.keys,)
    made = _answers if len(paths) <= _FEW else _answers.__wrapped__
    return made(identifier.level, paths, identifier.encodings, transfer_syntax_uid, ae_title)


@lru_cache(maxsize=64)
def _answers(
    level: Level,
    paths: tuple[Path, ...],
    encodings: tuple[str, ...],
    transfer_syntax_uid: str,
    ae_title: str,
) -> "Answers":
    asked = Identifier(level, dict.fromkeys(paths, ""), encodings)
    return Answers(asked, transfer_syntax_uid, ae_title)


class Answers:
    """Encodes the matches of one query.

    Args:
        identifier: the query's, which says what to return and in which characters.
        transfer_syntax_uid: of the presentation context.
        ae_title: from where the matches can be retrieved.
    """

    def __init__(self, identifier: Identifier, transfer_syntax_uid: str, ae_title: str) -> None:
        self._level = identifier.level
        self._ae_title = ae_title
        self._explicit = transfer_syntax_uid != IMPLICIT_LE
        self._order = ">" if transfer_syntax_uid == EXPLICIT_BE else "<"
        self._short = Struct(self._order + "H")
        # the same for every match, and written in ASCII
        self._ours = {
            QUERY_RETRIEVE_LEVEL: self._ascii(QUERY_RETRIEVE_LEVEL, "CS", self._level.value),
            RETRIEVE_AE_TITLE: self._ascii(RETRIEVE_AE_TITLE, "AE", self._ae_title),
            INSTANCE_AVAILABILITY: self._ascii(INSTANCE_AVAILABILITY, "CS", "ONLINE"),
        }
        ours, below = self._ours, self._tree(identifier).below
        tags = sorted({*ours, *below} - {SPECIFIC_CHARACTER_SET})
        self._columns = tuple((tag, f"{tag:08X}", below.get(tag)) for tag in tags)
        self._empty: dict[int, bytes] = {}  # what stands for an attribute that a match has not
        writers = (repertoire(identifier.encodings) or LATIN_1, UTF_8)
        self._writers = tuple((each, self._charset(each)) for each in writers)

    def _charset(self, writer: Repertoire) -> bytes:
        element = {"vr": "CS", "Value": [writer.name]}
        return self._element(SPECIFIC_CHARACTER_SET, element, writer)

    def _tree(self, identifier: Identifier) -> _Wanted:
        tree = _Wanted()
        levels = list(Level)
        keys: list[Path] = [(UNIQUE_KEYS[identifier.level],)]
        keys += [(UNIQUE_KEYS[each],) for each in levels[: levels.index(identifier.level)]]
        if identifier.level is not Level.PATIENT and (UNIQUE_KEYS[Level.PATIENT],) not in set(
            identifier.keys
        ):
            keys.remove((UNIQUE_KEYS[Level.PATIENT],))  # Study Root: no unique key of its own
        for path in [*keys, *identifier.keys]:
            node = tree
            for tag in path:
                node = node.below.setdefault(tag, _Wanted())
        return tree

    def encode(self, attributes: Mapping[str, _Element]) -> bytes:
        """The identifier of one match; `attributes` is its DICOM JSON object.

        What was asked for and is not there comes back empty.
        """
        for writer, charset in self._writers:
            parts = [charset]
            try:
                for tag, key, below in self._columns:
                    part = self._ours.get(tag)
                    if part is None:
                        element = attributes.get(key)
                        part = self._plain(tag, element) if element else self._empty.get(tag)
                    if not part:
                        part = self._element(tag, element, writer, below)
                        if not element:
                            self._empty[tag] = part
                    parts.append(part)
                return b"".join(parts)
            except UnicodeEncodeError:
                continue
        raise AssertionError("UTF-8 holds every character")  # pragma: no cover

    def _plain(self, tag: int, element: _Element) -> bytes:
        """One text of ASCII, which is the same in every character set; b"" for anything else."""
        vr, values = str(element["vr"]), element.get("Value")
        if not values or len(values) != 1:
            return b""
        text = values[0]
        if vr == "PN" and type(text) is dict and len(text) == 1:
            text = text.get("Alphabetic")
        elif vr not in _STRINGS:
            return b""
        if type(text) is not str or not text.isascii() or len(text) > _MAX_PLAIN or "=" in text:
            return b""
        return self._ascii(tag, vr, text)

    def _ascii(self, tag: int, vr: str, text: str) -> bytes:
        """A short text, which is in ASCII."""
        if len(text) & 1:
            text += "\0" if vr == "UI" else " "
        data = text.encode("ascii", "replace")
        if not self._explicit:
            return _head(tag, "<") + pack("<I", len(data)) + data
        return _head_with(tag, self._order, vr) + self._short.pack(len(data)) + data

    def _element(
        self,
        tag: int,
        element: _Element | None,
        writer: Repertoire,
        wanted: _Wanted | None = None,
    ) -> bytes:
        vr = (
            str(element["vr"])
            if element
            else header.settled(header.vr_of(tag, {}), 0, signed=False)
        )
        if vr == "SQ":
            value = self._items((element or {}).get("Value") or (), writer, wanted)
        else:
            value = self._value(vr, element, writer) if element else b""
        head = _head(tag, self._order)
        if not self._explicit:
            return head + pack("<I", len(value)) + value
        if vr in header.LONG:
            return head + vr.encode() + pack(self._order + "xxI", len(value)) + value
        if len(value) > _MAX_SHORT:  # more than its VR can hold: PS3.5 §6.2.2, note 4
            return head + b"UN" + pack(self._order + "xxI", len(value)) + value
        return head + vr.encode() + self._short.pack(len(value)) + value

    def _items(
        self,
        items: Sequence[Mapping[str, _Element] | None],
        writer: Repertoire,
        wanted: _Wanted | None,
    ) -> bytes:
        parts = []
        for item in items:
            found = item or {}
            below = wanted.below if wanted is not None else {}
            tags = sorted(below) if below else sorted(int(key, 16) for key in found)
            body = b"".join(
                self._element(tag, found.get(f"{tag:08X}"), writer, below.get(tag))
                for tag in tags
                if tag != SPECIFIC_CHARACTER_SET  # the one at the root holds for all
            )
            parts.append(pack(self._order + "HHI", 0xFFFE, 0xE000, len(body)) + body)
        return b"".join(parts)

    def _value(self, vr: str, element: _Element, writer: Repertoire) -> bytes:
        """The value; empty where it is not what its VR allows."""
        values = element.get("Value")
        if vr in _STRINGS and values and type(values[0]) is str and len(values) == 1:
            data = writer.encode(values[0])
            return data if not len(data) & 1 else data + (b"\0" if vr == "UI" else b" ")
        try:
            binary = self._binary(vr, element)
        except (StructError, TypeError, ValueError, OverflowError):
            return b""
        if binary is None:
            text = "\\".join(_text(vr, value) for value in values or ())
            data = writer.encode(text, person=vr == "PN")
        else:
            data = binary
        if len(data) & 1:
            data += b"\0" if vr in _NUL_PADDED else b" "
        return data

    def _binary(self, vr: str, element: _Element) -> bytes | None:
        """What is not text; None where it is."""
        if "InlineBinary" in element:
            data = base64.b64decode(element["InlineBinary"])
            if self._order == ">" and vr in header.WORD:  # DICOM JSON has little endian
                data = header.swapped(data, header.WORD[vr])
            return data
        values = [value for value in element.get("Value") or () if value is not None]
        kind = _NUMBERS.get(vr)
        if kind is not None:
            one = Struct(self._order + kind)
            return b"".join(one.pack(_number(value, kind)) for value in values)
        if vr == "AT":
            numbers = [int(value, 16) for value in values if value]
            return b"".join(pack(self._order + "HH", each >> 16, each & 0xFFFF) for each in numbers)
        return None


def _number(value: Any, kind: str) -> float | int:  # noqa: ANN401 - a JSON value
    return float(value) if kind in "fd" else int(value)


def _text(vr: str, value: Any) -> str:  # noqa: ANN401 - a JSON value
    if value is None:
        return ""
    if vr == "PN":
        groups = [value.get(name, "") for name in ("Alphabetic", "Ideographic", "Phonetic")]
        return "=".join(groups).rstrip("=")
    if vr == "DS" and not isinstance(value, str):
        text = f"{value}"
        return text if len(text) <= _MAX_DS else _shortened(float(value))
    return str(value)


def _shortened(value: float) -> str:
    """A number, as precisely as a DS can hold it."""
    texts = (f"{value:.{digits}g}" for digits in range(_MAX_DS, 0, -1))
    return next(text for text in texts if len(text) <= _MAX_DS)
