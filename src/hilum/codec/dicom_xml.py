"""Data sets in the Native DICOM Model, XML (PS3.19 §A.1), from the DICOM JSON Model and back."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from hilum.codec.dicom_xml_reader import MAX_XML, loads
from hilum.codec.elements import MAX_DEPTH
from hilum.model.dictionary import keyword_of
from hilum.model.errors import BadDataset

__all__ = ["MAX_XML", "NAMESPACE", "dumps", "loads"]

NAMESPACE: Final = "http://dicom.nema.org/PS3.19/models/NativeDICOM"

_BEGIN = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    f'<NativeDicomModel xmlns="{NAMESPACE}" xml:space="preserve">'
)
_END = "</NativeDicomModel>\n"
_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")
_COMPONENTS = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")
_SPECIAL = re.compile('[&<>"\r\n\t]|[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]')
# A line end as such would come back as another one, or as a blank (XML 1.0 §2.11 and §3.3.3).
_ESCAPES = {
    "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;",
    "\r": "&#13;", "\n": "&#10;", "\t": "&#9;",
}  # fmt: skip
_UNKNOWN = "\N{REPLACEMENT CHARACTER}"  # for what XML cannot say: a control character


def dumps(attributes: Mapping[str, Any]) -> bytes:
    """One data set as an XML document in UTF-8.

    A private attribute is named by its group and the lower byte of its number, with its creator
    beside it, and the attribute that reserves the block is there too, as other systems have it.
    Empty values before others are left out; those behind them keep their numbers.

    Args:
        attributes: in the DICOM JSON Model, read leniently: what has no place is left out.

    Raises:
        BadDataset: sequences are nested deeper than `MAX_DEPTH`.
    """
    return "".join((_BEGIN, *_level(attributes, 0), _END)).encode()


def _level(attributes: Mapping[str, Any], depth: int) -> Iterator[str]:
    """The attributes of the root or an item, in the order of their tags."""
    if depth > MAX_DEPTH:
        raise BadDataset("sequences are nested too deep")
    creators = _creators(attributes)
    for tag, attribute in sorted(attributes.items()):
        if not isinstance(attribute, Mapping) or not re.fullmatch("[0-9A-F]{8}", tag):
            continue
        vr = str(attribute.get("vr", "UN"))
        yield f'<DicomAttribute tag="{_names(tag, creators)} vr="{_escaped(vr)}"'
        keyword = _keyword(tag)
        yield f' keyword="{keyword}">' if keyword else ">"
        yield from _content(vr, attribute, depth)
        yield "</DicomAttribute>"


def _creators(attributes: Mapping[str, Any]) -> dict[str, tuple[str, bool]]:
    """The private creators by "ggggbb", and whether the block is the first of its creator."""
    creators: dict[str, tuple[str, bool]] = {}
    known: set[tuple[str, str]] = set()
    for tag, attribute in attributes.items():
        if _is_private(tag) and tag[4:6] == "00" and isinstance(attribute, Mapping):
            creator = next((str(each) for each in _values(attribute) if each), "")
            creators[tag[:4] + tag[6:]] = creator, (tag[:4], creator) not in known
            known.add((tag[:4], creator))
    return creators


def _is_private(tag: str) -> bool:
    return tag[3:4] in "13579BDF"


def _names(tag: str, creators: Mapping[str, tuple[str, bool]]) -> str:
    """`GGGGEEEE"` of the attribute, and its private creator."""
    creator, is_first = creators.get(tag[:6], ("", False))
    if not creator or not _is_private(tag):
        return f'{tag}"'
    # Two blocks of one creator: then only the whole number tells them apart.
    named = f"{tag[:4]}00{tag[6:]}" if is_first else tag
    return f'{named}" privateCreator="{_escaped(creator)}"'


@lru_cache(maxsize=8192)
def _keyword(tag: str) -> str:
    return "" if _is_private(tag) else keyword_of(int(tag, 16))


def _content(vr: str, attribute: Mapping[str, Any], depth: int) -> Iterator[str]:
    """What is within an attribute."""
    if "BulkDataURI" in attribute:
        yield f'<BulkData uri="{_escaped(str(attribute["BulkDataURI"]))}"/>'
    elif "InlineBinary" in attribute:
        yield f"<InlineBinary>{_escaped(str(attribute['InlineBinary']))}</InlineBinary>"
    values = _values(attribute)
    for number, value in enumerate(values, 1):
        if value is None and number < len(values):
            continue
        if vr == "SQ":
            yield f'<Item number="{number}">'
            yield from _level(value if isinstance(value, Mapping) else {}, depth + 1)
            yield "</Item>"
        elif value is None:
            yield f'<Value number="{number}"/>'
        elif vr == "PN":
            yield f'<PersonName number="{number}">'
            yield from _name(value if isinstance(value, Mapping) else {_GROUPS[0]: value})
            yield "</PersonName>"
        else:
            yield f'<Value number="{number}">{_escaped(_text(value))}</Value>'


def _values(attribute: Mapping[str, Any]) -> Sequence[Any]:
    values = attribute.get("Value", ())
    return values if isinstance(values, list | tuple) else [values]


def _name(name: Mapping[str, Any]) -> Iterator[str]:
    """The groups of a name, each by its components (PS3.5 §6.2.1)."""
    for group in _GROUPS:
        text = name.get(group)
        if text:
            parts = zip(_COMPONENTS, str(text).split("^", 4), strict=False)
            within = "".join(f"<{key}>{_escaped(part)}</{key}>" for key, part in parts if part)
            yield f"<{group}>{within}</{group}>"


def _text(value: Any) -> str:  # noqa: ANN401 - any JSON
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)


def _escaped(text: str) -> str:
    if not _SPECIAL.search(text):
        return text
    return _SPECIAL.sub(lambda found: _ESCAPES.get(found[0], _UNKNOWN), text)
