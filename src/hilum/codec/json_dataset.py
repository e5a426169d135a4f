"""Data sets in the DICOM JSON Model as pydicom's."""

from base64 import b64decode
from collections.abc import Mapping
from typing import Any

from pydicom import DataElement, Dataset, Sequence, config
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.tag import Tag
from pydicom.valuerep import DSfloat

from hilum.codec.elements import MAX_DEPTH
from hilum.codec.header import LONG, SHORT_VRS, settled
from hilum.model.errors import BadDataset

_VRS = frozenset(SHORT_VRS.values()) | LONG
_WHOLE = frozenset(("IS", "SL", "SS", "SV", "UL", "US", "UV"))
_FLOAT = frozenset(("FD", "FL"))
_FIXED = (_WHOLE | _FLOAT | {"AT"}) - {"IS"}
_BINARY = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "UN"))
_WRITABLE = 10**15  # a whole number up to this fits into the 16 characters of a DS
_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")


def to_dataset(attributes: Mapping[str, Any]) -> Dataset:
    """A pydicom data set of what is in the JSON, read leniently.

    Taken: keywords and lower-case hex as names, a missing "vr" of a known attribute, empty
    strings for null, numbers as text and text as numbers, person names as strings. Attributes
    that are only a BulkDataURI are left out, as their value is not here.

    Raises:
        BadDataset: an attribute has no meaning; the text names its tag.
    """
    return _dataset(attributes, 0)


def _dataset(attributes: Mapping[str, Any], depth: int) -> Dataset:
    if depth > MAX_DEPTH:
        raise BadDataset("sequences are nested too deep")
    dataset = Dataset()
    for name, attribute in attributes.items():
        tag = tag_of(name)
        if not isinstance(attribute, Mapping):
            raise BadDataset(f"({tag >> 16:04X},{tag & 0xFFFF:04X}) is no attribute object")
        if "BulkDataURI" in attribute:
            continue
        try:
            vr = _vr(tag, attribute)
            value = _value(vr, attribute, depth)
        except (ValueError, TypeError, OverflowError) as error:
            raise BadDataset(f"({tag >> 16:04X},{tag & 0xFFFF:04X}) is not usable") from error
        dataset.add(DataElement(tag, vr, value, validation_mode=config.IGNORE))
    return dataset


def first_of(attributes: Mapping[str, Any], tag: str) -> Any:  # noqa: ANN401 - JSON
    """The first value of an attribute, by its tag in upper or lower case, or its keyword."""
    wanted = int(tag, 16)
    for name, attribute in attributes.items():
        if tag_of(name) == wanted and isinstance(attribute, Mapping):
            values = attribute.get("Value")
            return values[0] if isinstance(values, list) and values else values
    return None


def tag_of(name: str) -> int:
    """A tag by its hex digits or its keyword.

    Raises:
        BadDataset: it is neither.
    """
    try:
        if len(name) == 8:  # noqa: PLR2004 - hex digits of a tag
            return int(name, 16)
    except ValueError:
        pass
    tag = tag_for_keyword(name)
    if tag is None:
        raise BadDataset("an attribute has neither a tag nor a keyword as its name")
    return tag


def _vr(tag: int, attribute: Mapping[str, Any]) -> str:
    vr = attribute.get("vr")
    if vr is None:
        try:
            vr = settled(dictionary_VR(tag), 0, signed=False)
        except KeyError:
            raise ValueError from None
    if vr not in _VRS:
        raise ValueError
    return str(vr)


def _value(vr: str, attribute: Mapping[str, Any], depth: int) -> Any:  # noqa: ANN401 - by VR
    if vr in _BINARY:
        return b64decode(attribute.get("InlineBinary") or "", validate=True) or None
    values = attribute.get("Value")
    if values is None:
        values = []
    elif not isinstance(values, list):
        values = [values]
    if vr == "SQ":
        return Sequence([_item(each, depth + 1) for each in values])
    converted = [None if value in (None, "") else _one(vr, value) for value in values]
    if vr in _FIXED:  # there is no way to write an empty one among others
        converted = [each for each in converted if each is not None]
    if all(each is None for each in converted):
        return None
    filled = ["" if each is None else each for each in converted]
    return filled if len(filled) > 1 else filled[0]


def _item(value: Any, depth: int) -> Dataset:  # noqa: ANN401 - an object, or null for an empty one
    if not isinstance(value or {}, Mapping):
        raise TypeError
    return _dataset(value or {}, depth)


def _one(vr: str, value: Any) -> Any:  # noqa: ANN401 - by VR
    """One value as pydicom takes it."""
    if vr == "PN":
        return _name(value)
    if vr in _WHOLE:
        return _whole(value)
    if vr in _FLOAT:
        return float(value)
    if vr == "DS":
        whole = isinstance(value, int | float) and -_WRITABLE < value < _WRITABLE
        text = str(int(value)) if whole and int(value) == value else value
        return DSfloat(text, auto_format=True, validation_mode=config.IGNORE)
    if vr == "AT":
        return Tag(int(str(value), 16))
    if isinstance(value, Mapping | list):
        raise TypeError
    return str(value)


def _whole(value: Any) -> int:  # noqa: ANN401 - a number or its text
    number = float(value) if not isinstance(value, int) else value
    if isinstance(value, str) and value.strip().lstrip("+-").isdecimal():
        return int(value)
    if int(number) != number:
        raise ValueError
    return int(number)


def _name(value: Any) -> str:  # noqa: ANN401 - an object, or a string from the lenient
    if isinstance(value, Mapping):
        return "=".join(str(value.get(group) or "") for group in _GROUPS).rstrip("=")
    return str(value)
