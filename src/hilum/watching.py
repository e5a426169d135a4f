"""How is the service watched? What it does is counted and told, and whether it is in order."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

from hilum.config.schema import Settings
from hilum.config.watching import TelemetrySettings
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

_MISSING: Final = 'telemetry.{}: its library is not there: pip install "hilum[{}]"'


class CannotWatch(Exception):
    """What is set in `[telemetry]` cannot be done; the text begins with its key."""


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
    """What is told of operations, until the block is left; it is counted where anybody can ask.

    Raises:
        CannotWatch: as what is set for systems elsewhere is no good.
    """
    async with AsyncExitStack() as stack:
        records = [*_telling(settings.telemetry, stack), Told()]
        if not settings.admin.enabled:
            yield Watching(settings, _together(records), None)
            return
        others, number = None, 0
        if worker is not None:
            opening = open_others(worker.letters, worker.number, worker.workers)
            others, number = await stack.enter_async_context(opening), worker.number
        metrics = Metrics(settings, others, number)
        yield Watching(settings, _together([metrics.counted, *records]), metrics)


def _together(records: list[Records]) -> Records:
    return records[0] if len(records) == 1 else Several(*records)


def _telling(settings: TelemetrySettings, stack: AsyncExitStack) -> Iterator[Records]:
    """Who tells systems elsewhere; their libraries are imported where they are wanted.

    Raises:
        CannotWatch: a library is not there, or what is set is no good.
    """
    if settings.sentry is not None:
        from hilum.service import sentry  # noqa: PLC0415 - where it is wanted

        try:
            stack.enter_context(sentry.reporting(settings))
        except ImportError:
            raise CannotWatch(_MISSING.format("sentry", "sentry")) from None
        except ValueError:
            raise CannotWatch("telemetry.sentry: is no DSN") from None
    if settings.otlp is not None:
        from hilum.service import spans  # noqa: PLC0415 - where it is wanted

        try:
            yield stack.enter_context(spans.exporting(settings))
        except ImportError:
            raise CannotWatch(_MISSING.format("otlp", "otel")) from None
