"""What there is below what is asked for: the instances, found by C-FIND level by level.

A C-GET must propose the classes that will come before it knows them, and no peer's counts can
be trusted; so its contexts are planned from this, and what came is held against it.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from hilum.backends.dimse.find import find
from hilum.codec.dicom_json import Attributes
from hilum.codec.identifier import UNIQUE_KEYS
from hilum.codec.sop_class import PATIENT_ROOT_FIND, STUDY_ROOT_FIND
from hilum.model.errors import BadDataset, HilumError
from hilum.model.identity import Level, is_uid
from hilum.model.instance import Listed
from hilum.model.query import Path
from hilum.upper_layer.association import Association

_SOP_CLASS, _AVAILABLE = (0x00080016,), (0x00083002,)  # Available Transfer Syntax UID
_STUDY, _SERIES = (UNIQUE_KEYS[Level.STUDY],), (UNIQUE_KEYS[Level.SERIES],)
_INSTANCE = (UNIQUE_KEYS[Level.IMAGE],)
_ASKED: Final[Mapping[Path, str]] = {_STUDY: "", _SERIES: "", _INSTANCE: ""}
_KINDS: Final[Mapping[Path, str]] = {**_ASKED, _SOP_CLASS: "", _AVAILABLE: ""}
"""Asked of few: a PACS that has no column for these opens a file for every match (Orthanc does)."""
_AT_ONCE: Final = 100  # UIDs in one question


async def survey(
    association: Association, level: Level, keys: Mapping[Path, str], *, patient_root: bool = False
) -> AsyncIterator[Listed]:
    """Every instance below `keys`, as the peer lists them.

    Args:
        association: on which `find.CONTEXTS` were proposed.
        level: of what is asked for.
        keys: path -> value: the unique key of the level, and of those above it.
        patient_root: of the two information models, the Patient Root one.

    Raises:
        BadQuery, NotOffered, Forbidden, OutOfResources, BackendError: the peer does not list
            them; many want the unique keys of all levels above.
    """
    levels = list(Level)[0 if patient_root else 1 :]
    above = {path: value for path, value in keys.items() if path in map(_key, levels)}
    for value in filter(None, keys.get(_key(level), "").split("\\")):
        one = {**above, _key(level): value}
        if level in (Level.SERIES, Level.IMAGE):
            for listed in await _instances(association, one, patient_root=patient_root):
                yield listed
            continue
        lower = levels[levels.index(level) + 1]
        query = {**one, _key(lower): ""}
        matches = await _found(association, lower, query, patient_root=patient_root)
        uids = dict.fromkeys(filter(None, (_value(each, _key(lower)) for each in matches)))
        below = {**one, _key(lower): "\\".join(uids)}
        async for each in survey(association, lower, below, patient_root=patient_root):
            yield each


async def listed(
    association: Association, level: Level, keys: Mapping[Path, str], *, patient_root: bool = False
) -> list[Listed] | None:
    """Every instance below `keys`, each once; None where the peer does not list them.

    In one question, where the peer agreed to relational queries on this association and answers
    it, else level by level. That there are none is believed only of a peer that does not know
    the study or series either: some have no IMAGE level, and say so by a Success.

    Raises:
        BackendError: the association was lost.
    """
    found: dict[str, Listed] = {}
    try:
        if level is not Level.IMAGE and _is_relational(association, patient_root=patient_root):
            for value in filter(None, keys.get(_key(level), "").split("\\")):
                query = {**keys, _key(level): value}
                try:
                    few = await _instances(association, query, patient_root=patient_root)
                except HilumError:
                    if association.lost is not None:
                        raise
                    few = []
                found |= {each.sop_instance_uid: each for each in few}
        if not found:
            walking = survey(association, level, keys, patient_root=patient_root)
            found = {each.sop_instance_uid: each async for each in walking}
        if not found and await _has(association, level, keys, patient_root=patient_root):
            return None
    except HilumError:
        if association.lost is not None:
            raise
        return None
    return list(found.values())


async def lists_others(
    association: Association, keys: Mapping[Path, str], *, patient_root: bool = False
) -> bool:
    """Whether the peer lists instances in the series of these, and none of these: one question.

    Args:
        association: on which `find.CONTEXTS` were proposed.
        keys: path -> value: the unique keys of instances, and of their series.
        patient_root: of the two information models, the Patient Root one.

    Raises:
        HilumError: it does not tell.
    """
    if not keys.get(_SERIES):
        return False
    series = {path: value for path, value in keys.items() if path != _INSTANCE}
    query = {**_ASKED, **series}
    there = await _those(association, query, series, patient_root=patient_root)
    uids = {each.sop_instance_uid for each in there}
    return bool(uids) and uids.isdisjoint(keys[_INSTANCE].split("\\"))


async def patient_of(association: Association, study: str) -> str | None:
    """The Patient ID of a study, which the Patient Root model wants with every question.

    Asked in the Study Root model, where the peer does not tell it without being told it; None
    where it does not tell it there either.

    Raises:
        BackendError: the association was lost.
    """
    keys = {_key(Level.PATIENT): "", _STUDY: study}
    for patient_root in (True, False):
        try:
            found = await _found(association, Level.STUDY, keys, patient_root=patient_root)
        except HilumError:
            if association.lost is not None:
                raise
            continue
        ids = {
            _value(match, _key(Level.PATIENT)) for match in found if _value(match, _STUDY) == study
        }
        if len(ids - {""}) == 1:
            return (ids - {""}).pop()
    return None


async def _has(
    association: Association, level: Level, keys: Mapping[Path, str], *, patient_root: bool
) -> bool:
    """Whether there is what the instances would be below; True where that cannot be asked."""
    if level is Level.IMAGE:
        level = Level.SERIES
    if not keys.get(_key(level)):
        return True
    query = {path: value for path, value in keys.items() if path != _key(Level.IMAGE)}
    for value in query[_key(level)].split("\\"):
        one = {**query, _key(level): value}
        for match in await _found(association, level, one, patient_root=patient_root):
            if _value(match, _key(level)) == value:
                return True
    return False


def _is_relational(association: Association, *, patient_root: bool) -> bool:
    uid = PATIENT_ROOT_FIND if patient_root else STUDY_ROOT_FIND
    return association.remote.extended.get(uid, b"")[:1] == b"\1"


def _key(level: Level) -> Path:
    return (UNIQUE_KEYS[level],)


async def _instances(
    association: Association, keys: Mapping[Path, str], *, patient_root: bool
) -> list[Listed]:
    """The instances with these unique keys; what a peer lists beyond them is left out.

    The class is asked of one instance in each series, and taken for that of the others.
    """
    if keys.get(_INSTANCE):
        return await _those(association, {**_KINDS, **keys}, keys, patient_root=patient_root)
    found = await _those(association, {**_ASKED, **keys}, keys, patient_root=patient_root)
    first = list({each.series_instance_uid: each for each in reversed(found)}.values())
    told: dict[str | None, Listed] = {}
    for start in range(0, len(first), _AT_ONCE):
        uids = "\\".join(each.sop_instance_uid for each in first[start : start + _AT_ONCE])
        some = {**keys, _INSTANCE: uids}
        for each in await _those(association, {**_KINDS, **some}, some, patient_root=patient_root):
            told[each.series_instance_uid] = each
    if any(each.transfer_syntax_uid for each in told.values()):  # it knows even that: of all, then
        return await _those(association, {**_KINDS, **keys}, keys, patient_root=patient_root)
    return [
        replace(each, sop_class_uid=told[each.series_instance_uid].sop_class_uid)
        if each.series_instance_uid in told
        else each
        for each in found
    ]


async def kinds_of(
    association: Association,
    some: Sequence[Listed],
    keys: Mapping[Path, str],
    *,
    patient_root: bool = False,
) -> dict[str, Listed]:
    """The same instances by SOP Instance UID, each with the class that the peer tells of it.

    Raises:
        HilumError: the peer does not tell.
    """
    by_series: dict[tuple[str, ...], list[Listed]] = {}
    for each in some:
        by_series.setdefault(tuple(_above(each).values()), []).append(each)
    found: dict[str, Listed] = {}
    for several in by_series.values():
        for start in range(0, len(several), _AT_ONCE):
            uids = "\\".join(each.sop_instance_uid for each in several[start : start + _AT_ONCE])
            these = {**keys, **_above(several[0]), _INSTANCE: uids}
            query = {**_KINDS, **these}
            told = await _those(association, query, these, patient_root=patient_root)
            found |= {each.sop_instance_uid: each for each in told}
    return found


def _above(listed: Listed) -> dict[Path, str]:
    """The unique keys of study and series, as far as they are known."""
    named = {_STUDY: listed.study_instance_uid, _SERIES: listed.series_instance_uid}
    return {path: uid for path, uid in named.items() if uid}


async def _those(
    association: Association,
    query: Mapping[Path, str],
    keys: Mapping[Path, str],
    *,
    patient_root: bool,
) -> list[Listed]:
    matches = await _found(association, Level.IMAGE, query, patient_root=patient_root)
    all_of_it = (_listed(match, keys) for match in matches)
    return [each for each in all_of_it if each is not None]


async def _found(
    association: Association, level: Level, keys: Mapping[Path, str], *, patient_root: bool
) -> list[Attributes]:
    """All matches, read before the next is asked: one C-FIND at a time on an association."""
    found = []
    async with find(association, level, keys, patient_root=patient_root) as answers:
        async for answer in answers:
            try:
                found.append(answer.described().attributes)
            except BadDataset:
                continue  # it can still come; it is only not counted on
    return found


def _listed(match: Attributes, keys: Mapping[Path, str]) -> Listed | None:
    uid = _value(match, _key(Level.IMAGE))
    if not is_uid(uid):
        return None
    for path in (_STUDY, _SERIES, _key(Level.IMAGE)):  # some peers ignore keys
        said, asked = _value(match, path), keys.get(path, "")
        if said and asked and said not in asked.split("\\"):
            return None
    syntaxes = match.get(f"{_AVAILABLE[0]:08X}", {}).get("Value", [])
    syntax = syntaxes[0] if len(syntaxes) == 1 else None
    return Listed(
        sop_instance_uid=uid,
        sop_class_uid=_value(match, _SOP_CLASS),
        transfer_syntax_uid=syntax if isinstance(syntax, str) and is_uid(syntax) else None,
        study_instance_uid=_value(match, _STUDY) or _single(keys.get(_STUDY)),
        series_instance_uid=_value(match, _SERIES) or _single(keys.get(_SERIES)),
    )


def _single(value: str | None) -> str | None:
    return value if value and "\\" not in value else None


def _value(match: Attributes, path: Path) -> str:
    values = match.get(f"{path[0]:08X}", {}).get("Value", [])
    return str(values[0]) if values and values[0] is not None else ""
