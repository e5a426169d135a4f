"""Which attributes has a small, flat data set? Read in one pass, as matches come by thousands."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from struct import Struct
from struct import error as StructError  # noqa: N812 - it is a class
from typing import Any, Final

from hilum.codec import value
from hilum.codec.header import SHORT_VRS, TAGS, TRAILING_PADDING, Buffer

READERS: Final[Mapping[str, Callable[[str], list[Any]]]] = (
    dict.fromkeys(("AE", "AS", "CS", "DA", "DT", "LO", "SH", "TM", "UI"), value.codes)
    | {"UC": value.strings}
    | dict.fromkeys(("LT", "ST", "UR", "UT"), value.one_string)
    | {"DS": value.decimals, "IS": value.integers, "PN": value.names}
)
"""How a value field that is made of characters is read, without padding and not empty."""
WORDS: Final = {
    big: {
        vr: Struct(order + code)
        for vr, code in (("SL", "l"), ("SS", "h"), ("UL", "L"), ("US", "H"))
    }
    for big, order in ((False, "<"), (True, ">"))
}
_TAG = Struct("<HH")
_HEADER = 8  # bytes of the header of an element with a 16 bit length
_Kind = tuple[int, str, str, Callable[[str], list[Any]] | None, Struct | None]
_PLAIN_CHARSETS = (["ISO_IR 6"], ["ISO_IR 100"], ["ISO_IR 192"])
_CHARSET = "00080005"
_META = 0x0002  # group
_DELIMITERS = 0xFFFE  # group
LEFT_OUT = (_META, _DELIMITERS, TRAILING_PADDING >> 16)  # groups
KEYS = {tag: f"{tag:08X}" for tag in TAGS if tag >> 16 not in LEFT_OUT and tag & 0xFFFF}
"""Tag -> its key in the DICOM JSON Model, for what has a place there."""


def flat(buffer: Buffer) -> dict[str, dict[str, Any]] | None:
    """The DICOM JSON Model of a data set in Explicit VR Little Endian, if it is easily read.

    None where it is anything but short elements in order, in ASCII: see `dicom_json`.
    """
    attributes: dict[str, dict[str, Any]] = {}
    try:
        _read(bytes(buffer), attributes)
    except (ValueError, IndexError, StructError):
        return None
    declared = attributes.pop(_CHARSET, {}).get("Value")
    if declared:
        if declared not in _PLAIN_CHARSETS or min(attributes, default="") < _CHARSET:
            return None
        attributes = {_CHARSET: {"vr": "CS", "Value": ["ISO_IR 192"]}, **attributes}
    return attributes or None


def _read(buffer: bytes, attributes: dict[str, dict[str, Any]]) -> None:
    """Raises ValueError, IndexError or StructError where `buffer` is anything else."""
    last, at, end = 0, 0, len(buffer)
    characters = str(buffer, "latin-1")  # of which all texts are parts
    escapes = "\x1b" in characters
    while at < end:
        tag, key, vr, reader, words = kind(buffer[at : at + 6])
        length = buffer[at + 6] | buffer[at + 7] << 8
        begin = at + _HEADER
        at = begin + length
        if tag <= last or at > end:
            raise ValueError
        last = tag
        if reader is None:
            if words is None or words.size != length:
                raise ValueError
            attributes[key] = {"vr": vr, "Value": [*words.unpack_from(buffer, begin)]}
            continue
        text = characters[begin:at]
        if not text.isascii() or (escapes and "\x1b" in text):
            raise ValueError
        text = text.rstrip(" \0")
        attributes[key] = {"vr": vr, "Value": reader(text)} if text else {"vr": vr}


@lru_cache(maxsize=4096)
def kind(head: bytes) -> _Kind:
    """Tag, key, VR, and how the value is read, by the first six bytes of an element.

    Raises:
        ValueError: it is no element that is read here.
        StructError: they are fewer.
    """
    group, number = _TAG.unpack_from(head)
    tag = group << 16 | number
    key, vr = KEYS.get(tag), SHORT_VRS.get(head[4:6])
    if key is None or vr is None:
        raise ValueError
    return tag, key, vr, READERS.get(vr), WORDS[False].get(vr)
