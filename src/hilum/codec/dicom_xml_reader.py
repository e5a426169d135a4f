"""Which attributes does an XML document of the Native DICOM Model have? (PS3.19 §A.1)."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Final
from xml.parsers import expat

from hilum.codec import value
from hilum.codec.elements import MAX_DEPTH, MAX_ELEMENTS
from hilum.codec.flat import LEFT_OUT, READERS
from hilum.codec.header import LONG, SHORT_VRS, settled
from hilum.model import dictionary
from hilum.model.errors import BadDataset, TooLarge

MAX_XML: Final = 16 * 1024 * 1024
"""Bytes of one document; what is longer belongs into bulk data."""

Attributes = dict[str, dict[str, Any]]

_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")
_COMPONENTS = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")
_TAG = re.compile(r"[0-9A-Fa-f]{8}")
_NUMBER = re.compile(r"[1-9][0-9]{0,6}")
_BINARY = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "UN"))
_VRS = frozenset(SHORT_VRS.values()) | LONG
_FIRST_BLOCK, _BLOCKS = 0x10, 0x100  # PS3.5 §7.8.1
_SAFE = 2**53 - 1


def loads(document: bytes, *, max_size: int = MAX_XML) -> Attributes:
    """The data set of a document, in the DICOM JSON Model.

    Read leniently: with or without the namespace, without `vr` or by `keyword` alone where the
    dictionary knows it, in any order. A private attribute is given the block that its creator has
    in the data set, or a new one. A `uuid` of bulk data is taken as its URI.

    Raises:
        BadDataset: it is not XML, has a document type or entities, or does not say a data set.
        TooLarge: it is longer than `max_size`, or has more than `MAX_ELEMENTS` elements.
    """
    if len(document) > max_size:
        raise TooLarge(f"the XML is longer than {max_size} bytes")
    reader = _Reader()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler = reader.begin
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    # Neither files nor bombs hide behind entities that nobody may declare.
    parser.StartDoctypeDeclHandler = _refused
    parser.EntityDeclHandler = _refused
    try:
        parser.Parse(document, True)  # noqa: FBT003 - expat's own
    except (expat.ExpatError, LookupError, ValueError) as error:  # also encodings it cannot do
        raise BadDataset("not well-formed XML") from error
    return reader.root


def _refused(*_: object) -> None:
    raise BadDataset("an XML document with a document type is not taken")


@dataclass(slots=True)
class _Attribute:
    """One DicomAttribute, as it is read.

    Attributes:
        creator: its private creator, "" for none.
        number: that of the value at hand.
    """

    tag: int
    vr: str
    creator: str
    values: list[Any] = field(default_factory=list)
    bulk: str | None = None
    inline: str | None = None
    number: int = 0


@dataclass(slots=True)
class _Level:
    """The root or an item."""

    attributes: dict[int, dict[str, Any]] = field(default_factory=dict)
    private: list[tuple[_Attribute, dict[str, Any]]] = field(default_factory=list)


class _Reader:
    """Takes what expat finds.

    Attributes:
        root: the data set, once the document has ended.
    """

    def __init__(self) -> None:
        self.root: Attributes = {}
        self._path: list[str] = []
        self._levels: list[_Level] = []
        self._open: list[_Attribute] = []
        self._name: dict[str, dict[str, str]] = {}
        self._text: list[str] = []
        self._elements = 0

    def begin(self, name: str, given: Mapping[str, str]) -> None:
        """An element begins."""
        name = name.rpartition(" ")[2]
        self._elements += 1
        if self._elements > MAX_ELEMENTS:
            raise TooLarge("the XML has too many elements")
        if not self._path and name != "NativeDicomModel":
            raise BadDataset("the XML is no NativeDicomModel")
        if len(self._path) > 2 * MAX_DEPTH + 8:
            raise BadDataset("sequences are nested too deep")
        expected = _WITHIN.get(name)
        if expected is not None and (self._path[-1:] or ("",))[0] not in expected:
            raise BadDataset(f"{name} stands in the wrong place")
        self._path.append(name)
        self._text.clear()
        starts = _STARTS.get(name)
        if starts is not None:
            starts(self, given)

    def end(self, name: str) -> None:
        """An element ends."""
        name = name.rpartition(" ")[2]
        self._path.pop()
        ends = _ENDS.get(name)
        if ends is not None:
            ends(self, "".join(self._text))
        elif name in _COMPONENTS:
            self._name.setdefault(self._path[-1], {})[name] = "".join(self._text)
        self._text.clear()

    def text(self, text: str) -> None:
        """Characters."""
        self._text.append(text)

    def begin_level(self, _: Mapping[str, str]) -> None:
        self._levels.append(_Level())

    def begin_item(self, given: Mapping[str, str]) -> None:
        self.begin_value(given)
        self._levels.append(_Level())

    def begin_attribute(self, given: Mapping[str, str]) -> None:
        tag = _tag(given)
        creator = given.get("privateCreator", "").strip()
        private = bool(tag >> 16 & 1)
        vr = given.get("vr", "").strip() or _vr(tag)
        if vr not in _VRS:
            raise BadDataset(f"{_named(tag)} has no VR that is known")
        self._open.append(_Attribute(tag, vr, creator if private else ""))

    def begin_value(self, given: Mapping[str, str]) -> None:
        attribute = self._open[-1]
        number = given.get("number", str(attribute.number + 1)).strip()
        if not _NUMBER.fullmatch(number):
            raise BadDataset(f"{_named(attribute.tag)} has a value whose number is none")
        attribute.number = int(number)
        self._name = {}

    def begin_bulk(self, given: Mapping[str, str]) -> None:
        self._open[-1].bulk = given.get("uri", given.get("uuid"))

    def end_inline(self, text: str) -> None:
        self._open[-1].inline = "".join(text.split())

    def end_value(self, text: str) -> None:
        attribute = self._open[-1]
        try:
            read = _read(attribute.vr, text)
        except (ValueError, OverflowError) as error:
            raise BadDataset(f"{_named(attribute.tag)} has a value that is not usable") from error
        self._put(read)

    def end_name(self, _: str) -> None:
        groups = {
            group: "^".join(parts.get(key, "") for key in _COMPONENTS).rstrip("^")
            for group in _GROUPS
            if (parts := self._name.get(group))
        }
        self._put({key: text for key, text in groups.items() if text} or None)

    def end_item(self, _: str) -> None:
        self._put(_finished(self._levels.pop()))

    def end_root(self, _: str) -> None:
        self.root = _finished(self._levels.pop())

    def end_attribute(self, _: str) -> None:
        attribute = self._open.pop()
        written = _written(attribute)
        level = self._levels[-1]
        if attribute.creator:
            level.private.append((attribute, written))
        elif attribute.tag in level.attributes:
            raise BadDataset(f"{_named(attribute.tag)} occurs twice")
        elif attribute.tag >> 16 not in LEFT_OUT and attribute.tag & 0xFFFF:
            level.attributes[attribute.tag] = written

    def _put(self, read: Any) -> None:  # noqa: ANN401 - by VR
        """A value at its number, with empty ones before it where they were left out."""
        attribute = self._open[-1]
        gap = attribute.number - len(attribute.values) - 1
        if gap < 0:
            raise BadDataset(f"{_named(attribute.tag)} has its values in another order")
        self._elements += gap
        if self._elements > MAX_ELEMENTS:
            raise TooLarge("the XML has too many values")
        attribute.values += [None] * gap
        attribute.values.append(read)


_WITHIN: Mapping[str, tuple[str, ...]] = {
    "NativeDicomModel": ("",),
    "DicomAttribute": ("NativeDicomModel", "Item"),
    **dict.fromkeys(
        ("Value", "Item", "PersonName", "BulkData", "InlineBinary"), ("DicomAttribute",)
    ),
    **dict.fromkeys(_GROUPS, ("PersonName",)),
    **dict.fromkeys(_COMPONENTS, _GROUPS),
}
_STARTS: Mapping[str, Callable[[_Reader, Mapping[str, str]], None]] = {
    "NativeDicomModel": _Reader.begin_level,
    "DicomAttribute": _Reader.begin_attribute,
    "Item": _Reader.begin_item,
    "Value": _Reader.begin_value,
    "PersonName": _Reader.begin_value,
    "BulkData": _Reader.begin_bulk,
}
_ENDS: Mapping[str, Callable[[_Reader, str], None]] = {
    "NativeDicomModel": _Reader.end_root,
    "DicomAttribute": _Reader.end_attribute,
    "Item": _Reader.end_item,
    "Value": _Reader.end_value,
    "PersonName": _Reader.end_name,
    "InlineBinary": _Reader.end_inline,
}


def _named(tag: int) -> str:
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


def _tag(given: Mapping[str, str]) -> int:
    text = given.get("tag", "").strip()
    if _TAG.fullmatch(text):
        return int(text, 16)
    keyword = given.get("keyword", "").strip()
    known = dictionary.keywords().get(keyword) if keyword and not text else None
    if known is None:
        raise BadDataset("an attribute has neither a tag nor a keyword that is known")
    return known


def _vr(tag: int) -> str:
    return settled(dictionary.vr_of(tag) or "UN", 0, signed=False)


def _written(attribute: _Attribute) -> dict[str, Any]:
    """The attribute object of the DICOM JSON Model.

    Raises:
        BadDataset: it holds what its VR cannot have.
    """
    vr, values = attribute.vr, attribute.values
    if attribute.bulk is not None:
        return {"vr": vr, "BulkDataURI": attribute.bulk}
    if attribute.inline is not None:
        return {"vr": vr, "InlineBinary": attribute.inline} if attribute.inline else {"vr": vr}
    if vr in _BINARY and values:
        raise BadDataset(f"{_named(attribute.tag)} has values that its VR cannot have")
    if vr == "SQ":
        values = [each or {} for each in values]
    return {"vr": vr, "Value": values} if any(each is not None for each in values) else {"vr": vr}


def _read(vr: str, text: str) -> Any:  # noqa: ANN401 - by VR
    """One value as the DICOM JSON Model has it; None for an empty one.

    Raises:
        ValueError: it is none of that VR.
    """
    if vr in {"SQ", *_BINARY}:
        raise ValueError
    if vr in value.NUMBERS:
        return _number(vr, text.strip()) if text.strip() else None
    if vr == "AT":
        digits = re.sub(r"[(),\s]", "", text).upper()
        if digits and not _TAG.fullmatch(digits):
            raise ValueError
        return digits or None
    text = text.rstrip(" \0")
    if not text:
        return None
    if "\\" in text:  # which would part values elsewhere; here every value stands alone
        if vr in {"DS", "IS", "PN"}:
            raise ValueError
        return text
    return READERS[vr](text)[0]


def _number(vr: str, text: str) -> float | str:
    if "_" in text:
        raise ValueError
    if vr in {"FD", "FL"}:
        real = float(text)
        if not isfinite(real):
            raise ValueError
        return real
    whole = int(text)
    return whole if abs(whole) <= _SAFE else str(whole)


def _finished(level: _Level) -> Attributes:
    """The attributes of a level by their names, the private ones in their blocks."""
    blocks: dict[tuple[int, int, str], int] = {}
    for attribute, written in level.private:
        group, number = attribute.tag >> 16, attribute.tag & 0xFFFF
        asked = group, number >> 8, attribute.creator
        block = blocks[asked] = blocks.get(asked) or _block(level.attributes, *asked)
        tag = group << 16 | block << 8 | number & 0xFF
        if tag in level.attributes:
            raise BadDataset(f"{_named(tag)} occurs twice")
        level.attributes[tag] = written
    return {f"{tag:08X}": each for tag, each in sorted(level.attributes.items())}


def _block(attributes: dict[int, dict[str, Any]], group: int, wanted: int, creator: str) -> int:
    """The block of a private creator, which is made where there is none."""
    free = 0
    blocks: list[int] = [*range(_FIRST_BLOCK, _BLOCKS)]
    for block in [wanted, *blocks] if wanted >= _FIRST_BLOCK else blocks:
        reserved = attributes.get(group << 16 | block)
        if reserved is None:
            free = free or block
        elif reserved.get("Value", [None])[0] == creator:
            return block
    if not free:
        raise BadDataset(f"group {group:04X} has no room for another private creator")
    attributes[group << 16 | free] = {"vr": "LO", "Value": [creator]}
    return free
