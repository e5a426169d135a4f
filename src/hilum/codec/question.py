"""C-FIND, C-GET and C-MOVE questions: keys to encoded identifiers (PS3.4 §C.4)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from struct import Struct, pack
from struct import error as StructError  # noqa: N812 - it is a class

from hilum.codec import header
from hilum.codec.identifier import (
    QUERY_RETRIEVE_LEVEL,
    SPECIFIC_CHARACTER_SET,
    UNIQUE_KEYS,
)
from hilum.codec.sop_class import EXPLICIT_BE, IMPLICIT_LE
from hilum.model.charsets import ENCODINGS
from hilum.model.dictionary import keyword_of
from hilum.model.errors import BadQuery
from hilum.model.identity import Level, Ref
from hilum.model.query import Path

_NUMBERS = {
    "US": "H", "SS": "h", "UL": "L", "SL": "l", "FL": "f", "FD": "d", "UV": "Q", "SV": "q",
}  # fmt: skip
_BINARY = frozenset(("OB", "OD", "OF", "OL", "OV", "OW"))
_MAX_SHORT = 0xFFFE  # bytes of a value with a 16 bit length
_FALLBACKS = (("ISO_IR 100", "latin-1"), ("ISO_IR 192", "utf-8"))


@dataclass(slots=True)
class _Node:
    """A key: its value, or the keys in the item of its sequence."""

    value: str = ""
    below: dict[int, "_Node"] = field(default_factory=dict)


def keys_of(ref: Ref) -> dict[Path, str]:
    """The unique keys that name what `ref` names; its level is `ref.level`."""
    named = {
        Level.PATIENT: ref.patient,
        Level.STUDY: ref.study,
        Level.SERIES: ref.series,
        Level.IMAGE: ref.instance,
    }
    return {(UNIQUE_KEYS[level],): value for level, value in named.items() if value is not None}


def encode(
    level: Level, keys: Mapping[Path, str], transfer_syntax_uid: str, encoding: str = ""
) -> bytes:
    """The identifier.

    Args:
        level: Query/Retrieve Level (0008,0052).
        keys: path -> value in C-FIND notation; "" asks for the attribute.
        transfer_syntax_uid: of the presentation context, an uncompressed one.
        encoding: Specific Character Set (0008,0005) to write in, where a peer wants a certain
            one; "": none for ASCII, else Latin-1 where it holds the keys, else UTF-8.

    Raises:
        BadQuery: a value cannot be written: no number, too long, or not in that character set.
    """
    root = _Node()
    for path, value in keys.items():
        node = root
        for tag in path:
            node = node.below.setdefault(tag, _Node())
        node.value = value
    root.below[QUERY_RETRIEVE_LEVEL] = _Node(level.value)
    name, codec = _charset(encoding, keys.values())
    if name:
        root.below[SPECIFIC_CHARACTER_SET] = _Node(name)
    return _Writer(transfer_syntax_uid, codec).level(root)


def _charset(encoding: str, values: Iterable[str]) -> tuple[str, str]:
    text = "".join(values)
    if encoding:
        codec = ENCODINGS.get(encoding, "")
        if not codec:
            raise BadQuery(f"{encoding[:16]!r} is no Specific Character Set that can be written")
        try:
            text.encode(codec)
        except UnicodeEncodeError:
            raise BadQuery(f"a value cannot be written in {encoding}") from None
        return encoding, codec
    if text.isascii():
        return "", "ascii"
    for name, codec in _FALLBACKS:
        try:
            text.encode(codec)
        except UnicodeEncodeError:
            continue
        return name, codec
    raise BadQuery("a value holds a lone surrogate")


class _Writer:
    def __init__(self, transfer_syntax_uid: str, codec: str) -> None:
        self._explicit = transfer_syntax_uid != IMPLICIT_LE
        self._order = ">" if transfer_syntax_uid == EXPLICIT_BE else "<"
        self._codec = codec

    def level(self, node: _Node) -> bytes:
        creators = {tag: each.value for tag, each in node.below.items() if tag & 0x10000}
        return b"".join(self._element(tag, node.below[tag], creators) for tag in sorted(node.below))

    def _element(self, tag: int, node: _Node, creators: Mapping[int, str]) -> bytes:
        vr = header.settled(header.vr_of(tag, creators), 0, signed=False)
        if node.below:
            vr, body = "SQ", self.level(node)
            value = pack(self._order + "HHI", 0xFFFE, 0xE000, len(body)) + body
        else:
            value = self._value(tag, vr, node.value)
        head = pack(self._order + "HH", tag >> 16, tag & 0xFFFF)
        if not self._explicit:
            return head + pack("<I", len(value)) + value
        if len(value) > _MAX_SHORT and vr == "UI":
            vr = "UN"  # more than a UI can hold in explicit VR: PS3.5 §6.2.2, note 4
        if vr in header.LONG:
            return head + vr.encode() + pack(self._order + "xxI", len(value)) + value
        if len(value) > _MAX_SHORT:
            raise BadQuery(f"the value of {_name(tag)} is too long")
        return head + vr.encode() + pack(self._order + "H", len(value)) + value

    def _value(self, tag: int, vr: str, text: str) -> bytes:
        if not text:
            return b""
        if vr == "SQ" or vr in _BINARY:
            raise BadQuery(f"{_name(tag)} cannot be matched by a value")
        try:
            if vr in _NUMBERS:
                kind = _NUMBERS[vr]
                number = float if kind in "fd" else int
                one = Struct(self._order + kind)
                return b"".join(one.pack(number(each)) for each in text.split("\\"))
            if vr == "AT":
                tags = [int(each, 16) for each in text.split("\\")]
                return b"".join(pack(self._order + "HH", at >> 16, at & 0xFFFF) for at in tags)
        except (ValueError, OverflowError, StructError):
            raise BadQuery(f"the value of {_name(tag)} is no {vr}") from None
        data = text.encode(self._codec)
        return data + (b"\0" if vr == "UI" else b" ") * (len(data) & 1)


def _name(tag: int) -> str:
    return keyword_of(tag) or f"{tag:08X}"
