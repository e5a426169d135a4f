"""With which C-GETs or C-MOVEs is something asked for? As few as the standard lets there be."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from hilum.codec import question
from hilum.codec.identifier import UNIQUE_KEYS
from hilum.model.identity import Level, Ref
from hilum.model.instance import Listed
from hilum.model.query import Path

MOST: Final = 200  # UIDs in one list; longer ones are more than some peers read


@dataclass(frozen=True, slots=True)
class Request:
    """One identifier.

    Attributes:
        keys: path -> value: the unique key of the level, perhaps several values of it, and those
            of the levels above.
        patient_root: of the two information models, the Patient Root one.
        patient: whose it must be, where that is not among the keys: the Study Root model has no
            such key for a retrieval, and a study of somebody else is not what was asked for.
    """

    level: Level
    keys: Mapping[Path, str]
    patient_root: bool = False
    patient: str | None = None


def requests_of(refs: Sequence[Ref], *, patient_root: bool = False) -> list[Request]:
    """What asks for all of `refs`, at the level of each.

    Those of one level and with the same keys above go into one list of UIDs (PS3.4 §C.4.2.2.1,
    §C.4.3.2.1); a patient is asked for alone, and always in the Patient Root model.
    """
    groups: dict[tuple[Level, Ref], list[str]] = {}
    for ref in dict.fromkeys(refs):
        level = ref.level
        named = {
            Level.PATIENT: ref.patient,
            Level.STUDY: ref.study,
            Level.SERIES: ref.series,
            Level.IMAGE: ref.instance,
        }
        value = named[level] or ""
        groups.setdefault((level, _above(ref)), []).append(value)
    found = []
    for (level, above), values in groups.items():
        most = 1 if level is Level.PATIENT else MOST
        for some in _cut(values, most):
            keys = {**question.keys_of(above), (UNIQUE_KEYS[level],): "\\".join(some)}
            root = patient_root or level is Level.PATIENT
            if not root:
                keys.pop((UNIQUE_KEYS[Level.PATIENT],), None)
            found.append(Request(level, keys, root, None if root else above.patient))
    return found


def requests_for(
    missing: Iterable[Listed], above: Mapping[Path, str], *, patient_root: bool = False
) -> list[Request]:
    """What asks for these instances only.

    Args:
        missing: as they were listed.
        above: the keys that were asked with at first: what an instance does not say of itself
            comes from there, as far as it is one value.
        patient_root: of the two information models, the Patient Root one.
    """

    def single(level: Level) -> str | None:
        value = above.get((UNIQUE_KEYS[level],), "")
        return value if value and "\\" not in value else None

    refs = [
        Ref(
            study=each.study_instance_uid or single(Level.STUDY),
            series=each.series_instance_uid or single(Level.SERIES),
            instance=each.sop_instance_uid,
            patient=single(Level.PATIENT) if patient_root else None,
        )
        for each in missing
    ]
    return requests_of(refs, patient_root=patient_root)


def _above(ref: Ref) -> Ref:
    """The keys above the deepest one."""
    match ref.level:
        case Level.IMAGE:
            return Ref(study=ref.study, series=ref.series, patient=ref.patient)
        case Level.SERIES:
            return Ref(study=ref.study, patient=ref.patient)
        case Level.STUDY:
            return Ref(patient=ref.patient)
        case Level.PATIENT:
            return Ref()


def _cut(values: list[str], most: int) -> Iterator[list[str]]:
    for start in range(0, len(values), most):
        yield values[start : start + most]
