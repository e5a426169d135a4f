"""What can a mount say of itself in numbers? How many of what there are now."""

from collections.abc import Mapping
from typing import Protocol


class Measures(Protocol):
    """Can say how much of what it has: open associations, bytes of a cache, instances."""

    async def measure(self) -> Mapping[str, float]:
        """The numbers, by the names of `service.gauges`; in a moment, as somebody waits."""
