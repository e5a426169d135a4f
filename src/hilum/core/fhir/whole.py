"""What is below a study? Its series and, where they are not too many, its instances."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Final

from hilum.codec.fhir.imaging_study import INSTANCE_FIELDS, SERIES_FIELDS, STUDY_UID, Parts
from hilum.codec.fhir.values import Attributes, number, text
from hilum.core.backend import Found
from hilum.model.identity import Level
from hilum.model.query import Path, Query

_STUDY: Final = (STUDY_UID,)
Find = Callable[[Query], AbstractAsyncContextManager[Found]]


async def parts(find: Find, study: Attributes, most: int | None) -> Parts:
    """The same, found by two queries, or one.

    Args:
        find: runs one.
        study: attributes of the study.
        most: instances beyond which they are left out, as they are where nobody knows how many
            there are; None: they are wanted however many.
    """
    uid = text(study, "0020000D")
    series = await _below(find, uid, Level.SERIES, SERIES_FIELDS)
    counts = [number(each, "00201209") for each in series]
    count = number(study, "00201208")
    if count is None and None not in counts:
        count = sum(each or 0 for each in counts)
    if most is not None and (count is None or count > most):
        return Parts(series, None)
    instances: dict[str, list[Attributes]] = {}
    for each in await _below(find, uid, Level.IMAGE, INSTANCE_FIELDS):
        instances.setdefault(text(each, "0020000E"), []).append(each)
    return Parts(series, instances)


async def _below(find: Find, uid: str, level: Level, fields: frozenset[Path]) -> list[Attributes]:
    async with find(Query(level, {_STUDY: uid}, fields, is_bare=True)) as found:
        return [each.decoded() async for each in found]
