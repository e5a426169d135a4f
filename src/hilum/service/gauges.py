"""How much of what is there now? Pools, caches, archives, queues, disks, the loop's lag."""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import chain
from typing import Final

import anyio.to_thread

from hilum.config.schema import Settings
from hilum.core.jobs import BackgroundSends
from hilum.core.measures import measured
from hilum.core.mounts import Mounts
from hilum.core.queue import Queue
from hilum.core.single import as_it_was
from hilum.model.errors import HilumError
from hilum.service.counted import Durations
from hilum.service.families import Family, Sample
from hilum.workshop.pool import Workshop

TICK: Final = 1.0  # seconds between two looks at the loop's lag

OF_MOUNTS: Final[Mapping[str, tuple[str, str]]] = {
    "hilum_pool_in_use": ("gauge", "Associations with a PACS that somebody has."),
    "hilum_pool_idle": ("gauge", "Associations with a PACS that wait to be used again."),
    "hilum_pool_waiting": ("gauge", "Operations that wait for an association with a PACS."),
    "hilum_pool_size": ("gauge", "The most associations with a PACS."),
    "hilum_cache_bytes": ("gauge", "Bytes that a cache keeps."),
    "hilum_cache_entries": ("gauge", "Retrievals that a cache keeps."),
    "hilum_cache_hits": ("counter", "Retrievals, or parts, that were here or on their way."),
    "hilum_cache_misses": ("counter", "Retrievals, or parts, that were fetched."),
    "hilum_archive_studies": ("gauge", "Studies in an archive."),
    "hilum_archive_instances": ("gauge", "Instances in an archive."),
    "hilum_archive_bytes": ("gauge", "Bytes of data sets in an archive; up to 15 minutes old."),
}
"""What `core.measures.Measures` tells of a mount."""


@dataclass(frozen=True, slots=True)
class Gauges:
    """Numbers of now.

    Args:
        settings: those of now.
        mounts: likewise.
        is_first: whether to tell of what all workers share.
    """

    settings: Callable[[], Settings]
    mounts: Callable[[], Mounts]
    workshop: Workshop
    sends: BackgroundSends | None
    queue: Queue | None
    lag: Durations
    is_first: bool = True

    async def __call__(self) -> list[Family]:
        """All of them."""
        found = [*await self._of_mounts(), *self._of_work()]
        if self.is_first:
            found += await self._of_queue()
            found.append(await anyio.to_thread.run_sync(self._of_disks))
        return found

    async def _of_mounts(self) -> list[Family]:
        samples: dict[str, list[Sample]] = {name: [] for name in OF_MOUNTS}
        for mount in self.mounts():
            shared = mount.backend == "archive" and not self.is_first
            if shared:
                continue
            with mount.uses:
                found = [(await measured(each)).items() for each in mount.measures]
            for name, value in chain.from_iterable(found):
                kind, _ = OF_MOUNTS[name]
                suffix = "_total" if kind == "counter" else ""
                samples[name].append(Sample(name + suffix, {"mount": mount.name}, value))
        return [Family(name, *OF_MOUNTS[name], found) for name, found in samples.items()]

    def _of_work(self) -> Iterator[Family]:
        processes, waiting = self.workshop.busy, self.workshop.waiting
        yield _one("hilum_pixel_processes_busy", "Processes that work on pixels now.", processes)
        yield _one("hilum_pixel_waiting", "Pieces of such work that wait for one.", waiting)
        if self.sends is not None:
            yield _one("hilum_sends", "Sends that have not ended.", self.sends.count)
            age = self.sends.waits
            yield _one("hilum_sends_oldest_seconds", "Since when the first of them waits.", age)
        lag = [*self.lag.samples("hilum_loop_lag_seconds", {})]
        yield Family("hilum_loop_lag_seconds", "histogram", "How late the loop was.", lag)

    async def _of_queue(self) -> list[Family]:
        if self.queue is None:
            return []
        counts: list[Sample] = []
        ages: list[Sample] = []
        with suppress(HilumError):
            by_kind: dict[str, tuple[int, int, float]] = {}
            for each in await self.queue.counts():
                waiting, dead, oldest = by_kind.get(each.kind, (0, 0, time.time()))
                oldest = min(oldest, each.oldest or oldest)
                by_kind[each.kind] = waiting + each.waiting, dead + each.dead, oldest
            for kind, (waiting, dead, oldest) in by_kind.items():
                for state, count in (("waiting", waiting), ("dead", dead)):
                    labels = {"kind": kind, "state": state}
                    counts.append(Sample("hilum_queue", labels, count))
                age = time.time() - oldest
                ages.append(Sample("hilum_queue_oldest_seconds", {"kind": kind}, age))
        return [
            Family("hilum_queue", "gauge", "What is to be done at systems elsewhere.", counts),
            Family(
                "hilum_queue_oldest_seconds", "gauge", "Since when the first of it waits.", ages
            ),
        ]

    def _of_disks(self) -> Family:
        settings = self.settings()
        folders = {"": settings.server.data}
        folders |= {name: settings.folder(name) for name in settings.archives}
        samples = []
        for name, folder in folders.items():
            with suppress(OSError):
                free = shutil.disk_usage(folder).free
                samples.append(Sample("hilum_disk_free_bytes", {"mount": name}, free))
        return Family(
            "hilum_disk_free_bytes", "gauge", "Free at server.data, and at each archive.", samples
        )


def _one(name: str, text: str, value: float) -> Family:
    return Family(name, "gauge", text, [Sample(name, {}, value)])


@asynccontextmanager
async def watching_the_loop() -> AsyncIterator[Durations]:
    """How late the loop is, looked at until the block is left."""
    lag = Durations()
    with as_it_was():
        async with asyncio.TaskGroup() as group:
            watch = group.create_task(_watch(lag))
            try:
                yield lag
            finally:
                watch.cancel()


async def _watch(lag: Durations) -> None:
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + TICK
        await asyncio.sleep(TICK)
        lag.add(max(loop.time() - due, 0.0))
