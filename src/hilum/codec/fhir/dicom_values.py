"""How do data types of FHIR become values of DICOM? Codes, names, dates, issuers."""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, Final

from hilum.codec.fhir.resources import all_said, every, said, within
from hilum.codec.fhir.values import GROUPS, OID, REPRESENTATION, SCHEMES, Element, Systems

Attributes = dict[str, dict[str, Any]]
"""A data set in the DICOM JSON Model."""

_MOMENT = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)?)?"
)
_DESIGNATORS: Final = {system: designator for designator, system in SCHEMES.items()}
_REPRESENTED: Final = {code: group for group, code in GROUPS.items()}
_USES: Final = ("official", "usual", "")
_SHORT: Final = 16  # characters of VR SH
_LONG: Final = 64  # of LO
_PARTS = re.compile(r"[\\^=]")


def put(made: Attributes, tag: str, vr: str, *values: object) -> None:
    """Put the values that say something; an attribute that has none is left out."""
    told = [_plain(each, vr) for each in values]
    if kept := [each for each in told if each not in (None, "", {})]:
        made[tag] = {"vr": vr, "Value": kept}


def _plain(value: object, vr: str) -> object:
    """A text without the backslash, which parts values in DICOM."""
    return value.replace("\\", "/") if isinstance(value, str) and vr != "UT" else value


# Names


def put_name(made: Attributes, tag: str, *names: dict[str, str]) -> None:
    """Put names of people."""
    if kept := [each for each in names if each]:
        made[tag] = {"vr": "PN", "Value": kept}


def spoken(name: str) -> dict[str, str]:
    """A name of which nobody says what is what in it; all of it counts as the family's."""
    text = _component(name)
    return {"Alphabetic": text} if text else {}


def name_of(names: Iterable[Element]) -> dict[str, str]:
    """The component groups of a person's name, of the HumanNames there are (PS3.5 §6.2.1)."""
    made: dict[str, str] = {}
    for use in (*_USES, None):
        for each in names:
            if use is not None and said(each, "use") != use:
                continue
            if said(each, "use") == "old":
                continue
            group = _group(each)
            if group not in made and (text := _written(each)):
                made[group] = text
    return made


def _group(name: Element) -> str:
    for each in every(name, "extension"):
        if said(each, "url") == REPRESENTATION:
            return _REPRESENTED.get(said(each, "valueCode"), "Alphabetic")
    return "Alphabetic"


def _written(name: Element) -> str:
    given = all_said(name, "given")
    parts = (
        said(name, "family"),
        *(given[:1] or [""]),
        " ".join(given[1:]),
        " ".join(all_said(name, "prefix")),
        " ".join(all_said(name, "suffix")),
    )
    written = "^".join(map(_component, parts)).rstrip("^")
    return written or _component(said(name, "text"))


def _component(text: str) -> str:
    return _PARTS.sub(" ", text).strip()


# Dates and times


def moment(text: str, systems: Systems) -> tuple[str, str, str]:
    """Date, time, and the offset from UTC of a dateTime, "" where they are not told.

    By the clocks of the configured zone, where there is one; else by that of who wrote it.
    """
    found = _MOMENT.fullmatch(text)
    if found is None:
        return "", "", ""
    year, month, day, hour, minute, second, fraction, offset = found.groups()
    if hour is None:
        return year + month + day, "", ""
    second = "59" if second == "60" else second
    try:
        when = datetime.fromisoformat(
            f"{year}-{month}-{day}T{hour}:{minute}:{second}{(offset or '').replace('Z', '+00:00')}"
        )
        if systems.zone is not None and when.tzinfo is not None:
            when = when.astimezone(systems.zone)
    except (ValueError, OverflowError):
        return "", "", ""
    behind = f".{fraction[:6]}" if fraction else ""
    told = f"{when:%z}"[:5] if when.tzinfo is not None else ""
    return f"{when.date():%Y%m%d}".rjust(8, "0"), f"{when:%H%M%S}{behind}", told


def day(text: str) -> str:
    """A DA; "" where not all of the date is told."""
    found = _MOMENT.fullmatch(text)
    return "".join(found.groups()[:3]) if found else ""


# Codes


def code_items(concepts: Iterable[Element]) -> Iterator[Attributes]:
    """The items of a Code Sequence (PS3.3 §8), one for each concept: its first coding."""
    for each in concepts:
        coding = next(iter(every(each, "coding")), {})
        value, system = said(coding, "code"), said(coding, "system")
        meaning = said(coding, "display") or said(each, "text")
        made: Attributes = {}
        is_short = len(value) <= _SHORT
        put(made, "00080100" if is_short else "00080119", "SH" if is_short else "UC", value)
        put(made, "00080102", "SH", _DESIGNATORS.get(system))
        if system.startswith(OID):
            put(made, "0008010C", "UI", system.removeprefix(OID))
        put(made, "00080104", "LO", meaning[:_LONG])
        if value:
            yield made


# Identifiers


def issuer_name(identifier: Element, systems: Systems, own: str | None) -> str:
    """Who gave an identifier out, in the words of DICOM; "" where it is the mount's own system.

    Those of whom only the system is known are told apart by that.

    Args:
        identifier: of FHIR.
        systems: what the configuration says.
        own: the system of identifiers that have no issuer.
    """
    system = said(identifier, "system")
    for name, known in systems.issuers.items():
        if known == system:
            return name
    if said(within(identifier, "assigner"), "display"):
        return said(within(identifier, "assigner"), "display")[:_LONG]
    return "" if system == own else system[-_LONG:]


def issuer_of(identifier: Element, systems: Systems, own: str | None) -> Iterator[Attributes]:
    """The item of a sequence that tells an issuer (PS3.3 §10.14), where there is one."""
    system = said(identifier, "system")
    name = issuer_name(identifier, systems, own)
    made: Attributes = {}
    if name and name not in {system, system[-_LONG:]}:
        put(made, "00400031", "UT", name)
    if name and system:
        kinds = {"urn:oid:": "ISO", "urn:uuid:": "UUID"}
        for start, kind in kinds.items():
            if system.startswith(start):
                put(made, "00400032", "UT", system.removeprefix(start))
                put(made, "00400033", "CS", kind)
        if "00400032" not in made:
            put(made, "00400032", "UT", system)
            put(made, "00400033", "CS", "URI")
    if made:
        yield made
