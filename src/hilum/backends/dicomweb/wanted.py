"""Which instances does a retrieval mean, and which must come? Asked by QIDO-RS beforehand."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from hilum.backends.dicomweb.asks import Asking, all_of, text_of
from hilum.backends.dicomweb.resources import INSTANCE, SERIES, STUDY, is_whole
from hilum.codec.dicom_json import Attributes
from hilum.codec.header import EXPLICIT_BIG, IMPLICIT_LITTLE
from hilum.model.errors import BackendFault, HilumError, NotOffered
from hilum.model.identity import Level, Ref, is_uid
from hilum.model.instance import Listed
from hilum.model.query import Path, Query

MOST: Final = 200_000
"""Instances of one retrieval that are listed beforehand."""

LISTED_FIRST: Final = 100
"""Instances up to which a retrieval waits until it is known by name what will come."""

_PATIENT: Path = (0x0010_0020,)
_SYNTAXES: Path = (0x0008_3002,)  # Available Transfer Syntax UID
_OF_STUDY: Path = (0x0020_1208,)  # Number of Study Related Instances
_OF_SERIES: Path = (0x0020_1209,)
_INCLUDE = frozenset({STUDY, SERIES, _PATIENT, _SYNTAXES})
_NOT_ON_THE_WEB = frozenset({IMPLICIT_LITTLE, EXPLICIT_BIG})  # what is kept so is given otherwise


@dataclass(frozen=True, slots=True)
class Expected:
    """What a retrieval must bring.

    Attributes:
        listed: by SOP Instance UID; None where the server could not be asked, or was asked only
            how many there are.
        others: SOP Instance UIDs that come with it and are not meant: of another patient.
        count: how many there are, where they are not listed and that is known.
    """

    listed: Mapping[str, Listed] | None
    others: frozenset[str] = frozenset()
    count: int | None = None


async def resolved(asking: Asking, refs: Sequence[Ref]) -> list[Ref]:
    """The same as studies, series and instances with all their keys, each once.

    Raises:
        HilumError: the server does not say where something belongs.
    """
    found: list[Ref] = []
    alone: list[Ref] = []
    for ref in refs:
        if is_whole(ref):
            found.append(ref)
        elif ref.instance is not None:
            alone.append(ref)
        elif ref.series is not None:
            found += await _studies_of(asking, ref, SERIES, ref.series)
        elif ref.patient is not None:
            found += await _studies_of(asking, ref, _PATIENT, ref.patient)
    found += await _instances_of(asking, alone)
    return list(dict.fromkeys(found))


async def _studies_of(asking: Asking, ref: Ref, key: Path, value: str) -> list[Ref]:
    """The studies of a patient, or the series with its study.

    What the server finds is looked at again: one that ignored the key would give everything.
    """
    level = Level.SERIES if key == SERIES else Level.STUDY
    match = {key: value, **({_PATIENT: ref.patient} if ref.patient is not None else {})}
    tag = f"{key[0]:08X}"
    found = []
    for each in await all_of(asking, Query(level, match, frozenset({_PATIENT, STUDY})), MOST):
        study = text_of(each, "0020000D")
        if text_of(each, tag) == value.strip() and is_uid(study):
            found.append(replace(ref, study=study))
    return found


async def _instances_of(asking: Asking, refs: Sequence[Ref]) -> list[Ref]:
    """The same instances with their study and series."""
    if not refs:
        return []
    found: list[Ref] = []
    by_study: dict[str | None, list[Ref]] = {}
    for ref in refs:
        by_study.setdefault(ref.study, []).append(ref)
    for study, some in by_study.items():
        known = {each.instance: each for each in some}
        uids = "\\".join(each for each in known if each is not None)
        match: dict[Path, str] = {INSTANCE: uids}
        if study is not None:
            match[STUDY] = study
        for each in await _instances(asking, match):
            uid = text_of(each, "00080018")
            keys = text_of(each, "0020000D"), text_of(each, "0020000E")
            if uid in known and all(map(is_uid, keys)):
                found.append(replace(known[uid], study=keys[0], series=keys[1]))
    return found


async def expected(asking: Asking, refs: Sequence[Ref]) -> Expected:
    """What must come for `refs`, which have all their keys; never raises.

    Many instances are only counted: to list them takes some servers as long as to send them.
    """
    if all(ref.instance is None and ref.patient is None for ref in refs):
        try:
            counts = [await _count(asking, ref) for ref in refs]
        except HilumError:
            counts = [None]
        known = [count for count in counts if count is not None]
        if len(known) == len(counts) and sum(known) > LISTED_FIRST:
            return Expected(None, count=sum(known))
    return await listed(asking, refs)


def count_of(ref: Ref) -> Query:
    """What asks how many instances a study or series has."""
    if ref.series is None:
        return Query(Level.STUDY, _match(ref), frozenset({_OF_STUDY}))
    return Query(Level.SERIES, _match(ref), frozenset({_OF_SERIES}))


def list_of(ref: Ref) -> Query:
    """What asks which ones these are."""
    return Query(Level.IMAGE, _match(ref), _INCLUDE)


async def _count(asking: Asking, ref: Ref) -> int | None:
    """How many instances a study or series has; None where the server does not say."""
    query = count_of(ref)
    (path,) = query.include
    tag = f"{path[0]:08X}"
    for each in await all_of(asking, query, MOST):
        keys = text_of(each, "0020000D"), text_of(each, "0020000E")
        if keys[0] == ref.study and ref.series in {None, keys[1]}:
            values = each.get(tag, {}).get("Value") or [None]
            try:
                return int(values[0])
            except (TypeError, ValueError):
                return None
    return None


async def listed(asking: Asking, refs: Iterable[Ref]) -> Expected:
    """The same with each instance by name, where the server says them; never raises."""
    found: dict[str, Listed] = {}
    others: set[str] = set()
    try:
        for ref, match in _questions(refs):
            for each in await _instances(asking, match):
                one = _listed(each)
                if one is None:
                    return Expected(None)
                patient = text_of(each, "00100020")
                if ref.patient is not None and patient and patient != ref.patient.strip():
                    others.add(one.sop_instance_uid)
                elif _is_of(one, match):
                    found[one.sop_instance_uid] = one
                if len(found) > MOST:
                    return Expected(None)
    except HilumError:
        return Expected(None)
    return Expected(found, frozenset(others - found.keys()))


def _questions(refs: Iterable[Ref]) -> list[tuple[Ref, dict[Path, str]]]:
    """What to ask: instances of one series together."""
    questions: list[tuple[Ref, dict[Path, str]]] = []
    by_series: dict[Ref, list[str]] = {}
    for ref in refs:
        if ref.instance is not None:
            by_series.setdefault(replace(ref, instance=None), []).append(ref.instance)
        else:
            questions.append((ref, _match(ref)))
    for ref, uids in by_series.items():
        match = _match(ref)
        match[INSTANCE] = "\\".join(dict.fromkeys(uids))
        questions.append((ref, match))
    return questions


def _match(ref: Ref) -> dict[Path, str]:
    match: dict[Path, str] = {STUDY: ref.study or ""}
    if ref.series is not None:
        match[SERIES] = ref.series
    return match


async def _instances(asking: Asking, match: Mapping[Path, str]) -> list[Attributes]:
    """Instances with their UIDs, by walking the series where the server has to be asked so."""
    try:
        return await all_of(asking, Query(Level.IMAGE, match, _INCLUDE), MOST)
    except NotOffered:
        if STUDY not in match or SERIES in match:
            raise
    found: list[Attributes] = []
    in_study: dict[Path, str] = {STUDY: match[STUDY]}
    for series in await all_of(asking, Query(Level.SERIES, in_study, frozenset({STUDY})), MOST):
        within = {**match, SERIES: text_of(series, "0020000E")}
        if not is_uid(within[SERIES]):
            raise BackendFault("a series came without its UID")
        found += await all_of(asking, Query(Level.IMAGE, within, _INCLUDE), MOST)
    return found


def _listed(attributes: Attributes) -> Listed | None:
    uid = text_of(attributes, "00080018")
    if not is_uid(uid):
        return None
    syntaxes = attributes.get("00083002", {}).get("Value") or []
    syntax = text_of(attributes, "00083002") if len(syntaxes) == 1 else ""
    return Listed(
        uid,
        text_of(attributes, "00080016"),
        syntax if is_uid(syntax) and syntax not in _NOT_ON_THE_WEB else None,
        study_instance_uid=text_of(attributes, "0020000D") or None,
        series_instance_uid=text_of(attributes, "0020000E") or None,
    )


def _is_of(listed: Listed, match: Mapping[Path, str]) -> bool:
    """Whether it is one that was asked for: a server may ignore a key."""
    if INSTANCE in match and listed.sop_instance_uid not in match[INSTANCE].split("\\"):
        return False
    if listed.study_instance_uid not in {None, match.get(STUDY, listed.study_instance_uid)}:
        return False
    return listed.series_instance_uid in {None, match.get(SERIES, listed.series_instance_uid)}
