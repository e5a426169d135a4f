"""How is a study written as FHIR's ImagingStudy? As R4's DICOM Tag Mapping says."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from hilum.codec.fhir import patient, values
from hilum.codec.fhir.body_sites import BODY_SITES
from hilum.codec.fhir.values import DCM, OID, SCT, URI, Attributes, Element, Systems, told
from hilum.model.identity import is_uid
from hilum.model.query import Path

STUDY_UID: Final = 0x0020_000D
_OF_A_STUDY = (
    *(STUDY_UID, 0x0008_0020, 0x0008_0030, 0x0008_0201, 0x0008_0050, 0x0008_0051, 0x0008_0061),
    *(0x0008_0090, 0x0008_1030, 0x0008_1032, 0x0008_1060, 0x0008_1080, 0x0008_1084),
    *(0x0020_1206, 0x0020_1208, 0x0038_0010, 0x0038_0014),
)
_OF_A_SERIES = (
    *(0x0020_000E, 0x0020_0011, 0x0008_0060, 0x0008_103E, 0x0020_1209, 0x0018_0015, 0x0020_0060),
    *(0x0008_0021, 0x0008_0031, 0x0008_0201, 0x0008_1050),
)
_OF_AN_INSTANCE = (0x0020_000E, 0x0008_0018, 0x0008_0016, 0x0020_0013)
STUDY_FIELDS: Final[frozenset[Path]] = patient.FIELDS | {(tag,) for tag in _OF_A_STUDY}
"""What is asked for of a study, and of its patient."""
SERIES_FIELDS: Final[frozenset[Path]] = frozenset((tag,) for tag in _OF_A_SERIES)
INSTANCE_FIELDS: Final[frozenset[Path]] = frozenset((tag,) for tag in _OF_AN_INSTANCE)
_SIDES: Final = {  # Laterality (0020,0060)
    "L": {"system": SCT, "code": "7771000", "display": "Left"},
    "R": {"system": SCT, "code": "24028007", "display": "Right"},
    "B": {"system": SCT, "code": "51440002", "display": "Right and left"},
}


@dataclass(frozen=True, slots=True)
class Parts:
    """What is below a study.

    Attributes:
        series: attributes of each.
        instances: of each instance, by Series Instance UID; None: they are left out.
    """

    series: Sequence[Attributes]
    instances: Mapping[str, Sequence[Attributes]] | None = field(default_factory=dict)


def imaging_study(
    study: Attributes, systems: Systems, endpoints: Iterable[str], parts: Parts | None = None
) -> Element:
    """The resource, without the reference to its patient, who is only named.

    Args:
        study: attributes of the study and of its patient.
        systems: what the configuration says of them.
        endpoints: references.
        parts: what is below the study; None: that is left out.
    """
    uid = values.text(study, "0020000D")
    accession = _accession(study, systems)
    made: Element = {
        "resourceType": "ImagingStudy",
        "id": uid,
        "identifier": [values.uid_identifier(uid), *accession],
        "status": "available",
        "modality": _modalities(study),
        "subject": _patient(study),
        "encounter": _encounter(study, systems),
        "started": values.moment(study, "00080020", "00080030", systems.zone),
        "basedOn": [{"type": "ServiceRequest", "identifier": each} for each in accession],
        "referrer": next(iter(_people(study, "00080090")), None),
        "interpreter": _people(study, "00081060"),
        "endpoint": [{"reference": each} for each in endpoints],
        "numberOfSeries": values.number(study, "00201206"),
        "numberOfInstances": values.number(study, "00201208"),
        "procedureCode": values.concepts(study, "00081032"),
        "reasonCode": _reasons(study),
        "description": values.text(study, "00081030"),
        "series": [] if parts is None else _all_series(parts, systems),
    }
    return told(made)


def _modalities(study: Attributes) -> list[Element]:
    found = dict.fromkeys(map(values.code, values.texts(study, "00080061")))
    return [{"system": DCM, "code": each} for each in found]


def _encounter(study: Attributes, systems: Systems) -> Element | None:
    admission = values.text(study, "00380010")
    if not admission:
        return None
    issuer, system = values.issued(study, "00380014", systems)
    return {"identifier": values.identifier("VN", admission, issuer, system)}


def _people(study: Attributes, tag: str) -> list[Element]:
    return [{"type": "Practitioner", "display": each} for each in values.spoken(study, tag)]


def _all_series(parts: Parts, systems: Systems) -> list[Element]:
    below = [_series(each, systems, parts.instances) for each in parts.series]
    return sorted((each for each in below if is_uid(each["uid"])), key=_place)


def _patient(study: Attributes) -> Element:
    name = values.spoken(study, "00100010")
    return {"type": "Patient", **({"display": name[0]} if name else {})}


def _accession(study: Attributes, systems: Systems) -> list[Element]:
    number = values.text(study, "00080050")
    if not number:
        return []
    issuer, system = values.issued(study, "00080051", systems)
    system = system or (None if issuer else systems.accession)
    return [values.identifier("ACSN", number, issuer, system)]


def _reasons(study: Attributes) -> list[Element]:
    """Why it was made: the diagnoses at admission, as codes and in words."""
    coded = values.concepts(study, "00081084")
    told = {each.get("text") for each in coded}
    return [
        *coded,
        *({"text": each} for each in values.texts(study, "00081080") if each not in told),
    ]


def _series(
    series: Attributes, systems: Systems, instances: Mapping[str, Sequence[Attributes]] | None
) -> Element:
    uid = values.text(series, "0020000E")
    modality = values.code(values.text(series, "00080060"))
    part = values.text(series, "00180015")
    made: Element = {
        "uid": uid,
        "number": values.number(series, "00200011"),
        "modality": {"system": DCM, "code": modality} if modality else values.absent(),
        "description": values.text(series, "0008103E"),
        "numberOfInstances": values.number(series, "00201209"),
        "bodySite": body_site(part) if part else None,
        "laterality": _SIDES.get(values.text(series, "00200060").upper()),
        "started": values.moment(series, "00080021", "00080031", systems.zone),
        "performer": [{"actor": {"display": e}} for e in values.spoken(series, "00081050")],
    }
    if instances is not None:
        below = [_instance(each) for each in instances.get(uid, ())]
        made["instance"] = sorted((each for each in below if is_uid(each["uid"])), key=_place)
    return told(made)


def body_site(term: str) -> Element:
    """The Coding of a Body Part Examined."""
    code = BODY_SITES.get(term.upper())
    return {"system": SCT, "code": code, "display": term} if code else {"display": term}


def _instance(instance: Attributes) -> Element:
    sop_class = values.text(instance, "00080016")
    is_known = is_uid(sop_class)
    made: Element = {
        "uid": values.text(instance, "00080018"),
        "sopClass": {"system": URI, "code": OID + sop_class} if is_known else values.absent(),
        "number": values.number(instance, "00200013"),
    }
    return told(made)


def _place(each: Mapping[str, Any]) -> tuple[int, str]:
    return each.get("number", 2**31), each["uid"]
