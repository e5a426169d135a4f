"""Who of the subscribers is to be told of a study? All of its mount: the rest is asked then."""

import time
from collections.abc import Callable, Sequence
from typing import Final

from hilum.core.changes import Change
from hilum.core.fhir.subscriptions import ACTIVE, REQUESTED, KeepsSubscriptions
from hilum.core.queue import SUBSCRIPTION, Errand, Queue

_TOLD: Final = frozenset({REQUESTED, ACTIVE})


class Subscribing:
    """Keeps an errand for each subscriber of a study that changed: `core.changes.TakesChanges`.

    Args:
        kept: the subscriptions.
        queue: where the errands are kept.
        wake: called when there is something to be done.
    """

    def __init__(self, kept: KeepsSubscriptions, queue: Queue, wake: Callable[[], None]) -> None:
        self._kept = kept
        self._queue = queue
        self._wake = wake

    async def take(self, mount: str, changes: Sequence[Change], /) -> None:
        """See `core.changes.TakesChanges`."""
        now = time.time()
        told = [each for each in await self._kept.of(mount) if each.now(now) in _TOLD]
        errands = [
            Errand(kind=SUBSCRIPTION, target=each.id, key=change.study)
            for each in told
            for change in changes
        ]
        await self._queue.put(errands)
        self._wake()
