"""What does a Patient say in the words of DICOM? Who it is, and by which of its identifiers."""

from typing import Final

from hilum.codec.fhir.dicom_values import (
    Attributes,
    day,
    issuer_name,
    issuer_of,
    name_of,
    put,
    put_name,
    spoken,
)
from hilum.codec.fhir.resources import every, said, within
from hilum.codec.fhir.values import TYPES, Element, Systems

_SEXES: Final = {"male": "M", "female": "F", "other": "O"}

_TOLD: Final[Attributes] = {  # where a resource does not, it is empty, and not merely unknown
    "00100010": {"vr": "PN"},
    "00100020": {"vr": "LO"},
    "00100021": {"vr": "LO"},
    "00100030": {"vr": "DA"},
    "00100040": {"vr": "CS"},
}


def attributes(patient: Element | None, subject: Element, systems: Systems) -> Attributes:
    """The attributes of a patient.

    Args:
        patient: the Patient, where it is known.
        subject: the reference to it, which may tell its identifier and name.
        systems: what the configuration says.
    """
    made: Attributes = {} if patient is None else dict(_TOLD)
    known = every(patient, "identifier") or [within(subject, "identifier")]
    known = [each for each in known if said(each, "value")]
    if known:
        main = min(known, key=lambda each: _place(each, systems))
        _put(made, main, systems)
        others = [each for each in known if each is not main]
        put(made, "00101002", "SQ", *(_item(each, systems) for each in others))
    name = name_of(every(patient, "name")) or spoken(said(subject, "display"))
    put_name(made, "00100010", name)
    put(made, "00100030", "DA", day(said(patient, "birthDate")))
    put(made, "00100040", "CS", _SEXES.get(said(patient, "gender")))
    return made


def _place(identifier: Element, systems: Systems) -> int:
    """The lower, the more likely it is the one that the modalities use."""
    system = said(identifier, "system")
    if systems.patient is not None and system == systems.patient:
        return 0
    if system in systems.issuers.values():
        return 1
    codings = every(within(identifier, "type"), "coding")
    if any(said(e, "code") == "MR" and said(e, "system") in {"", TYPES} for e in codings):
        return 2
    return {"usual": 3, "official": 4, "old": 6}.get(said(identifier, "use"), 5)


def _put(made: Attributes, identifier: Element, systems: Systems) -> None:
    put(made, "00100020", "LO", said(identifier, "value"))
    put(made, "00100021", "LO", issuer_name(identifier, systems, systems.patient))
    put(made, "00100024", "SQ", *issuer_of(identifier, systems, systems.patient))


def _item(identifier: Element, systems: Systems) -> Attributes:
    made: Attributes = {}
    _put(made, identifier, systems)
    return made
