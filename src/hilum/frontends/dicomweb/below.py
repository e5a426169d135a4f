"""What is below a study or series, and in which order is it looked at? By number."""

from collections.abc import Mapping
from typing import Any, Final

from hilum.core.operations import Find
from hilum.frontends.dicomweb.asked import Asked
from hilum.model.identity import Level, Ref
from hilum.model.query import Path, Query

MOST: Final = 10_000
"""Series, or instances of one series, among which the one in the middle is looked for."""

_STUDY, _SERIES, _INSTANCE = 0x0020000D, 0x0020000E, 0x00080018
_MODALITY, _SERIES_NUMBER, _INSTANCE_NUMBER = 0x00080060, 0x00200011, 0x00200013
_LAST: Final = float("inf")  # who has no number comes last

_WITHOUT = (
    "ANN ASMT AU DOC ECG EEG EMG EOG EPS FID HC HD KO M3D OSS PLAN PR REG RESP RTINTENT RTPLAN"
    " RTRAD RTRECORD RTSEGANN RTSTRUCT SMR SR SRF STAIN TEXTUREMAP VOI"
)
_NO_IMAGES: Final = frozenset(_WITHOUT.split())
"""Modalities (PS3.3 §C.7.3.1.1.1) of what has no pixels."""
_OVER_OTHERS: Final = frozenset(("RTDOSE", "SEG"))
"""Modalities that are looked at only where there is no other."""


async def instances(about: Asked, ref: Ref, most: int) -> list[Ref]:
    """The instances of a study or series, by the numbers of their series and their own."""
    found = [
        (
            _number(each, _SERIES_NUMBER),
            _text(each, _SERIES) or ref.series or "",
            _number(each, _INSTANCE_NUMBER),
            _text(each, _INSTANCE),
        )
        for each in await _found(
            about, Level.IMAGE, ref, {_SERIES, _SERIES_NUMBER, _INSTANCE_NUMBER}, most
        )
    ]
    return [
        Ref(study=ref.study, series=series, instance=instance)
        for _, series, _, instance in sorted(found)
        if instance
    ]


async def imaging_series(about: Asked, ref: Ref) -> list[Ref]:
    """The series of a study that may have images, those that are looked at first before."""
    found = []
    for each in await _found(about, Level.SERIES, ref, {_MODALITY, _SERIES_NUMBER}, MOST):
        modality, uid = _text(each, _MODALITY), _text(each, _SERIES)
        if uid and modality not in _NO_IMAGES:
            found.append((modality in _OVER_OTHERS, _number(each, _SERIES_NUMBER), uid))
    return [Ref(study=ref.study, series=uid) for _, _, uid in sorted(found)]


async def _found(
    about: Asked, level: Level, ref: Ref, include: set[int], most: int
) -> list[Mapping[str, Any]]:
    match: dict[Path, str] = {(_STUDY,): ref.study or ""}
    if ref.series:
        match[_SERIES,] = ref.series
    query = Query(
        level=level,
        match=match,
        include=frozenset((tag,) for tag in include),
        limit=most,
    )
    async with about.broker.find(about.part(Find, query=query)) as matches:
        return [match.decoded() async for match in matches]


def _values(attributes: Mapping[str, Any], tag: int) -> list[Any]:
    return attributes.get(f"{tag:08X}", {}).get("Value") or [""]


def _text(attributes: Mapping[str, Any], tag: int) -> str:
    return str(_values(attributes, tag)[0] or "")


def _number(attributes: Mapping[str, Any], tag: int) -> float:
    try:
        return float(_values(attributes, tag)[0])
    except (TypeError, ValueError):
        return _LAST
