"""A far side that a test holds back, breaks and counts; and what is seen of the cache before it."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.contract.made import Made

from hilum.backends.cache import Kept, open_kept
from hilum.backends.memory import Memory
from hilum.config.mounts import Cache, DimseMount
from hilum.core.backend import Retrieval
from hilum.core.caller import everybodys
from hilum.model.errors import HilumError, Incomplete
from hilum.model.identity import Ref
from hilum.model.instance import Instance


@dataclass
class Far:
    """Attributes:
    asked: the references of each retrieval.
    gate: nothing comes while it is closed, but `before` instances and half of the next.
    loses: SOP Instance UIDs that do not come; for how many attempts.
    breaks: SOP Instance UIDs whose data sets break off.
    fails: what each attempt raises in the end, in turn.
    refuses: what each attempt raises on entering, in turn.
    """

    memory: Memory = field(default_factory=Memory)
    asked: list[tuple[Ref, ...]] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    before: int = 0
    loses: dict[str, int] = field(default_factory=dict)
    breaks: dict[str, int] = field(default_factory=dict)
    fails: list[HilumError | None] = field(default_factory=list)
    refuses: list[HilumError | None] = field(default_factory=list)
    manifest: bool = True
    places: bool = False
    opened: int = 0
    closed: int = 0
    given: list[str] = field(default_factory=list)

    async def keep(self, *instances: Made) -> None:
        for each in instances:
            stored = await self.memory.store(each.instance())
            assert stored.failure is None

    @asynccontextmanager
    async def retrieve(self, refs: Sequence[Ref], /) -> AsyncIterator[Retrieval]:
        self.asked.append(tuple(refs))
        if self.refuses and (refusal := self.refuses.pop(0)) is not None:
            raise refusal
        async with self.memory.retrieve(refs) as retrieval:
            self.opened += 1
            try:
                manifest = retrieval.manifest if self.manifest else None
                if self.places and manifest is not None:
                    manifest = [replace(each, **self._place(each)) for each in manifest]
                async with aclosing(self._instances(retrieval)) as instances:
                    yield Retrieval(manifest, instances)
            finally:
                await asyncio.sleep(0)
                self.closed += 1

    def _place(self, each: Any) -> dict[str, str]:
        kept = self.memory._kept[each.sop_instance_uid]
        return {
            "study_instance_uid": kept.value("0020000D"),
            "series_instance_uid": kept.value("0020000E"),
        }

    async def _instances(self, retrieval: Retrieval) -> AsyncGenerator[Instance, None]:
        missing: list[str] = []
        count = 0
        async for each in retrieval.instances:
            uid = each.sop_instance_uid
            if self.loses.get(uid, 0):
                self.loses[uid] -= 1
                missing.append(uid)
                continue
            held = count == self.before
            breaks = bool(self.breaks.get(uid))
            if breaks:
                self.breaks[uid] -= 1
            self.given.append(uid)
            yield replace(
                each, chunks=self._chunks(each.chunks, each.size or 0, held=held, breaks=breaks)
            )
            count += 1
        if not count:
            await self.gate.wait()
        failure = self.fails.pop(0) if self.fails else None
        if failure is not None:
            raise failure
        if missing:
            raise Incomplete("some did not come", tuple(missing))

    async def _chunks(
        self, chunks: AsyncIterator[bytes], size: int, *, held: bool, breaks: bool
    ) -> AsyncIterator[bytes]:
        sent = 0
        async for chunk in chunks:
            if sent + len(chunk) > size // 2 and held:
                await self.gate.wait()
            sent += len(chunk)
            if breaks and sent > size // 2:
                raise HilumError("it broke off")
            yield chunk


def settings(**said: Any) -> DimseMount:
    cache = said.pop("cache", {})
    common = {"backend": "dimse", "aet": "FAR", "host": "far", "port": 104, "spool": True}
    return DimseMount(**{"retry_delay": 0.01, **common, **said, "cache": Cache(**cache)})


def kept(
    far: Far, folder: Path, whose: Callable[[], str] = everybodys, **said: Any
) -> AbstractAsyncContextManager[Kept]:
    return open_kept("FAR", settings(**said), far, folder, whose)


async def read(kept: Kept, *refs: Ref) -> dict[str, bytes]:
    """All data sets by SOP Instance UID; what is announced is what comes."""
    found: dict[str, bytes] = {}
    async with kept.retrieve(refs) as retrieval:
        async for each in retrieval.instances:
            data = b"".join([chunk async for chunk in each.chunks])
            assert each.size in {None, len(data)}
            assert each.sop_instance_uid not in found
            found[each.sop_instance_uid] = data
        if retrieval.manifest is not None:
            assert {each.sop_instance_uid for each in retrieval.manifest} == set(found)
    return found


def datasets(*instances: Made) -> dict[str, bytes]:
    return {each.sop_instance_uid: each.data for each in instances}


def folders(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_dir())


def descriptors() -> int:
    return len([*Path("/proc/self/fd").iterdir()])


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 - a test looks from outside
            await asyncio.sleep(0.005)


async def failure(waiting: Awaitable[Any]) -> HilumError:
    try:
        await waiting
    except HilumError as error:
        return error
    raise AssertionError("it did not fail")
