"""Which way does a FHIR request go? What DICOM is asked for it, and what is looked at here."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from hilum.codec.fhir.imaging_study import STUDY_UID
from hilum.codec.fhir.parameters import Condition, Search, parse
from hilum.codec.fhir.patient import PATIENT_ID
from hilum.config.schema import Settings
from hilum.core.explained import Way
from hilum.core.fhir import keys
from hilum.core.fhir.of_study import CLASSES
from hilum.core.fhir.patients import PatientKey
from hilum.core.fhir.table import Alternatives, Keys, Known
from hilum.explaining.far import Far
from hilum.explaining.finding import finding
from hilum.explaining.request import Request
from hilum.frontends.fhir.kinds import ENDPOINTS, PATIENTS, STUDIES, Searched, offered_where
from hilum.model.errors import NotFound
from hilum.model.identity import Level, is_uid
from hilum.model.query import Path, Query

_KINDS: Final = {each.type: each for each in (STUDIES, PATIENTS, ENDPOINTS)}
_STUDY: Final = (STUDY_UID,)
_SOMEBODY: Final = PatientKey("{PatientID}")
"""Stands for the patient of an id that this broker has given."""


class _Patients(Mapping[str, PatientKey]):
    """Whose any id is: that stands in the state of the broker, which is not asked."""

    def __getitem__(self, name: str) -> PatientKey:
        return _SOMEBODY

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


@dataclass(frozen=True, slots=True)
class _Asked:
    """A FHIR request at a mount."""

    far: Far
    settings: Settings
    searched: Searched
    also: frozenset[Path] = frozenset()
    """Asked for as well, as answers are held against it."""

    @property
    def is_live(self) -> bool:
        """Whether a system elsewhere answers."""
        return self.far.asks is not None

    def ways(self, level: Level, sets: list[Keys], about: str = "") -> Iterator[Way]:
        """Those of searches, of which each that there is is asked."""
        limit = self.settings.fhir.max_answers + 1 if self.is_live else None
        for number, match in enumerate(sets, 1):
            fields = self.searched.fields if level is self.searched.level else frozenset({_STUDY})
            fields = (fields | self.also) - match.keys()
            query = Query(level, match, fields, limit=limit)
            which = f"search {number} of {len(sets)}, whose answers are joined" if sets[1:] else ""
            for way in finding(query, self.far):
                when = "; ".join(each for each in (about, which, way.when) if each)
                yield replace(way, when=when)


def resources(request: Request, far: Far, settings: Settings, notes: list[str]) -> list[Way]:
    """Each way; what holds for all of them is added to the notes.

    Raises:
        HilumError: it would be refused.
    """
    asked = _Asked(far, settings, _KINDS[request.kind])
    if asked.searched is ENDPOINTS:
        return [Way("", notes=["the broker says itself which DICOMweb services the mount has"])]
    ways = (
        _read(request, asked) if request.operation == "read" else _searched(request, asked, notes)
    )
    if asked.searched is STUDIES:
        notes.append(
            "then the series and instances of each study that is given, where it is wanted"
        )
    return ways


def _read(request: Request, asked: _Asked) -> list[Way]:
    if asked.searched is PATIENTS:
        return [*asked.ways(Level.PATIENT, [{(PATIENT_ID,): _SOMEBODY.patient_id}], _WHOSE)]
    if not is_uid(request.name):
        raise NotFound("there is no such resource: the id of an ImagingStudy is its UID")
    return [*asked.ways(Level.STUDY, [{_STUDY: request.name}])]


_WHOSE: Final = "with the Patient ID that the broker has given that id for"


def _searched(request: Request, asked: _Asked, notes: list[str]) -> list[Way]:
    offers = offered_where(asked.searched, changes=not asked.is_live)
    said = parse(request.parameters, offers, strict=False)
    notes += said.problems
    refers = Known("", _Patients(), is_live=asked.is_live)
    own: list[Alternatives] = []
    below: list[tuple[Condition, Level, Alternatives]] = []
    for each in said.conditions:
        answered = asked.searched.table[each.name]
        found = answered.keys(each, refers)
        if answered.level in {None, asked.searched.level}:
            own.append(found)
        else:
            below.append((each, answered.level or Level.IMAGE, found))
    notes += _looked_at(said, asked)
    if any(each.name == "dicom-class" for each in said.conditions):
        asked = replace(asked, also=frozenset({CLASSES}))
    return [*_ways(asked, keys.combined(own), below)]


def _ways(
    asked: _Asked, sets: list[Keys], below: list[tuple[Condition, Level, Alternatives]]
) -> Iterator[Way]:
    """What is asked of the mount; of what is below a study that first, elsewhere."""
    for condition, level, alternatives in below:
        merged: list[Keys] = [{**each, **other} for each in sets for other in (alternatives or [])]
        if not asked.is_live:
            sets = merged
            continue
        yield from asked.ways(level, merged, f"first, which studies have {condition.name}")
        sets = [{**each, _STUDY: "{StudyInstanceUID}"} for each in sets] if merged else []
    if not sets:
        yield Way("", notes=["nothing can match: nothing is sent"])
        return
    assert asked.searched.level is not None  # noqa: S101 - else nothing is looked for
    yield from asked.ways(asked.searched.level, sets, "then" if below and asked.is_live else "")


def _looked_at(said: Search, asked: _Asked) -> Iterator[str]:
    """What is done here with what comes."""
    table = asked.searched.table
    held = dict.fromkeys(
        each.name for each in said.conditions if table[each.name].check is not None
    )
    if held:
        yield f"each answer is held here against {', '.join(held)}"
    if any(
        each.name.rpartition(".")[2] in {"patient", "subject", "_id"} for each in said.conditions
    ):
        yield "ids of Patients are those that this broker has given; {PatientID} is whose they are"
    if asked.is_live:
        most = asked.settings.fhir.max_answers
        yield f"at most {most} answers are looked at (fhir.max_answers)"
    if said.sort:
        yield f"sorted here by {', '.join(name for name, _ in said.sort)}"
