"""How values of DICOM become the data types of FHIR: texts, names, codes, identifiers."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any, Final

from hilum.model.identity import is_uid

Attributes = Mapping[str, Any]
"""A data set in the DICOM JSON Model, by tag in eight upper-case digits."""
Element = dict[str, Any]
"""A part of a FHIR resource."""

DCM: Final = "http://dicom.nema.org/resources/ontology/DCM"
SCT: Final = "http://snomed.info/sct"
UID: Final = "urn:dicom:uid"
URI: Final = "urn:ietf:rfc:3986"
OID: Final = "urn:oid:"
TYPES: Final = "http://terminology.hl7.org/CodeSystem/v2-0203"
ABSENT: Final = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
REPRESENTATION: Final = "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation"
GROUPS: Final = {"Alphabetic": "ABC", "Ideographic": "IDE", "Phonetic": "SYL"}
SCHEMES: Final = {
    "DCM": DCM,
    "SCT": SCT,
    "SRT": "http://snomed.info/srt",
    "LN": "http://loinc.org",
}
"""Coding Scheme Designators (PS3.16 §8) and the URIs that FHIR has for them."""

_NOTHING: Final[tuple[object, ...]] = (None, "", [], {})
_UNFIT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Systems:
    """What the configuration of a mount says of identifiers and times.

    Attributes:
        issuers: issuer, as it stands in DICOM -> system.
        patient: system of the Patient IDs that have no issuer.
        accession: system of the Accession Numbers that have no issuer.
        zone: where the clocks stand that say no offset.
    """

    issuers: Mapping[str, str] = field(default_factory=dict)
    patient: str | None = None
    accession: str | None = None
    zone: tzinfo | None = None


def values(attributes: Attributes, tag: str) -> list[Any]:
    """The values of an attribute that say something."""
    element = attributes.get(tag)
    found = element.get("Value") if isinstance(element, dict) else None
    return [each for each in found if each not in (None, "", {})] if isinstance(found, list) else []


def texts(attributes: Attributes, tag: str) -> list[str]:
    """The same, as texts that FHIR takes."""
    cleaned = (clean(str(each)) for each in values(attributes, tag) if not isinstance(each, dict))
    return [each for each in cleaned if each]


def text(attributes: Attributes, tag: str) -> str:
    """The first of them, or ""."""
    return next(iter(texts(attributes, tag)), "")


def clean(value: str) -> str:
    """A text without the control characters that FHIR does not take, and outer blanks."""
    return _UNFIT.sub(" ", value).strip()


def number(attributes: Attributes, tag: str) -> int | None:
    """A whole number of at least 0 (FHIR's unsignedInt), or None."""
    found = values(attributes, tag)
    try:
        whole = int(found[0])
    except (IndexError, TypeError, ValueError, OverflowError):
        return None
    return whole if 0 <= whole < 2**31 else None


def items(attributes: Attributes, tag: str) -> list[Attributes]:
    """The items of a sequence."""
    return [each for each in values(attributes, tag) if isinstance(each, dict)]


def told(element: Element) -> Element:
    """An element without what says nothing, which FHIR does not take."""
    return {name: value for name, value in element.items() if value not in _NOTHING}


# Names


def names(attributes: Attributes, tag: str) -> list[Element]:
    """HumanNames of a PN: one for each component group; which it is stands in an extension."""
    return [name for value in values(attributes, tag) for name in _names(value)]


def _names(value: Any) -> Iterator[Element]:  # noqa: ANN401 - JSON
    groups = value if isinstance(value, Mapping) else {"Alphabetic": value}
    told = {group: str(groups[group]) for group in GROUPS if clean(str(groups.get(group) or ""))}
    for group, written in told.items():
        name = _name(written, is_alphabetic=group == "Alphabetic")
        if not name:
            continue
        if len(told) > 1 or group != "Alphabetic":
            yield {"extension": [{"url": REPRESENTATION, "valueCode": GROUPS[group]}], **name}
        else:
            yield name


def _name(written: str, *, is_alphabetic: bool) -> Element:
    """One component group: family^given^middle^prefix^suffix (PS3.5 §6.2.1.1)."""
    parts = [clean(each) for each in written.split("^")[:5]]
    family, given, middle, prefix, suffix = parts + [""] * (5 - len(parts))
    order = (prefix, given, middle, family, suffix) if is_alphabetic else (family, given, middle)
    spoken = " ".join(filter(None, order))
    if not spoken:
        return {}
    name: Element = {"text": spoken}
    if family:
        name["family"] = family
    if given or middle:
        name["given"] = [*given.split(), *middle.split()]
    if prefix:
        name["prefix"] = [prefix]
    if suffix:
        name["suffix"] = [suffix]
    return name


def spoken(attributes: Attributes, tag: str) -> list[str]:
    """Names as people say them, one for each person."""
    found = (next(_names(value), None) for value in values(attributes, tag))
    return [str(each["text"]) for each in found if each is not None]


# Codes


def code(value: str) -> str:
    """A text as FHIR's code, which has no two blanks beside each other."""
    return " ".join(value.split())


def absent() -> Element:
    """The Coding of what FHIR must have and DICOM does not tell."""
    return {"system": ABSENT, "code": "unknown"}


def concepts(attributes: Attributes, tag: str) -> list[Element]:
    """CodeableConcepts of a Code Sequence (PS3.3 §8)."""
    made = (_coding(each) for each in items(attributes, tag))
    return [{"coding": [each], **_as_text(each)} for each in made if each]


def _as_text(coding: Element) -> Element:
    return {"text": coding["display"]} if "display" in coding else {}


def _coding(item: Attributes) -> Element:
    value = text(item, "00080100") or text(item, "00080119") or text(item, "00080120")
    coding: Element = {}
    scheme = text(item, "00080102")
    uid = text(item, "0008010C")
    if scheme in SCHEMES:
        coding["system"] = SCHEMES[scheme]
    elif is_uid(uid):
        coding["system"] = OID + uid
    if value:
        coding["code"] = code(value)
    if meaning := text(item, "00080104"):
        coding["display"] = meaning
    return coding if value or "display" in coding else {}


# Identifiers


def uid_identifier(uid: str) -> Element:
    """A UID as an identifier."""
    return {"system": UID, "value": OID + uid}


def typed(kind: str) -> Element:
    """The type of an identifier."""
    return {"coding": [{"system": TYPES, "code": kind}]}


def identifier(kind: str, value: str, issuer: str, system: str | None) -> Element:
    """An identifier that somebody gave out."""
    made: Element = {"type": typed(kind)}
    if system:
        made["system"] = system
    made["value"] = value
    if issuer:
        made["assigner"] = {"display": issuer}
    return made


def issued(
    attributes: Attributes, sequence: str, systems: Systems, issuer: str = ""
) -> tuple[str, str | None]:
    """Who gave an identifier out, in DICOM's words, and the system that stands for that.

    Args:
        attributes: that have the identifier.
        sequence: tag of the sequence that tells its issuer (PS3.3 §10.14 and §10.15).
        systems: as configured, which go before what the sequence tells.
        issuer: that is told beside it.
    """
    told = next(iter(items(attributes, sequence)), {})
    name = issuer or text(told, "00400031")
    universal, kind = text(told, "00400032"), text(told, "00400033")
    if name in systems.issuers or universal in systems.issuers:
        return name, systems.issuers.get(name) or systems.issuers[universal]
    if kind == "ISO" and is_uid(universal):
        return name, OID + universal
    if kind == "UUID" and universal:
        return name, f"urn:uuid:{universal.lower()}"
    if kind == "URI" and universal:
        return name, "".join(universal.split())
    return name or universal, None
