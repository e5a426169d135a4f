"""What can a mount say of itself in numbers? How many of what there are now."""

import asyncio
from collections.abc import Mapping
from typing import Final, Protocol

from hilum.model.errors import HilumError

PATIENCE: Final = 2.0  # seconds that one mount may take


class Measures(Protocol):
    """Can say how much of what it has: open associations, bytes of a cache, instances."""

    async def measure(self) -> Mapping[str, float]:
        """The numbers, by the names of `service.gauges`; in a moment, as somebody waits."""


async def measured(measures: Measures) -> Mapping[str, float]:
    """What it says; nothing where it cannot now."""
    try:
        async with asyncio.timeout(PATIENCE):
            return await measures.measure()
    except (HilumError, TimeoutError):
        return {}
