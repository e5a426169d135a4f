"""How much is in the archive? Counted when somebody asks; bytes not more often than is worth it.

The sum of all sizes looks at each instance: it is made again after a thousand times as long as it
took. So a small archive knows its size, and a large one is not kept busy by who looks at it.
"""

import asyncio
import math
import time
from collections.abc import Mapping
from typing import Final

from hilum.backends.archive.readers import Readers

SOON: Final = 5.0  # seconds between two sums, at least
FRESH: Final = 900.0  # seconds between them, at most
SHARE: Final = 1000  # of the time between them that they may take one part
PATIENCE: Final = 1.5  # seconds that this may take; else it is left out until the next time

_COUNTS: Final = "SELECT count(*), coalesce(sum(n_instances), 0) FROM study"
_BYTES: Final = "SELECT coalesce(sum(size), 0) FROM instance"


class Amount:
    """Implements `core.measures.Measures` for an archive."""

    def __init__(self, readers: Readers) -> None:
        self._readers = readers
        self._bytes: float | None = None
        self._until = 0.0

    async def measure(self) -> Mapping[str, float]:
        """See `core.measures.Measures`."""
        [(studies, instances)] = await self._readers.run(lambda cursor: cursor.rows(_COUNTS))
        if time.monotonic() >= self._until:
            self._until = math.inf  # one at a time
            began = time.monotonic()
            try:
                self._bytes = await self._summed()
            finally:
                ended = time.monotonic()
                self._until = ended + min(max((ended - began) * SHARE, SOON), FRESH)
        found = {"hilum_archive_studies": studies, "hilum_archive_instances": instances}
        return found if self._bytes is None else {**found, "hilum_archive_bytes": self._bytes}

    async def _summed(self) -> float | None:
        try:
            async with asyncio.timeout(PATIENCE):
                [(size,)] = await self._readers.run(lambda cursor: cursor.rows(_BYTES))
        except TimeoutError:
            return None
        return float(size)
