"""What is counted in this process? Read when Prometheus asks; with workers, of all together."""

from collections.abc import Awaitable, Callable, Iterable

import anyio.to_thread

import hilum
from hilum.config.schema import Settings
from hilum.net.others import Others
from hilum.service import exposition
from hilum.service.counted import Counted
from hilum.service.families import Family, Sample, decode, encode, joined

ABOUT = "metrics"
"""What workers ask each other."""
Source = Callable[[], Awaitable[Iterable[Family]]]
"""Gives numbers as they are now; quickly, as somebody waits."""


class Metrics:
    """The numbers of this process.

    Args:
        settings: whose names stand in the numbers.
        others: workers besides this one; None: there are none.
        number: of this worker.
    """

    def __init__(self, settings: Settings, others: Others | None = None, number: int = 0) -> None:
        self.counted = Counted(settings)
        self._others = others
        self._number = number
        self._sources: list[Source] = []
        if others is not None:
            others.answer(ABOUT, self._told)

    def add(self, source: Source) -> None:
        """Let somebody give numbers of his own."""
        self._sources.append(source)

    async def expose(self, accept: str) -> tuple[bytes, str]:
        """See `core.records.Exposes`."""
        families = await self.families()
        if self._others is not None:
            said = await self._others.ask(ABOUT)
            of_others = {number: decode(data) for number, data in said.items()}
            families = joined({self._number: families, **of_others})
        return await anyio.to_thread.run_sync(exposition.text, families, accept)

    async def _told(self, _question: bytes) -> bytes:
        return encode(await self.families())

    async def families(self) -> list[Family]:
        """All numbers of this process."""
        own = [*_about(), *self.counted.families()]
        for source in self._sources:
            own += await source()
        return [*own, *await anyio.to_thread.run_sync(lambda: [*exposition.of_process()])]


def _about() -> Iterable[Family]:
    version = Sample("hilum_info", {"version": hilum.__version__}, 1)
    yield Family("hilum_info", "gauge", "Which version runs; always 1.", [version])
