"""Which operations run now? Those that were asked for, with what each has done so far."""

from collections.abc import Sequence

from hilum.core.records import Tally


class Underway:
    """Implements `core.records.Records`."""

    def __init__(self) -> None:
        self._running: dict[int, Tally] = {}

    def began(self, tally: Tally, /) -> None:
        """See `core.records.Records`."""
        self._running[id(tally)] = tally

    def stored(self, _tally: Tally, _seconds: float, /) -> None:
        """It stands in the tally already."""

    def ended(self, tally: Tally, _error: BaseException | None, /) -> None:
        """See `core.records.Records`."""
        self._running.pop(id(tally), None)

    def now(self) -> Sequence[Tally]:
        """Those that run, the longest first."""
        return sorted(self._running.values(), key=lambda each: each.began)
