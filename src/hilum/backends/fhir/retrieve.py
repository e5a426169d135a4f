"""How do instances come that a FHIR server knows of? From the DICOMweb roots of their studies."""

from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Final

from hilum.backends.fhir.places import Places
from hilum.backends.fhir.roots import Root
from hilum.codec.fhir.values import text
from hilum.core.adapt import Adapted
from hilum.core.backend import BulkData, Retrieval
from hilum.model.errors import BackendFault, NotFound
from hilum.model.identity import Level, Ref, is_uid
from hilum.model.instance import Instance
from hilum.model.query import Path, Query

_MOST: Final = 10_000  # studies of one retrieval
_KEYS: Final[tuple[tuple[str, Path], ...]] = (
    ("patient", (0x0010_0020,)),
    ("series", (0x0020_000E,)),
    ("instance", (0x0008_0018,)),
)
_STUDY: Final = (0x0020_000D,)


class Retrieving:
    """Implements `core.backend.Retrieves` and `Describes`.

    Args:
        places: tells where studies are.
        finds: tells which studies are meant, where nobody says.
    """

    def __init__(self, places: Places, finds: Adapted) -> None:
        self._places = places
        self._finds = finds

    @asynccontextmanager
    async def retrieve(self, refs: Sequence[Ref], /) -> AsyncIterator[Retrieval]:
        """See `core.backend.Retrieves`; with a manifest where all is at one root."""
        parted: dict[Root, list[Ref]] = {}
        for ref in await self._whole(refs):
            root = await self._places.of(ref.study or "")
            if root is not None:
                parted.setdefault(root, []).append(ref)
        if not parted:
            yield Retrieval([], _Joined([], AsyncExitStack()))
            return
        if len(parted) == 1:
            ((root, some),) = parted.items()
            async with root.retrieving.retrieve(some) as retrieval:
                yield retrieval
            return
        async with AsyncExitStack() as stack:
            yield Retrieval(None, _Joined([*parted.items()], stack))

    async def _whole(self, refs: Sequence[Ref]) -> list[Ref]:
        """The same with their studies.

        Raises:
            BackendFault: they are too many.
        """
        found: dict[Ref, None] = {}
        for ref in refs:
            if ref.study is not None and ref.patient is None:
                found[ref] = None
                continue
            match = {path: value for name, path in _KEYS if (value := getattr(ref, name))}
            if not match:
                continue
            if ref.study is not None:
                match[_STUDY] = ref.study
            level = Level.STUDY if ref.level is Level.PATIENT else ref.level
            query = Query(level, match, frozenset({_STUDY}) - match.keys(), is_bare=True)
            async with self._finds.find(query) as matches:
                async for each in matches:
                    uid = text(each.decoded(), "0020000D")
                    if is_uid(uid):
                        found[replace(ref, study=uid, patient=None)] = None
                    if len(found) > _MOST:
                        raise BackendFault(f"that is in more than {_MOST} studies")
        return [*found]

    async def _root(self, ref: Ref) -> Root | None:
        return await self._places.of(ref.study or "")

    @asynccontextmanager
    async def describe(self, ref: Ref, bulk_root: str, /) -> AsyncIterator[AsyncIterator[bytes]]:
        """See `core.backend.Describes`."""
        root = await self._root(ref)
        if root is None:
            yield _Nothing()
            return
        async with root.describing.describe(ref, bulk_root) as objects:
            yield objects

    @asynccontextmanager
    async def bulk(self, ref: Ref, path: Path, /) -> AsyncIterator[BulkData]:
        """See `core.backend.Describes`."""
        root = await self._root(ref)
        if root is None:
            raise NotFound("no such instance")
        async with root.fetching.bulk(ref, path) as data:
            yield data


class _Nothing(AsyncIterator[bytes]):
    async def __anext__(self) -> bytes:
        raise StopAsyncIteration


class _Joined(AsyncIterator[Instance]):
    """The instances of one root after those of another.

    Args:
        parts: the roots, and what is asked of each.
        stack: holds the retrieval at hand.
    """

    def __init__(self, parts: Sequence[tuple[Root, list[Ref]]], stack: AsyncExitStack) -> None:
        self._parts = deque(parts)
        self._stack = stack
        self._instances: AsyncIterator[Instance] | None = None

    async def __anext__(self) -> Instance:
        while True:
            if self._instances is not None:
                found = await anext(self._instances, None)
                if found is not None:
                    return found
                self._instances = None
                await self._stack.aclose()
            if not self._parts:
                raise StopAsyncIteration
            root, refs = self._parts.popleft()
            opening = root.retrieving.retrieve(refs)
            retrieval = await self._stack.enter_async_context(opening)
            self._instances = retrieval.instances
