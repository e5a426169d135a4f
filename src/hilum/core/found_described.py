"""Makes metadata of what a far side answers to queries, where that is all that an image needs."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Final

from hilum.codec.dicom_json import Attributes
from hilum.core.answered import Answered
from hilum.core.backend import BulkData, Describes, Finds
from hilum.core.sift import value_of
from hilum.model.errors import BadQuery, NotOffered, TooLarge
from hilum.model.identity import Level, Ref
from hilum.model.query import Path, Query

MOST: Final = 10_000
"""Instances that are described so; they are all held before the first is given."""

_UIDS = {"study": 0x0020_000D, "series": 0x0020_000E, "instance": 0x0008_0018}
_NEEDED = frozenset((
    "00080016", "00080018", "0020000D", "0020000E", "00280002", "00280004", "00280010",
    "00280011", "00280100", "00280101", "00280102", "00280103", "00080060",
))  # fmt: skip
"""SOP Class, the UIDs, Modality, and how pixels are laid out (PS3.3 Table C.7-11c)."""
_PLACED = frozenset(("00200032", "00200037", "00280030"))
"""Where a slice lies: Image Position, Image Orientation, Pixel Spacing."""
_SCALED = frozenset(("00281052", "00281053"))
"""What its values mean: Rescale Intercept and Slope."""
_OF_A_MODALITY: Final[Mapping[str, frozenset[str]]] = {
    "CT": _PLACED | _SCALED,
    "MR": _PLACED,
    "PT": _PLACED | _SCALED | {"00541001"},
}
_MONOCHROME = frozenset(("MONOCHROME1", "MONOCHROME2"))
_COLOURS = frozenset((
    "RGB", "YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_420", "YBR_ICT", "YBR_RCT",
))  # fmt: skip
_WANTED = frozenset((
    "00080005", "00080008", "00080012", "00080013", "00080020", "00080021", "00080022",
    "00080023", "0008002A", "00080030", "00080031", "00080032", "00080033", "00080050",
    "00080064", "00080068", "00080070", "00080080", "00080090", "00081010", "00081030",
    "0008103E", "00081090", "00083002", "00100010", "00100020", "00100021", "00100030",
    "00100040", "00101010", "00101020", "00101030", "00180015", "00180022", "00180050",
    "00180060", "00180080", "00180081", "00180088", "00181030", "00181050", "00181114",
    "00181164", "00185100", "00185101", "00200010", "00200011", "00200012", "00200013",
    "00200052", "00200060", "00200062", "00201041", "00204000", "00280006", "00280008",
    "00280034", "00280120", "00280301", "00281050", "00281051", "00281054", "00281055",
    "00281056", "00282110", "00282112", "00282114",
))  # fmt: skip
"""What a viewer shows or goes by besides."""
_KEYS = _NEEDED | _PLACED | _SCALED | _WANTED | {"00541001"}


class FoundDescribed:
    """Implements `core.backend.Describes`.

    One query at IMAGE level is asked for the attributes of `_KEYS`. When an answer lacks what its
    image needs, or something else speaks against it, the instances are described as `describes`
    does it. What an answer does not say is not in the metadata.

    Args:
        finds: answers queries.
        describes: describes the instances whole.
        here: whether the instances need not be brought from anywhere; then nothing is asked.
    """

    def __init__(
        self, finds: Finds, describes: Describes, here: Callable[[Ref], bool] = lambda _: False
    ) -> None:
        self._finds = finds
        self._describes = describes
        self._here = here

    @asynccontextmanager
    async def describe(self, ref: Ref, bulk_root: str, /) -> AsyncIterator[AsyncIterator[bytes]]:
        """See `core.backend.Describes`."""
        found = None if self._here(ref) else await self._found(ref)
        async with AsyncExitStack() as stack:
            if found is None:
                whole = self._describes.describe(ref, bulk_root)
                yield await stack.enter_async_context(whole)
            else:
                yield _each(found)

    async def _found(self, ref: Ref) -> list[bytes] | None:
        """The metadata of all instances; None: they must be described in another way."""
        match: dict[Path, str] = {
            (tag,): value
            for name, tag in _UIDS.items()
            if (value := getattr(ref, name)) is not None
        }
        include = frozenset((int(key, 16),) for key in _KEYS)
        query = Query(Level.IMAGE, match, include, limit=MOST + 1)
        described: list[bytes] = []
        try:
            async with self._finds.find(query) as found:
                async for each in found:
                    answer = _said(dict(each.decoded()))
                    if not _is_enough(answer):
                        return None
                    described.append(Answered(answer, Level.IMAGE).dicom_json())
                if found.warnings or not 0 < len(described) <= MOST:
                    return None
        except (BadQuery, NotOffered, TooLarge):
            return None
        return described

    def bulk(self, ref: Ref, path: Path, /) -> AbstractAsyncContextManager[BulkData]:
        """See `core.backend.Describes`."""
        return self._describes.bulk(ref, path)


async def _each(described: list[bytes]) -> AsyncIterator[bytes]:
    for each in described:
        yield each


def _said(attributes: Attributes) -> Attributes:
    """What an answer says of the instance, without what is empty: that may only be unknown."""
    return {
        key: attribute
        for key, attribute in attributes.items()
        if key in _KEYS and any(each not in (None, "") for each in attribute.get("Value", ()))
    }


def _is_enough(said: Attributes) -> bool:
    """Whether this is all that showing an image needs.

    Not where more is needed that no answer holds: palettes, and what says of each frame of several
    where it lies.
    """
    needed = _NEEDED | _OF_A_MODALITY.get(value_of(said, "00080060"), frozenset())
    if not needed <= said.keys() or value_of(said, "00280008") not in {"", "1"}:
        return False
    colours, samples = value_of(said, "00280004"), value_of(said, "00280002")
    if samples == "1":
        return colours in _MONOCHROME
    return colours in _COLOURS and "00280006" in said
