"""How is the service watched? What it does is counted and told, and whether it is in order."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from hilum.config.schema import Settings
from hilum.core.jobs import BackgroundSends
from hilum.core.mounts import Mounts
from hilum.core.readiness import Inspects
from hilum.core.records import Exposes, Records
from hilum.net.others import open_others
from hilum.net.worker import Worker
from hilum.service.gauges import Gauges, watching_the_loop
from hilum.service.metrics import Metrics
from hilum.service.readiness import Readiness
from hilum.service.told import Several, Told
from hilum.state.state import State
from hilum.workshop.pool import Workshop


@dataclass(frozen=True, slots=True)
class Watched:
    """What is there to be looked at.

    Attributes:
        sends: those in the background; None: there are none.
        state: what outlives us; None: nothing does.
    """

    mounts: Mounts
    workshop: Workshop
    sends: BackgroundSends | None
    state: State | None


@dataclass(frozen=True, slots=True)
class Watching:
    """Who watches.

    Attributes:
        records: is told of operations.
        metrics: what is counted; None: nobody can ask for it.
    """

    settings: Settings
    records: Records
    metrics: Metrics | None

    @property
    def exposes(self) -> Exposes | None:
        """Gives what was counted."""
        return None if self.metrics is None else self.metrics.expose

    def inspects(self, watched: Watched) -> Inspects:
        """Looks whether what is ours is in order."""
        state, sends = watched.state, watched.sends
        return Readiness(
            self.settings,
            {name: watched.mounts[name].echoes for name in self.settings.archives},
            None if state is None else lambda: state.sends.get("0"),
            None if sends is None else lambda: sends.waits,
        )

    @asynccontextmanager
    async def measuring(self, watched: Watched, *, is_first: bool) -> AsyncIterator[None]:
        """Count what is there, too, until the block is left."""
        if self.metrics is None:
            yield
            return
        queue = None if watched.state is None else watched.state.queue
        async with watching_the_loop() as lag:
            parts = (watched.mounts, watched.workshop, watched.sends, queue, lag)
            self.metrics.add(Gauges(self.settings, *parts, is_first=is_first))
            yield


@asynccontextmanager
async def open_watching(settings: Settings, worker: Worker | None) -> AsyncIterator[Watching]:
    """What is told of operations, until the block is left; it is counted where anybody can ask."""
    async with AsyncExitStack() as stack:
        if not settings.admin.enabled:
            yield Watching(settings, Told(), None)
            return
        others, number = None, 0
        if worker is not None:
            opening = open_others(worker.letters, worker.number, worker.workers)
            others, number = await stack.enter_async_context(opening), worker.number
        metrics = Metrics(settings, others, number)
        yield Watching(settings, Several(metrics.counted, Told()), metrics)
