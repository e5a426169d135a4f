"""What can be asked of studies."""

from collections.abc import Callable, Iterator
from typing import Final

from hilum.codec.fhir import times, values
from hilum.codec.fhir.body_sites import terms
from hilum.codec.fhir.parameters import Condition, Kind, Offer, plain
from hilum.codec.fhir.values import DCM, OID, SCT, Element
from hilum.core.fhir import keys, of_patient
from hilum.core.fhir.holds import Span, Token, checked, span, tokens
from hilum.core.fhir.table import Alternatives, Answered, Check, Known, Row, Table, by, unasked
from hilum.model.errors import BadQuery
from hilum.model.identity import Level, is_uid
from hilum.model.query import Path

_STUDY, _ACCESSION, _MODALITIES = (0x0020_000D,), (0x0008_0050,), (0x0008_0061,)
_STARTED, _ADMISSION, _REASONS = (0x0008_0020,), (0x0038_0010,), (0x0008_1084,)
CLASSES: Final[Path] = (0x0008_0062,)
"""SOP Classes in Study, which `dicom-class` asks for: they are in no resource."""
_NO_MODIFIER: Final = frozenset(("",))


def _codings(found: list[Element]) -> Iterator[Token]:
    for each in found:
        yield Token(each.get("system", ""), each.get("code", ""))


def _concepts(found: list[Element]) -> Iterator[Token]:
    for each in found:
        yield from _codings(each.get("coding", []))


# What hardly costs anything is read from the attributes: it may be asked of ten thousand studies.


def _uid(row: Row) -> Iterator[Token]:
    yield Token("", values.text(row.attributes, "0020000D"))


def _modality(row: Row) -> Iterator[Token]:
    for each in values.texts(row.attributes, "00080061"):
        yield Token(DCM, values.code(each))


def _identified(row: Row) -> Iterator[Token]:
    yield from of_patient.identifiers(row.resource["identifier"])
    yield Token(values.UID, row.resource["id"])  # without urn:oid:, which people forget


def _accession(row: Row) -> Iterator[Token]:
    for each in row.resource.get("basedOn", ()):
        yield from of_patient.identifiers([each["identifier"]])


def _encounter(row: Row) -> Iterator[Token]:
    if "encounter" in row.resource:
        yield from of_patient.identifiers([row.resource["encounter"]["identifier"]])


def _started(row: Row) -> Iterator[Span]:
    zone = row.systems.zone
    found = span(times.moment(row.attributes, "00080020", "00080030", zone) or "")
    if found is not None:
        yield found


def _identifiers(condition: Condition, known: Known) -> Alternatives:
    """A UID, or an Accession Number: a value may be either where no system is said."""
    if condition.modifier == "of-type":
        return keys.ids(_ACCESSION)(condition, known)
    studies = keys.uids(_STUDY)(condition, known)
    if studies is None or not all(each.value for each in tokens(condition)):
        return None
    others = [e.value for e in tokens(condition) if e.system not in {values.UID, values.URI}]
    others = [each.replace("\\", "?") for each in others if not each.startswith(OID)]
    return [*studies, *(keys.listed(_ACCESSION, others) or ())]


def _only_identified(asking: keys.Asking) -> keys.Asking:
    """Keys of a reference to what is known by its identifier only."""

    def asked(condition: Condition, known: Known) -> Alternatives:
        if condition.modifier == "identifier":
            return asking(condition, known)
        return None if condition.modifier else []

    return asked


def _logical(found: Callable[[Row], Iterator[Token]]) -> Callable[[Condition, Known], Check]:
    """Whether a reference that is known by its identifier only is the one."""

    def check(condition: Condition, _known: Known) -> Check:
        holds = checked(condition)
        if not condition.modifier:
            return lambda _row: False
        return lambda row: holds(found(row))

    return check


def _endpoint(condition: Condition, known: Known) -> Check:
    if condition.modifier == "missing":
        return by(lambda row: row.resource.get("endpoint", ()))(condition, known)
    wanted = {"Endpoint/" + known.local(plain(each), "Endpoint") for each in condition.values}
    return lambda row: any(each["reference"] in wanted for each in row.resource.get("endpoint", ()))


def _reasons(condition: Condition, _known: Known) -> Alternatives:
    if condition.modifier or not all(each.value for each in tokens(condition)):
        return None
    wanted = (each.value.replace("\\", "?") for each in tokens(condition))
    return keys.listed((*_REASONS, 0x0008_0100), wanted)


def _class_keys(condition: Condition, known: Known) -> Alternatives:
    """Systems elsewhere are not asked: some tell the classes, and match on them with nothing."""
    if condition.modifier == "missing":
        return None
    if not all(is_uid(e.value.removeprefix(OID)) for e in tokens(condition)):
        raise BadQuery("a SOP class is asked for as urn:oid: and its UID")
    return None if known.is_live else keys.uids(CLASSES)(condition, known)


def _classes(row: Row) -> Iterator[Token]:
    for each in values.texts(row.attributes, "00080062"):
        yield Token(values.URI, OID + each)
        yield Token("", each)


def _body_sites(condition: Condition, _known: Known) -> Alternatives:
    wanted = []
    for each in tokens(condition):
        known = terms(each.value) if each.system in {None, SCT} else []
        wanted += known
        if not known and each.system in {None, ""}:
            wanted.append(each.value.upper().replace("\\", "?"))
    return keys.listed((0x0018_0015,), wanted)


def _person(tag: int) -> Table:
    """What can be asked of a person who is only named: `referrer.name`."""

    def found(*parts: str) -> Callable[[Row], Iterator[str]]:
        return lambda row: of_patient.spoken(values.names(row.attributes, f"{tag:08X}"), *parts)

    return {
        part: Answered(
            Offer(Kind.STRING),
            by(found(*(of_patient.ALL_PARTS if part == "name" else (part,)))),
            keys.names((tag,), part),
        )
        for part in ("name", "family", "given")
    }


def _performer(part: str) -> Answered:
    """A performer is of a series: the keys decide, so that only the beginning of a name is one."""
    offer = Offer(Kind.STRING, modifiers=_NO_MODIFIER)
    return Answered(offer, None, keys.names((0x0008_1050,), part), Level.SERIES)


_BELOW: Final = {
    "referrer": ("Practitioner", _person(0x0008_0090)),
    "interpreter": ("Practitioner", _person(0x0008_1060)),
    "performer": ("Practitioner", {each: _performer(each) for each in ("name", "family", "given")}),
    "patient": ("Patient", of_patient.TABLE),
    "subject": ("Patient", of_patient.TABLE),
}


def _reference(name: str) -> Answered:
    """A patient, or a person who is only named: then nothing has that reference."""
    target, below = _BELOW[name]
    chained = {key: each.offer for key, each in below.items()}
    if target != "Patient":
        return Answered(Offer(Kind.REFERENCE, target, chained, _NO_MODIFIER), _nobody, _none)
    offer = Offer(Kind.REFERENCE, target, chained, sorts=False)
    return Answered(offer, _patient_check, _patient_keys)


def _nobody(_condition: Condition, _known: Known) -> Check:
    return lambda _row: False


def _none(_condition: Condition, _known: Known) -> Alternatives:
    return []


def _patient_check(condition: Condition, known: Known) -> Check:
    if condition.modifier == "identifier":
        return of_patient.TABLE["identifier"].check(condition, known)  # type: ignore[misc] # has one
    return of_patient.is_one(condition, known)


def _patient_keys(condition: Condition, known: Known) -> Alternatives:
    if condition.modifier == "identifier":
        return keys.ids((0x0010_0020,))(condition, known)
    return of_patient.meant(condition, known)


def _below(tag: int, level: Level) -> Answered:
    return Answered(Offer(Kind.TOKEN, modifiers=_NO_MODIFIER), None, keys.uids((tag,)), level)


_WITH_TYPE: Final = frozenset(("", "not", "missing", "of-type"))
TABLE: Final[Table] = {
    "_id": Answered(Offer(Kind.TOKEN, sorts=True), by(_uid), keys.uids(_STUDY), order=_uid),
    "identifier": Answered(Offer(Kind.TOKEN, modifiers=_WITH_TYPE), by(_identified), _identifiers),
    "_lastUpdated": Answered(
        Offer(Kind.DATE, sorts=True), by(of_patient.updated), unasked, order=of_patient.updated
    ),
    "started": Answered(
        Offer(Kind.DATE, sorts=True), by(_started), keys.days(_STARTED), order=_started
    ),
    "modality": Answered(
        Offer(Kind.TOKEN),
        by(_modality),
        keys.codes(_MODALITIES),
    ),
    "status": Answered(
        Offer(Kind.TOKEN),
        by(lambda row: [Token("http://hl7.org/fhir/imagingstudy-status", row.resource["status"])]),
        unasked,
    ),
    "basedon": Answered(
        Offer(Kind.REFERENCE, "ServiceRequest"),
        _logical(_accession),
        _only_identified(keys.ids(_ACCESSION)),
    ),
    "encounter": Answered(
        Offer(Kind.REFERENCE, "Encounter"),
        _logical(_encounter),
        _only_identified(keys.ids(_ADMISSION)),
    ),
    "endpoint": Answered(
        Offer(Kind.REFERENCE, "Endpoint", modifiers=frozenset(("", "missing"))), _endpoint, unasked
    ),
    "reason": Answered(
        Offer(Kind.TOKEN),
        by(lambda row: _concepts(row.resource.get("reasonCode", []))),
        _reasons,
    ),
    "series": _below(0x0020_000E, Level.SERIES),
    "instance": _below(0x0008_0018, Level.IMAGE),
    "bodysite": Answered(
        Offer(Kind.TOKEN, modifiers=_NO_MODIFIER), None, _body_sites, Level.SERIES
    ),
    "dicom-class": Answered(Offer(Kind.TOKEN), by(_classes), _class_keys),
    **{name: _reference(name) for name in _BELOW},
    **{f"{name}.{key}": each for name, (_, below) in _BELOW.items() for key, each in below.items()},
}
"""By the name of the parameter; those with a dot are chained."""
