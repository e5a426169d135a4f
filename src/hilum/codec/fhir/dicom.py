"""What does an ImagingStudy say in the words of DICOM? R4's DICOM Tag Mapping, read backwards."""

from collections.abc import Callable, Iterable
from typing import Final

from hilum.codec.fhir import dicom_patient
from hilum.codec.fhir.body_sites import terms
from hilum.codec.fhir.dicom_values import (
    Attributes,
    code_items,
    issuer_of,
    moment,
    put,
    put_name,
    spoken,
)
from hilum.codec.fhir.resources import counted, every, said, within
from hilum.codec.fhir.values import ABSENT, OID, SCT, TYPES, UID, URI, Element, Systems
from hilum.model.identity import is_uid


def _empty(written: str) -> Attributes:
    words = written.split()
    return {tag: {"vr": vr} for vr, tag in zip(words[::2], words[1::2], strict=True)}


_SIDES: Final = {"7771000": "L", "24028007": "R", "51440002": "B"}
_PEOPLE: Final = (("referrer", "00080090"), ("interpreter", "00081060"))
_TOLD_OF_STUDY: Final = _empty(
    "DA 00080020 SH 00080050 CS 00080061 PN 00080090 LO 00081030 SQ 00081032 "
    "PN 00081060 LO 00081080 SQ 00081084 IS 00201206 IS 00201208 LO 00380010"
)
_TOLD_OF_SERIES: Final = _empty(
    "IS 00200011 CS 00080060 LO 0008103E IS 00201209 CS 00180015 CS 00200060 DA 00080021 "
    "PN 00081050"
)
"""What a resource would tell: where it does not, that is empty, and not merely unknown."""
_AVAILABLE: Final = frozenset(("", "available", "registered", "unknown"))


def study_uid(study: Element) -> str:
    """Study Instance UID of an ImagingStudy; "" where it says none."""
    for each in every(study, "identifier"):
        uid = said(each, "value").removeprefix(OID)
        if said(each, "system") in {UID, URI} and is_uid(uid):
            return uid
    return ""


def is_there(study: Element) -> bool:
    """Whether a study is one that can be had: not cancelled, nor entered in error."""
    return said(study, "status") in _AVAILABLE and bool(study_uid(study))


def study_attributes(study: Element, patient: Element | None, systems: Systems) -> Attributes:
    """The attributes of a study and of its patient.

    Args:
        study: an ImagingStudy.
        patient: its subject, where that is known.
        systems: what the configuration says of identifiers and times.
    """
    made = dict(_TOLD_OF_STUDY)
    made |= dicom_patient.attributes(patient, within(study, "subject"), systems)
    put(made, "0020000D", "UI", study_uid(study))
    day, time, offset = moment(said(study, "started"), systems)
    put(made, "00080020", "DA", day)
    put(made, "00080030", "TM", time)
    put(made, "00080201", "SH", offset)
    if said(study, "started") and not day:  # a year, or a month
        del made["00080020"]
    _put_accession(made, study, systems)
    put(made, "00080061", "CS", *_modalities(study))
    put(made, "00080062", "UI", *_classes(study))
    for name, tag in _PEOPLE:
        people = [within(study, name)] if name == "referrer" else every(study, name)
        put_name(made, tag, *(spoken(said(each, "display")) for each in people))
    put(made, "00081030", "LO", said(study, "description"))
    put(made, "00081032", "SQ", *code_items(every(study, "procedureCode")))
    reasons = every(study, "reasonCode")
    put(made, "00081084", "SQ", *code_items(reasons))
    put(made, "00081080", "LO", *(said(e, "text") for e in reasons if not every(e, "coding")))
    put(made, "00201206", "IS", counted(study, "numberOfSeries"))
    put(made, "00201208", "IS", counted(study, "numberOfInstances"))
    put(made, "00380010", "LO", said(within(within(study, "encounter"), "identifier"), "value"))
    return made


def _put_accession(made: Attributes, study: Element, systems: Systems) -> None:
    """The number by which the study was asked for: of its own, or of the request for it."""
    own = every(study, "identifier")
    requests = [within(each, "identifier") for each in every(study, "basedOn")]
    tests: tuple[tuple[list[Element], Callable[[Element], bool]], ...] = (
        (own, lambda each: is_of(each, "ACSN")),
        (own, lambda each: bool(systems.accession) and said(each, "system") == systems.accession),
        (requests, lambda each: is_of(each, "ACSN")),
        (requests, lambda each: not every(within(each, "type"), "coding")),
    )
    for where, is_it in tests:
        for each in where:
            if said(each, "value") and said(each, "system") not in {UID, URI} and is_it(each):
                put(made, "00080050", "SH", said(each, "value"))
                put(made, "00080051", "SQ", *issuer_of(each, systems, systems.accession))
                return


def is_of(identifier: Element, kind: str) -> bool:
    """Whether an identifier is of a type (HL7 v2 table 0203)."""
    codings = every(within(identifier, "type"), "coding")
    return any(
        said(each, "code") == kind and said(each, "system") in {"", TYPES} for each in codings
    )


def _modalities(study: Element) -> Iterable[str]:
    codings = every(study, "modality") or [within(e, "modality") for e in every(study, "series")]
    return dict.fromkeys(filter(None, map(_code, codings)))


def _code(coding: Element) -> str:
    return "" if said(coding, "system") == ABSENT else said(coding, "code").upper()


def _classes(study: Element) -> Iterable[str]:
    """The SOP classes in it, where all instances are told."""
    series = every(study, "series")
    if not series or not all(every(each, "instance") for each in series):
        return ()
    found = (_sop_class(each) for one in series for each in every(one, "instance"))
    return dict.fromkeys(filter(None, found))


def series_attributes(series: Element, systems: Systems) -> Attributes:
    """The attributes of a series; empty where it has no UID."""
    uid = said(series, "uid").removeprefix(OID)
    if not is_uid(uid):
        return {}
    made = dict(_TOLD_OF_SERIES)
    put(made, "0020000E", "UI", uid)
    put(made, "00200011", "IS", counted(series, "number"))
    put(made, "00080060", "CS", _code(within(series, "modality")))
    put(made, "0008103E", "LO", said(series, "description"))
    put(made, "00201209", "IS", counted(series, "numberOfInstances"))
    put(made, "00180015", "CS", _body_part(within(series, "bodySite")))
    put(made, "00200060", "CS", _SIDES.get(said(within(series, "laterality"), "code")))
    day, time, _offset = moment(said(series, "started"), systems)
    put(made, "00080021", "DA", day)
    put(made, "00080031", "TM", time)
    performers = (said(within(each, "actor"), "display") for each in every(series, "performer"))
    put_name(made, "00081050", *map(spoken, performers))
    return made


def _body_part(coding: Element) -> str:
    code = said(coding, "code") if said(coding, "system") in {"", SCT} else ""
    return next(iter(terms(code)), "") or said(coding, "display").upper()[:16]


def instance_attributes(instance: Element) -> Attributes:
    """The attributes of an instance; empty where it has no UID."""
    made: Attributes = {}
    uid = said(instance, "uid").removeprefix(OID)
    if not is_uid(uid):
        return made
    put(made, "00080018", "UI", uid)
    put(made, "00080016", "UI", _sop_class(instance))
    put(made, "00200013", "IS", counted(instance, "number"))
    return made


def _sop_class(instance: Element) -> str:
    uid = said(within(instance, "sopClass"), "code").removeprefix(OID)
    return uid if is_uid(uid) else ""
