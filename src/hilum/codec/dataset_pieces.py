"""How is a data set encoded whose bulk data is elsewhere? In pieces, with places between them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from struct import Struct, error
from typing import Any, Final

from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_data_element

from hilum.codec.elements import MAX_DEPTH
from hilum.codec.flat import LEFT_OUT
from hilum.codec.header import ITEM, ITEM_END, LONG, SEQUENCE_END, SHORT_VRS, TAGS, UNDEFINED
from hilum.codec.json_dataset import tag_of, to_dataset
from hilum.model.errors import BadDataset

LONGEST: Final = 0xFFFFFFFE
"""Bytes of one value of defined length (PS3.5 §7.1.1)."""

_HEAD = Struct("<HH2sH")
_LENGTH = Struct("<L")
_DELIMITER = Struct("<HHL")
_CHARSET = 0x00080005
_UTF_8 = b"ISO_IR 192"
_EXTENDED_OFFSETS = frozenset((0x7FE00001, 0x7FE00002))
_SHORTEST = 0xFFFE  # bytes, the longest even value in 16 bits
_VRS = frozenset(SHORT_VRS.values()) | LONG


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value goes that is elsewhere.

    Attributes:
        uri: what its metadata calls it.
        is_root: whether it stands in no item.
    """

    uri: str
    tag: int
    vr: str
    is_root: bool


Piece = bytes | Place


def pieces_of(attributes: Mapping[str, Any]) -> list[Piece]:
    """The data set in Explicit VR Little Endian, and the places of what is elsewhere.

    Text is UTF-8, and Specific Character Set (0008,0005) says so wherever it stands, or text
    beyond ASCII does. Sequences and items have undefined lengths, as what is in them has none
    yet. Left out are File Meta Information, group lengths, and the Extended Offset Table, which
    is of the pixels as they were laid out elsewhere.

    Args:
        attributes: in the DICOM JSON Model, read leniently (see `json_dataset`).

    Raises:
        BadDataset: an attribute cannot be written; the text names its tag.
    """
    writer = _Writer()
    pieces = [*writer.level(attributes, 0)]
    if writer.beyond_ascii and not _says_charset(attributes):
        said = {"00080005": {"vr": "CS", "Value": ["ISO_IR 192"]}}
        pieces = [*_Writer().level({**attributes, **said}, 0)]
    return _joined(pieces)


def head_of(tag: int, vr: str, length: int) -> bytes:
    """What stands before a value; one that is too long for its VR is UN (PS3.5 §6.2.2 Note)."""
    if vr not in LONG:
        if length <= _SHORTEST:
            return _HEAD.pack(tag >> 16, tag & 0xFFFF, vr.encode(), length)
        vr = "UN"
    return _HEAD.pack(tag >> 16, tag & 0xFFFF, vr.encode(), 0) + _LENGTH.pack(length)


def item_of(length: int) -> bytes:
    """What stands before an item or a fragment."""
    return _delimiter(ITEM, length)


def sequence_end() -> bytes:
    """What stands behind the last item of a sequence, or fragment, of undefined length."""
    return _delimiter(SEQUENCE_END, 0)


def _delimiter(tag: int, length: int) -> bytes:
    return _DELIMITER.pack(tag >> 16, tag & 0xFFFF, length)


def _joined(pieces: list[Piece]) -> list[Piece]:
    """The same with as few pieces as there can be."""
    joined: list[Piece] = []
    buffer = bytearray()
    for piece in pieces:
        if isinstance(piece, bytes):
            buffer += piece
            continue
        joined += (bytes(buffer), piece)
        buffer = bytearray()
    return [*joined, bytes(buffer)]


def _says_charset(attributes: Mapping[str, Any]) -> bool:
    return any(tag_of(name) == _CHARSET for name in attributes)


class _Writer:
    """Writes one data set, level by level.

    Attributes:
        beyond_ascii: there was such text.
    """

    def __init__(self) -> None:
        self.beyond_ascii = False

    def level(self, attributes: Mapping[str, Any], depth: int) -> Iterator[Piece]:
        """The root or an item, in the order of tags."""
        if depth > MAX_DEPTH:
            raise BadDataset("sequences are nested too deep")
        named = {tag_of(name): attribute for name, attribute in attributes.items()}
        is_elsewhere = "BulkDataURI" in (named.get(0x7FE00010) or {})
        for tag, attribute in sorted(named.items(), key=lambda each: each[0]):
            if tag >> 16 in LEFT_OUT or not tag & 0xFFFF or not tag >> 16:
                continue
            if is_elsewhere and tag in _EXTENDED_OFFSETS:
                continue
            if not isinstance(attribute, Mapping):
                raise BadDataset(f"{_name(tag)} is no attribute object")
            yield from self._element(tag, attribute, depth)

    def _element(self, tag: int, attribute: Mapping[str, Any], depth: int) -> Iterator[Piece]:
        vr = attribute.get("vr")
        if "BulkDataURI" in attribute:
            given = vr if isinstance(vr, str) and vr in _VRS else TAGS.get(tag, "UN")[:2]
            yield Place(str(attribute["BulkDataURI"]), tag, given, is_root=not depth)
        elif vr == "SQ" or (vr is None and TAGS.get(tag) == "SQ"):
            yield from self._sequence(tag, attribute, depth)
        else:
            yield self._plain(tag, attribute)

    def _sequence(self, tag: int, attribute: Mapping[str, Any], depth: int) -> Iterator[Piece]:
        items = attribute.get("Value") or []
        if not isinstance(items, list) or not all(
            isinstance(each or {}, Mapping) for each in items
        ):
            raise BadDataset(f"{_name(tag)} has something else than items")
        if not items:
            yield head_of(tag, "SQ", 0)
            return
        yield head_of(tag, "SQ", UNDEFINED)
        for item in items:
            yield item_of(UNDEFINED)
            yield from self.level(item or {}, depth + 1)
            yield _delimiter(ITEM_END, 0)
        yield sequence_end()

    def _plain(self, tag: int, attribute: Mapping[str, Any]) -> bytes:
        """An element with its value."""
        element = to_dataset({f"{tag:08X}": attribute})[tag]
        buffer = DicomBytesIO()
        buffer.is_little_endian, buffer.is_implicit_VR = True, True
        try:
            write_data_element(buffer, element, ["utf8"])
        except (OSError, ValueError, TypeError, AttributeError, LookupError, error) as fault:
            raise BadDataset(f"{_name(tag)} is not usable") from fault
        vr, value = str(element.VR), buffer.getvalue()[_DELIMITER.size :]
        if vr not in LONG or vr in {"UC", "UR", "UT"}:
            self.beyond_ascii = self.beyond_ascii or not value.isascii()
        if tag == _CHARSET and value:
            value = _UTF_8
        return head_of(tag, vr, len(value) + len(value) % 2) + value + bytes(len(value) % 2)


def _name(tag: int) -> str:
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
