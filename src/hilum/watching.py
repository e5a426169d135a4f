"""How is the service watched? What it does is counted and told, and whether it is in order."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

from hilum.config.schema import Settings
from hilum.config.watching import TelemetrySettings
from hilum.core.broker import Broker
from hilum.core.jobs import BackgroundSends
from hilum.core.readiness import Inspects
from hilum.core.records import Exposes, Records
from hilum.core.underway import Underway
from hilum.net.others import open_others
from hilum.net.worker import Worker
from hilum.service.gauges import Gauges, watching_the_loop
from hilum.service.metrics import Metrics
from hilum.service.readiness import Readiness
from hilum.service.recent import Recent, remembering
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
        broker: has the mounts, which may be others later.
        sends: those in the background; None: there are none.
        state: what outlives us; None: nothing does.
    """

    broker: Broker
    workshop: Workshop
    sends: BackgroundSends | None
    state: State | None


class Watching:
    """Who watches.

    Args:
        settings: what is watched.
        records: is told of operations.
        metrics: what is counted; None: nobody can ask for it.
        underway: what runs, and
        recent: what went wrong of late, for the pages of administrators.

    Attributes:
        settings: those that are in force.
    """

    def __init__(
        self,
        settings: Settings,
        records: Records,
        metrics: Metrics | None = None,
        underway: Underway | None = None,
        recent: Recent | None = None,
    ) -> None:
        self.records = records
        self.underway = underway or Underway()
        self.recent = recent or Recent()
        self.settings = settings
        self._metrics = metrics
        self._readiness: list[Readiness] = []

    @property
    def exposes(self) -> Exposes | None:
        """Gives what was counted."""
        return None if self._metrics is None else self._metrics.expose

    def become(self, settings: Settings) -> None:
        """Watch what other settings say from now on."""
        self.settings = settings
        for each in self._readiness:
            each.become(settings)
        if self._metrics is not None:
            self._metrics.counted.become(settings)

    def inspects(self, watched: Watched) -> Inspects:
        """Looks whether what is ours is in order."""
        state, sends, broker = watched.state, watched.sends, watched.broker
        made = Readiness(
            self.settings,
            lambda: [each for each in broker.mounts if each.backend == "archive"],
            None if state is None else lambda: state.sends.get("0"),
            None if sends is None else lambda: sends.waits,
        )
        self._readiness.append(made)
        return made

    @asynccontextmanager
    async def measuring(self, watched: Watched, *, is_first: bool) -> AsyncIterator[None]:
        """Count what is there, too, until the block is left."""
        if self._metrics is None:
            yield
            return
        queue = None if watched.state is None else watched.state.queue
        async with watching_the_loop() as lag:
            now = (lambda: self.settings, lambda: watched.broker.mounts)
            parts = (*now, watched.workshop, watched.sends, queue, lag)
            self._metrics.add(Gauges(*parts, is_first=is_first))
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
            yield Watching(settings, _together(records))
            return
        others, number = None, 0
        if worker is not None:
            opening = open_others(worker.letters, worker.number, worker.workers)
            others, number = await stack.enter_async_context(opening), worker.number
        metrics = Metrics(settings, others, number)
        underway, recent = Underway(), stack.enter_context(remembering())
        together = _together([metrics.counted, underway, recent, *records])
        yield Watching(settings, together, metrics, underway, recent)


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
