"""What the index keeps of one data set."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from hilum.backends.archive import tags
from hilum.codec import dicom_json
from hilum.core import names
from hilum.core.levels import PATIENT, SERIES, STUDY
from hilum.core.wanted import date_ends, number_of, time_ends
from hilum.model.identity import Level

Attributes = Mapping[str, Any]
"""A data set in the DICOM JSON model (PS3.18 Annex F)."""

DATES: Final = frozenset({"birth_date", "study_date", "step_date"})
TIMES: Final = frozenset({"study_time", "step_time"})
NAMES: Final = frozenset({"patient_name", "referring_name"})
NUMBERS: Final = frozenset({"series_number", "instance_number"})

_COLUMNS: Final = {
    level: tuple((tag, name) for tag, (its, name) in tags.COLUMNS.items() if its is level)
    for level in Level
}
_MORE: Final = {
    level: wanted - tags.DEFAULTS[level]
    for level, wanted in ((Level.PATIENT, PATIENT), (Level.STUDY, STUDY), (Level.SERIES, SERIES))
}
"""What is kept of an entity beside its defaults."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One instance, ready to be written to the index.

    Attributes:
        file: its number.
        size: bytes of the data set.
        crc: CRC-32 of the data set.
        columns: of the instance's row, by name.
        plain: the metadata as DICOM JSON.
        json: the same, deflated.
        dictionary: what they are deflated against, or b"".
        attributes: the metadata, for the rows above it if they are not there yet.
    """

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    file: int
    size: int
    crc: int
    columns: Mapping[str, Any]
    plain: bytes
    json: bytes
    dictionary: bytes
    attributes: Attributes


def uid(attributes: Attributes, tag: str) -> str:
    """The one value of a UID attribute, or ""."""
    values = (attributes.get(tag) or {}).get("Value") or [""]
    return values[0].strip(" \0") if len(values) == 1 and isinstance(values[0], str) else ""


def instance_columns(attributes: Attributes) -> dict[str, Any]:
    """The columns of an instance's row that come from its data set."""
    columns = _searched(Level.IMAGE, attributes)
    columns["answer"] = lines(attributes, tags.DEFAULTS[Level.IMAGE], tags.REQUIRED)
    return columns


def series_columns(attributes: Attributes) -> dict[str, Any]:
    """The columns of a series' row that come from its first instance."""
    columns = _searched(Level.SERIES, attributes)
    columns["answer"] = lines(attributes, tags.DEFAULTS[Level.SERIES], tags.REQUIRED)
    columns["more"] = lines(attributes, _MORE[Level.SERIES])
    return columns


def study_columns(attributes: Attributes) -> dict[str, Any]:
    """The columns of a study's row that come from its first instance, the patient's included.

    A study keeps the patient's attributes as they came with it: two that were sent under one
    Patient ID by mistake do not show each other's names.
    """
    columns = _searched(Level.PATIENT, attributes)
    study = _searched(Level.STUDY, attributes)
    study["odd"] |= columns["odd"]
    columns |= study
    for level, kind in ((Level.PATIENT, "patient"), (Level.STUDY, "study")):
        columns[f"{kind}_answer"] = lines(attributes, tags.DEFAULTS[level], tags.REQUIRED)
        columns[f"{kind}_more"] = lines(attributes, _MORE[level])
    return columns


def patient_key(attributes: Attributes) -> tuple[str, str, str]:
    """What makes two studies one patient's: Patient ID and its issuer.

    Without an ID a study is its own patient, as nothing says whose it is: the third part is then
    its Study Instance UID, else "".
    """
    patient, issuer = ("\\".join(texts(attributes.get(tag))) for tag in ("00100020", "00100021"))
    return (patient, issuer, "") if patient else ("", issuer, uid(attributes, "0020000D"))


def lines(
    attributes: Attributes, wanted: frozenset[str], required: Mapping[str, str] | None = None
) -> bytes:
    """The wanted attributes as lines of `TAG":{...}`, in the order of their tags.

    Values that metadata leaves out (BulkDataURI) are left out: they belong to one instance.

    Args:
        attributes: of a data set.
        wanted: tags.
        required: tag -> VR of those that are there in any case, without a value if need be.
    """
    found = []
    for tag, name in _in_order(wanted):
        element = attributes.get(tag)
        if element is None or "BulkDataURI" in element:
            if required is None or tag not in required:
                continue
            element = {"vr": required[tag]}
        found.append(name + dicom_json.dumps(element))
    return b"\n".join(found)


@cache
def _in_order(wanted: frozenset[str]) -> tuple[tuple[str, bytes], ...]:
    """Each tag, and how its line begins."""
    return tuple((tag, tag.encode() + b'":') for tag in sorted(wanted))


def texts(element: Mapping[str, Any] | None) -> list[str]:
    """The values of an attribute that are text or numbers, as text, without the empty ones."""
    values: Sequence[Any] = (element or {}).get("Value") or ()
    if len(values) == 1 and type(values[0]) is str and values[0].isascii():  # nearly always
        text = values[0].strip(" \0")
        return [text] if text else []
    return [
        text
        for value in values
        if isinstance(value, str | int | float) and (text := whole(str(value)).strip(" \0"))
    ]


def whole(text: str) -> str:
    """Text without lone surrogates, which some codecs let through and no database takes."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _searched(level: Level, attributes: Attributes) -> dict[str, Any]:
    """The columns to search by; one that cannot say what is there is NULL and sets `odd`."""
    columns: dict[str, Any] = {"odd": 0}
    for tag, name in _COLUMNS[level]:
        element = attributes.get(tag)
        if name in NAMES:
            columns["odd"] |= _name(columns, name, element)
            continue
        values = texts(element)
        value = _value(name, values[0]) if len(values) == 1 else None
        if values and value is None:
            columns["odd"] = 1
        columns[name] = value
    timezone = texts(attributes.get(tags.TIMEZONE))
    columns["timezone"] = timezone[0] if timezone else None
    return columns


def _value(column: str, text: str) -> object:
    if column in DATES:
        ends = date_ends(text)
        return ends and ends[0]
    if column in TIMES:
        ends = time_ends(text)
        return ends and ends[0]
    return number_of(text) if column in NUMBERS else text


def _name(columns: dict[str, Any], name: str, element: Mapping[str, Any] | None) -> int:
    """Put a name's three groups into their columns; 1 if there are more names than one."""
    values = [value for value in (element or {}).get("Value") or () if value]
    groups = names.groups_of(values[0]) if len(values) == 1 else ("", "", "")
    for suffix, part in zip("aip", groups, strict=True):
        columns[f"{name}_{suffix}"] = whole(part) or None
    return int(len(values) > 1)
