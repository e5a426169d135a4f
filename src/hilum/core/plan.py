"""What a far side is asked so that a query is answered, and what is left to do here.

`hilum explain` prints the same plan that `adapt` follows.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import prod

from hilum.core.backend import Abilities
from hilum.core.levels import (
    ISSUER,
    MODALITIES,
    MODALITY,
    PATIENT_COUNTS,
    PATIENT_ID,
    SERIES_COUNT,
    STUDY_COUNTS,
    UNIQUE,
    level_of,
)
from hilum.core.matching import vr_of
from hilum.core.wanted import is_universal
from hilum.model.errors import NotOffered
from hilum.model.identity import Level
from hilum.model.query import Path, Query

MAX_QUESTIONS = 16
"""Questions that the lists in one query may become; a list beyond them is filtered here."""

Checks = tuple[tuple[Path, str], ...]
"""Keys that each answer is held against."""

_RANK = {level: rank for rank, level in enumerate(Level)}
_COUNTS: set[Path] = {(tag,) for tag in (*PATIENT_COUNTS, *STUDY_COUNTS, SERIES_COUNT)}
_NO_LISTS = frozenset(("LT", "ST", "UR", "UT"))  # VRs in which a backslash is a character


@dataclass(frozen=True, slots=True)
class Step:
    """What is asked at one level.

    Attributes:
        level: at which.
        questions: asked one after another, their answers put together; `limit` and `offset` only
            tell the far side what is wanted in the end. What the step before found
            is added to their keys: `given`.
        checks: what each answer must hold.
        given: unique keys of the levels above whose values the steps before bring.
        carried: attributes of the answers that those of the next steps get.
        why: for people to read.
    """

    level: Level
    questions: tuple[Query, ...]
    checks: Checks
    given: tuple[int, ...] = ()
    carried: frozenset[int] = frozenset()
    why: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a query is answered.

    Attributes:
        level: of the answers.
        steps: from the highest level down; each asks once for every answer of the one before.
        merged: attributes by which an answer that came twice is known, the unique key first.
        known: unique keys above the level that the query itself gives.
        fills_modalities: of a study that does not tell its Modalities in Study the series are
            asked for them.
        groups: the answers are studies, put together to patients.
        counts: what studies a patient has can be told from the answers.
        group_checks: what each patient must hold, once put together.
        everything: each attribute of the levels above is wanted.
        notes: what is done here beside, for people to read.
    """

    level: Level
    steps: tuple[Step, ...]
    merged: tuple[int, ...]
    known: Mapping[int, str]
    fills_modalities: bool = False
    groups: bool = False
    counts: bool = False
    group_checks: Checks = ()
    everything: bool = False
    notes: tuple[str, ...] = ()

    @property
    def is_direct(self) -> bool:
        """Whether it is one question, whose answers pass by as they come."""
        one = len(self.steps) == 1 and len(self.steps[0].questions) == 1
        return one and not self.fills_modalities and not self.groups


def planned(query: Query, abilities: Abilities) -> Plan:
    """The plan for a query.

    Raises:
        NotOffered: a level that is needed cannot be asked at.
    """
    query = _narrowed(query)
    level = query.level
    if level is Level.PATIENT and level not in abilities.levels:
        return _grouped(query, abilities)
    _need(level, abilities)
    above = [each for each in (Level.STUDY, Level.SERIES) if _RANK[each] < _RANK[level]]
    walked = [each for each in above if _is_needed(each, query)]
    if not walked:
        return _as_it_is(query, abilities, "asked as it is")
    if abilities.relational:
        return _as_it_is(query, abilities, "the far side answers across levels")
    return _walked(query, abilities, walked)


def _narrowed(query: Query) -> Query:
    """Keys that every entity holds ask for the attribute only."""
    match = {
        path: value
        for path, value in query.match.items()
        if not is_universal(value, vr_of(f"{path[-1]:08X}"))
    }
    if len(match) == len(query.match):
        return query
    return replace(query, match=match, include=query.include | (query.match.keys() - match.keys()))


def _need(level: Level, abilities: Abilities) -> None:
    if level not in abilities.levels:
        raise NotOffered(f"the far side cannot be asked at {level.value} level")


def is_single(path: Path, value: str) -> bool:
    """Whether a key is one value, without wild cards (PS3.4 §C.2.2.2.1)."""
    listed = "\\" in value and vr_of(f"{path[-1]:08X}") not in _NO_LISTS
    return bool(value) and not listed and "*" not in value and "?" not in value


def _place(path: Path, own: Level) -> Level:
    """The level at which a key is put: its own one, if that is above the query's."""
    level = level_of(path)
    if level is None or _RANK[level] > _RANK[own]:
        return own
    return Level.STUDY if level is Level.PATIENT else level


def _is_needed(above: Level, query: Query) -> bool:
    """Whether a level above must be asked at: for its unique key, or for its attributes."""
    unique = (UNIQUE[above],)
    if not is_single(unique, query.match.get(unique, "")):
        return True
    asked = [*query.match, *query.include]
    return any(path != unique and _place(path, query.level) is above for path in asked)


def _known(query: Query) -> dict[int, str]:
    """The unique keys above the level that the query gives."""
    above = [UNIQUE[each] for each in (Level.STUDY, Level.SERIES)]
    if query.level is Level.IMAGE:
        wanted = above
    else:
        wanted = above[:1] if query.level is Level.SERIES else []
    given = {tag: query.match.get((tag,), "") for tag in wanted}
    return {tag: value for tag, value in given.items() if is_single((tag,), value)}


def merged(level: Level) -> tuple[int, ...]:
    """Attributes by which an answer that came twice is known, the unique key first."""
    if level is Level.PATIENT:
        return (PATIENT_ID, ISSUER)
    if level is Level.SERIES:
        return (UNIQUE[Level.SERIES], UNIQUE[Level.STUDY])
    return (UNIQUE[level],)


def _as_it_is(query: Query, abilities: Abilities, why: str) -> Plan:
    step, notes = _step(query, why)
    fills = _fills(step, abilities)
    return Plan(
        query.level,
        (step,),
        merged(query.level),
        _known(query),
        fills_modalities=fills,
        notes=(*notes, *([_FILLED] if fills else [])),
    )


def _fills(step: Step, abilities: Abilities) -> bool:
    asked = any(path == (MODALITIES,) for path, _ in step.checks)
    return asked and step.level is not Level.PATIENT and Level.SERIES in abilities.levels


_FILLED = "what comes without ModalitiesInStudy is looked into by a question at SERIES level"


def _walked(query: Query, abilities: Abilities, above: Sequence[Level]) -> Plan:
    """One level after the other, each key at its own."""
    steps: list[Step] = []
    notes: list[str] = []
    known = _known(query)
    found: list[int] = []
    for level in (*above, query.level):
        _need(level, abilities)
        is_last = level is query.level
        match = {path: v for path, v in query.match.items() if _place(path, query.level) is level}
        higher = [
            UNIQUE[each] for each in (Level.STUDY, Level.SERIES) if _RANK[each] < _RANK[level]
        ]
        match |= {(tag,): known[tag] for tag in higher if tag in known}
        include = {path for path in query.include if _place(path, query.level) is level}
        if not is_last:
            include |= {(UNIQUE[level],)} - match.keys()
        asked = Query(
            level,
            match,
            frozenset(include),
            include_all=query.include_all,
            fuzzy=query.fuzzy,
            is_bare=query.is_bare or (not is_last and not query.include_all),
        )
        step, said = _step(asked, _why(level, is_last=is_last))
        carried = {path[0] for path in (*match, *include)} | {UNIQUE[level]}
        given = tuple(tag for tag in found if (tag,) not in match)
        steps.append(
            replace(step, given=given, carried=frozenset() if is_last else frozenset(carried))
        )
        notes += said
        found.append(UNIQUE[level])
    fills = any(_fills(each, abilities) for each in steps)
    return Plan(
        query.level,
        tuple(steps),
        merged(query.level),
        known,
        fills_modalities=fills,
        everything=query.include_all,
        notes=(*notes, *([_FILLED] if fills else [])),
    )


def _why(level: Level, *, is_last: bool) -> str:
    if is_last:
        return "once for each answer of the question above"
    things = "studies" if level is Level.STUDY else "series"
    return f"the {things} to look into: the far side does not answer across levels"


def _grouped(query: Query, abilities: Abilities) -> Plan:
    """Patients, made of their studies."""
    _need(Level.STUDY, abilities)
    counts = {(tag,) for tag in PATIENT_COUNTS}
    match = {path: value for path, value in query.match.items() if path not in counts}
    include = (query.include - counts) | {(PATIENT_ID,), (ISSUER,)}
    if not query.is_bare or any(path in counts for path in (*query.match, *query.include)):
        include |= {(tag,) for tag in STUDY_COUNTS}
    include -= match.keys()
    studies = replace(
        query, level=Level.STUDY, match=match, include=frozenset(include), limit=None, offset=0
    )
    step, notes = _step(studies, "the far side cannot be asked at PATIENT level: its studies are")
    fills = _fills(step, abilities)
    grouped = "studies with one PatientID and IssuerOfPatientID are one patient"
    return Plan(
        Level.PATIENT,
        (replace(step, carried=frozenset(path[0] for path in (*query.match, *query.include))),),
        (UNIQUE[Level.STUDY],),
        {},
        fills_modalities=fills,
        groups=True,
        counts=all(level_of(path) is Level.PATIENT for path in match),
        group_checks=tuple((path, v) for path, v in query.match.items() if path in counts),
        notes=(*notes, *([_FILLED] if fills else []), grouped),
    )


def _step(query: Query, why: str) -> tuple[Step, list[str]]:
    """The questions at one level, and what is to be said of them."""
    match, notes = dict(query.match), []
    checks = list(query.match.items())
    if query.level is Level.STUDY and (MODALITY,) in match:
        value = match.pop((MODALITY,))
        match.setdefault((MODALITIES,), value)
        checks = [((MODALITIES,) if p == (MODALITY,) else p, v) for p, v in checks]
        notes.append("Modality of a study is asked for as ModalitiesInStudy")
    plain = replace(query, match=match, include=query.include - match.keys())
    counts = [path for path in match if path in _COUNTS]
    for path in counts:
        del match[path]
    if counts:
        plain = replace(plain, match=match, include=plain.include | set(counts))
        notes.append("counts are filtered here, as hardly anybody matches on them")
    lists = _lists(match)
    universal = []
    while prod(map(len, lists.values())) > MAX_QUESTIONS:
        path = max(lists, key=lambda each: len(lists[each]))
        universal.append(path)
        del lists[path]
    if universal:
        kept = {path: value for path, value in match.items() if path not in universal}
        plain = replace(plain, match=kept, include=plain.include | set(universal))
        notes.append("a list is too long to be split and is filtered here")
    questions = tuple(
        replace(plain, match={**plain.match, **dict(zip(lists, values, strict=True))})
        for values in product(*lists.values())
    )
    if len(questions) > 1:
        notes.append(f"lists are split into {len(questions)} questions and their answers merged")
    return Step(query.level, questions, _sure(checks, fuzzy=query.fuzzy), why=why), notes


def _lists(match: Mapping[Path, str]) -> dict[Path, list[str]]:
    """Keys with more than one value; only UIDs may be so asked for (PS3.4 §C.2.2.2.2)."""
    found: dict[Path, list[str]] = {}
    for path, value in match.items():
        if "\\" not in value or vr_of(f"{path[-1]:08X}") in {"UI", *_NO_LISTS}:
            continue
        found[path] = list(
            dict.fromkeys(part for each in value.split("\\") if (part := each.strip()))
        )
    return found


def _sure(checks: Iterable[tuple[Path, str]], *, fuzzy: bool) -> Checks:
    """Those keys whose answers can be judged: not names that the far side matches fuzzily."""
    return tuple(
        (path, value) for path, value in checks if not (fuzzy and vr_of(f"{path[-1]:08X}") == "PN")
    )
