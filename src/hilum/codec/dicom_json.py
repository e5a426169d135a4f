"""Encoded data sets in the DICOM JSON Model, and that model as text (PS3.18 Annex F)."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import orjson

from hilum.codec import value
from hilum.codec.charset import TEXT_VRS, Charset, charset_of
from hilum.codec.elements import walk
from hilum.codec.flat import KEYS, LEFT_OUT, READERS, WORDS, flat
from hilum.codec.header import (
    EXPLICIT_LITTLE,
    PIXELS,
    WORD,
    Buffer,
    settled,
    swapped,
)
from hilum.codec.remembered import Remembered, beginning
from hilum.codec.walked import FRAGMENTS, LITTLE, PLAIN, Element, Walked
from hilum.model.errors import BadDataset, NotFound

__all__ = [
    "Attributes",
    "Described",
    "bulk_at",
    "dumps",
    "from_encoded",
    "from_walked",
    "loads",
]

Attributes: TypeAlias = dict[str, dict[str, Any]]
"""A data set in the DICOM JSON Model: tags of eight upper-case hex digits, in order."""

MAX_TEXT: Final = 1024 * 1024
"""Bytes of a value of any VR from which it is given by BulkDataURI (PS3.18 §F.2.6)."""

_CHARSET = 0x00080005
_PIXEL_REPRESENTATION = 0x00280103
_META = 0x0002  # group
_DELIMITERS = 0xFFFE  # group
_BINARY = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "UN"))


@dataclass(frozen=True, slots=True)
class Described:
    """A data set in the DICOM JSON Model.

    Attributes:
        attributes: all of it but group lengths, group 0002 and trailing padding.
        warnings: what was left out or may not be read as it was meant; tags, never values.
        notes: what was wrong and could be read all the same, such as a misspelt character set.
        truncated: the data set ends within an element.
    """

    attributes: Attributes
    warnings: list[str]
    notes: list[str]
    truncated: bool


def from_encoded(
    buffer: Buffer,
    transfer_syntax_uid: str,
    *,
    inline_limit: int = 1024,
    charset: str | None = None,
    remembered: Remembered | None = None,
) -> Described:
    """The DICOM JSON Model of an encoded data set (without File Meta Information).

    Text is decoded, and Specific Character Set (0008,0005) says ISO_IR 192 where it said
    something or there is text beyond ASCII. Pixel Data, binary values longer than
    `inline_limit` bytes, and anything longer than `MAX_TEXT` are `"BulkDataURI": "/bulkdata/…"`
    with the path that `bulk_at` takes. Values that cannot be decoded are left out, with a
    warning.

    Text is read as Specific Character Set declares it; where it declares nothing, escape
    sequences (ISO 2022) are followed, and else what is valid UTF-8 is that, and the rest Latin-1.

    Args:
        buffer: the encoded data set.
        transfer_syntax_uid: of the buffer.
        inline_limit: bytes, as above.
        charset: Specific Character Set that all text is really in, whatever is declared.
        remembered: values that were read before; what is given must then not be changed below its
            first level.

    Raises:
        BadDataset: not even the headers of the elements can be read.
    """
    if charset is None and transfer_syntax_uid == EXPLICIT_LITTLE and len(buffer) <= inline_limit:
        attributes = flat(buffer)
        if attributes is not None:
            return Described(attributes, [], [], truncated=False)
    walked = walk(buffer, transfer_syntax_uid, header=True)
    forced = charset_of(charset.encode("latin-1", "replace")) if charset is not None else None
    return from_walked(walked, inline_limit, forced, remembered)


def from_walked(
    walked: Walked,
    inline_limit: int = 1024,
    forced: Charset | None = None,
    remembered: Remembered | None = None,
) -> Described:
    """The same of a data set whose elements are known; `forced` as `charset` there."""
    writer = Writer(walked, inline_limit, forced, remembered)
    attributes = writer.level(walked.elements, None, "", big=walked.big)
    return with_charset(writer, walked, attributes)


def with_charset(writer: "Writer", walked: Walked, attributes: Attributes) -> Described:
    """All that `writer` made, which says that it is in UTF-8 if it is beyond ASCII."""
    if writer.beyond_ascii and "00080005" not in attributes:
        attributes["00080005"] = _utf_8()
        attributes = dict(sorted(attributes.items()))
    return Described(attributes, walked.warnings, walked.notes, walked.truncated)


def bulk_at(buffer: Buffer, transfer_syntax_uid: str, path: str) -> tuple[int, int, str, bool]:
    """Where the value of a BulkDataURI is: offset, length, VR, and whether it is encapsulated.

    The offset counts in the buffer; in that of `deflate.inflate` where the Transfer Syntax
    is deflated. Encapsulated: items (PS3.5 §A.4) from the Basic Offset Table on, without
    the delimiter. The bytes are in the byte order of the Transfer Syntax: see `header.WORD`.

    Args:
        buffer: the encoded data set.
        transfer_syntax_uid: of the buffer.
        path: tags and item numbers from 0, "00880200/0/7FE00010".

    Raises:
        NotFound: there is no such value.
        BadDataset: as `from_encoded`.
    """
    level = walk(buffer, transfer_syntax_uid).elements
    *above, last = path.split("/")
    try:
        for tag, number in zip(above[::2], above[1::2], strict=True):
            level = (_at(level, int(tag, 16))[4] or [])[int(number)]
        _, vr, start, length, items, kind = _at(level, int(last, 16))
    except (ValueError, LookupError, StopIteration):
        raise NotFound("no such bulk data") from None
    if items is not None:
        raise NotFound("a sequence is no bulk data")
    return start, length, _bulk_vr(vr, length, kind), kind == FRAGMENTS


def _at(level: list[Element], tag: int) -> Element:
    """The element that counts, where a tag stands twice: the last one."""
    return next(element for element in reversed(level) if element[0] == tag)


def _bulk_vr(vr: str, length: int, kind: int) -> str:
    if kind == FRAGMENTS and " " in vr:
        return "OB"
    return settled(vr, length, signed=False)


def dumps(attributes: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> bytes:
    """JSON in UTF-8."""
    try:
        return orjson.dumps(attributes)
    except orjson.JSONEncodeError:  # a lone surrogate, which some codecs let through
        return orjson.dumps(_sound(attributes))


def _sound(node: Any) -> Any:  # noqa: ANN401 - any JSON
    """The same JSON without lone surrogates."""
    if isinstance(node, str):
        return node.encode("utf-8", "replace").decode()
    if isinstance(node, Mapping):
        return {key: _sound(each) for key, each in node.items()}
    return [_sound(each) for each in node] if isinstance(node, list | tuple) else node


def loads(text: bytes) -> Attributes:
    """A data set from its JSON.

    Raises:
        BadDataset: it is no JSON, or not an object that holds only attribute objects.
    """
    try:
        attributes = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadDataset("not JSON") from error
    if not isinstance(attributes, dict) or not all(
        isinstance(each, dict) for each in attributes.values()
    ):
        raise BadDataset("not a data set in the DICOM JSON Model")
    return attributes


def _utf_8() -> dict[str, Any]:
    return {"vr": "CS", "Value": ["ISO_IR 192"]}


class Scope:
    """What an item takes from its own elements, or from what is around it."""

    __slots__ = ("_above", "_elements", "_signed", "charset")

    def __init__(
        self,
        elements: list[Element],
        above: "Scope | None",
        data: Buffer,
        forced: Charset | None,
    ) -> None:
        self._elements = elements
        self._above = above
        self._signed: bool | None = None
        self.charset: Charset = forced or (above.charset if above else Charset())
        if forced is not None:
            return
        for tag, _, start, length, _, _ in elements:
            if tag >= _CHARSET:
                if tag == _CHARSET:
                    self.charset = charset_of(bytes(data[start : start + min(length, 1024)]))
                break

    def signed(self, data: Buffer) -> bool:
        """Pixel Representation (0028,0103) is 1, in this item or around it."""
        if self._signed is None:
            found = (each for each in self._elements if each[0] == _PIXEL_REPRESENTATION)
            element = next(found, None)
            if element is not None:
                self._signed = any(data[element[2] : element[2] + element[3]])
            else:
                self._signed = self._above.signed(data) if self._above else False
        return self._signed


class Writer:
    """Turns the elements of one data set into JSON, level by level."""

    def __init__(
        self,
        walked: Walked,
        inline_limit: int,
        forced: Charset | None,
        remembered: Remembered | None,
    ) -> None:
        self._remembered = remembered
        self._begin = b"" if remembered is None else beginning(walked.data)
        self._walked = walked
        self._forced = forced
        self._data = walked.data
        self._inline_limit = min(inline_limit, MAX_TEXT)
        self.beyond_ascii = False

    def level(  # noqa: C901, PLR0912, PLR0915 - a call per element is what this saves
        self, elements: list[Element], above: Scope | None, prefix: str, *, big: bool
    ) -> Attributes:
        """The root or one item.

        Args:
            elements: of this level.
            above: the level around it.
            prefix: of bulk data in this level, "00880200/0/" or "".
            big: numbers are in big endian.
        """
        data, cut, limit = self._data, self._walked.cut, self._inline_limit
        attributes: Attributes = {}
        remembered, begin, known = self._remembered, self._begin, len(self._begin)
        tables = {} if big or remembered is None else remembered.tables
        scope = Scope(elements, above, data, self._forced)
        last, ordered, words = 0, True, WORDS[big]
        for element in elements:
            tag, vr, start, length, _, kind = element
            key = KEYS.get(tag) or _key(tag)
            if not key:
                continue
            if tag <= last:
                ordered = False
            if not ordered and key in attributes:
                self._walked.warn(f"({key[:4]},{key[4:]}) occurs twice")
            last = tag
            raw = None
            if vr in tables and start + length <= known and not cut and kind == PLAIN:
                raw = begin[start : start + length]
                attribute = tables[vr].get(raw)
                if attribute is not None:
                    attributes[key] = attribute
                    continue
            try:
                if length > limit or (cut and start in cut):
                    attributes[key] = self._attribute(element, key, scope, prefix, big=big)
                elif vr in READERS:
                    text = str(data[start : start + length], "latin-1")
                    if text.isascii() and "\x1b" not in text:
                        text = text.rstrip(" \0")
                        if text:
                            attributes[key] = {"vr": vr, "Value": READERS[vr](text)}
                        else:
                            attributes[key] = {"vr": vr}
                    else:
                        attributes[key] = self._attribute(element, key, scope, prefix, big=big)
                elif vr in words and words[vr].size == length and kind == PLAIN:
                    attributes[key] = {"vr": vr, "Value": [*words[vr].unpack_from(data, start)]}
                else:
                    attributes[key] = self._attribute(element, key, scope, prefix, big=big)
                    continue
            except ValueError:
                self._walked.warn(f"value of ({key[:4]},{key[4:]}) is not usable")
                continue
            if raw is not None and remembered is not None and raw.isascii() and b"\x1b" not in raw:
                remembered.put(vr, raw, attributes[key])
        if "00080005" in attributes:
            if "Value" in attributes.pop("00080005"):
                attributes["00080005"], ordered = _utf_8(), False
            if scope.charset.fault:
                self._walked.note(scope.charset.fault)
        return attributes if ordered else dict(sorted(attributes.items()))

    def _attribute(
        self, element: Element, key: str, scope: Scope, prefix: str, *, big: bool
    ) -> dict[str, Any]:
        """The attribute object of one element.

        Raises:
            ValueError: its value cannot be written.
        """
        tag, vr, start, length, items, kind = element
        big = big and kind != LITTLE
        if items is not None:
            values: list[Any] = [
                self.level(item, scope, f"{prefix}{key}/{number}/", big=big)
                for number, item in enumerate(items)
            ]
            return {"vr": "SQ", "Value": values} if values else {"vr": "SQ"}
        if " " in vr:
            signed = scope.signed(self._data)
            vr = "OB" if kind == FRAGMENTS else settled(vr, length, signed=signed)
        if length == 0:
            return {"vr": vr}
        if (
            length > MAX_TEXT
            or tag in PIXELS
            or kind == FRAGMENTS
            or (length > self._inline_limit and vr in _BINARY)
        ):
            return {"vr": vr, "BulkDataURI": f"/bulkdata/{prefix}{key}"}
        if start in self._walked.cut:
            raise ValueError
        if vr in _BINARY:
            return {"vr": vr, "InlineBinary": self._binary(vr, start, length, big=big)}
        order = ">" if big else "<"
        if vr in value.NUMBERS:
            values = value.numbers(vr, self._data, start, length, order)
        elif vr == "AT":
            values = value.tags(self._data, start, length, order)
        else:
            values = self._strings(vr, start, length, key, scope.charset)
        return {"vr": vr} if values in ([], [None]) else {"vr": vr, "Value": values}

    def _strings(self, vr: str, start: int, length: int, key: str, charset: Charset) -> list[Any]:
        """The values of a VR that is made of characters."""
        raw = bytes(self._data[start : start + length])
        if vr in TEXT_VRS:
            text, fault = charset.decode(raw, person=vr == "PN")
            if fault:
                self._walked.note(f"({key[:4]},{key[4:]}) {fault}")
        else:
            text = raw.decode("latin-1")
        if not text.isascii():
            self.beyond_ascii = True
        text = text.rstrip(" \0")
        return READERS[vr](text) if text else []

    def _binary(self, vr: str, start: int, length: int, *, big: bool) -> str:
        """Base64 of the value in little endian (PS3.18 §F.2.7)."""
        raw = bytes(self._data[start : start + length])
        if big and vr in WORD:
            raw = swapped(raw, WORD[vr])
        return b64encode(raw).decode()


def _key(tag: int) -> str:
    """The name of an attribute; "" for what has no place in the model (PS3.18 §F.2.2)."""
    return "" if tag >> 16 in LEFT_OUT or not tag & 0xFFFF else f"{tag:08X}"
