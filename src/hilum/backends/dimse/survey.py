"""What there is below what is asked for: the instances, found by C-FIND level by level.

A C-GET must propose the classes that will come before it knows them, and no peer's counts can
be trusted; so its contexts are planned from this, and what came is held against it.
"""

from collections.abc import AsyncIterator, Mapping

from hilum.backends.dimse.find import find
from hilum.codec.dicom_json import Attributes
from hilum.codec.identifier import UNIQUE_KEYS
from hilum.model.errors import BadDataset
from hilum.model.identity import Level, is_uid
from hilum.model.instance import Listed
from hilum.model.query import Path
from hilum.upper_layer.association import Association

_SOP_CLASS, _AVAILABLE = (0x00080016,), (0x00083002,)  # Available Transfer Syntax UID
_ASKED: Mapping[Path, str] = {_SOP_CLASS: "", _AVAILABLE: "", (UNIQUE_KEYS[Level.IMAGE],): ""}


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
            query = {**_ASKED, **one}
            for match in await _found(association, Level.IMAGE, query, patient_root=patient_root):
                listed = _listed(match)
                if listed is not None:
                    yield listed
            continue
        lower = levels[levels.index(level) + 1]
        query = {**one, _key(lower): ""}
        matches = await _found(association, lower, query, patient_root=patient_root)
        uids = dict.fromkeys(filter(None, (_value(each, _key(lower)) for each in matches)))
        below = {**one, _key(lower): "\\".join(uids)}
        async for each in survey(association, lower, below, patient_root=patient_root):
            yield each


def _key(level: Level) -> Path:
    return (UNIQUE_KEYS[level],)


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


def _listed(match: Attributes) -> Listed | None:
    uid = _value(match, _key(Level.IMAGE))
    if not is_uid(uid):
        return None
    syntax = _value(match, _AVAILABLE)
    return Listed(
        sop_instance_uid=uid,
        sop_class_uid=_value(match, _SOP_CLASS),
        transfer_syntax_uid=syntax if is_uid(syntax) else None,
    )


def _value(match: Attributes, path: Path) -> str:
    values = match.get(f"{path[0]:08X}", {}).get("Value", [])
    return str(values[0]) if values and values[0] is not None else ""
