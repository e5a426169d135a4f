"""How is what waits in the queue done? A few errands at a time, again until they are, or given up.

A far side that is down is left alone for a while, whatever waits for it, and tried again by the
next few errands; one that refuses a single errand gets the others meanwhile.
"""

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from hilum.core.queue import Kept, Queue, backoff
from hilum.model.errors import BackendTimeout, BackendUnavailable, HilumError

log = logging.getLogger(__name__)

LEASE: Final = 60.0
"""Seconds after which somebody else does what one that died has claimed."""
_LOOK: Final = 1.0  # seconds between two looks, as others may put errands in too
_SHORTEST_PAUSE: Final = 1.0  # seconds that a far side is left alone which is down
_SHARE: Final = 0.25  # of the time it has been down so far: what is lost of the time it is up again
_LONGEST_PAUSE: Final = 60.0  # seconds
_BATCH: Final = 4  # times as many are claimed as are done at once


class Again(NamedTuple):
    """It did not go well, and may another time.

    Attributes:
        reason: for people; no patient data.
        after: seconds before which it need not be tried, as the far side says.
        is_down: the far side as a whole, not only for this errand.
    """

    reason: str
    after: float = 0.0
    is_down: bool = False


class Never(NamedTuple):
    """It is refused for good. `reason` is for people, and holds no patient data."""

    reason: str


Outcome = Again | Never | None
"""None: it is done."""


@dataclass(slots=True)
class _Pause:
    """A far side that is left alone, down since then."""

    since: float
    until: float = 0.0


@dataclass(slots=True)
class _Tables:
    """What is in hand."""

    claimed: deque[Kept] = field(default_factory=deque)
    running: dict[asyncio.Task[None], Kept] = field(default_factory=dict)
    pauses: dict[str, _Pause] = field(default_factory=dict)

    @property
    def leases(self) -> set[str]:
        return {each.lease for each in (*self.claimed, *self.running.values())}


class Worker:
    """Does the errands of one kind; one for each kind in a process.

    Args:
        queue: where they are.
        kind: of them.
        does: does one. A HilumError is `Again`: of a far side that is down, where it says so.
        by: who that is: another one for each process that uses the queue, the same after a restart.
        at_once: how many are done at the same time.
        max_age: seconds after which one is given up that does not go well, by its target.
        only: targets that are ours; None: all.
    """

    def __init__(  # noqa: PLR0913 - that many things are to be said of it
        self,
        queue: Queue,
        kind: str,
        does: Callable[[Kept], Awaitable[Outcome]],
        *,
        by: str,
        at_once: int,
        max_age: Callable[[str], float],
        only: Collection[str] | None = None,
    ) -> None:
        self._queue = queue
        self._kind = kind
        self._does = does
        self._by = by
        self._at_once = at_once
        self._max_age = max_age
        self._only = only
        self._hand = _Tables()
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Look at once: something was put into the queue."""
        self._wake.set()

    async def run(self) -> None:
        """For ever. What is cancelled goes on when the next one begins."""
        freed = False
        async with asyncio.TaskGroup() as group:
            group.create_task(self._hold())
            while True:
                self._wake.clear()
                wait = _LOOK
                try:
                    if not freed:
                        await self._queue.free(self._by)
                        freed = True
                    wait = await self._begin(group)
                except HilumError as error:
                    log.error("errands (%s) cannot be had: %s", self._kind, error)  # noqa: TRY400 - one line
                try:
                    async with asyncio.timeout(wait):
                        await self._wake.wait()
                except TimeoutError:
                    pass

    async def _begin(self, group: asyncio.TaskGroup) -> float:
        """Begin what can be begun; seconds after which to look again."""
        hand, now = self._hand, time.time()
        paused = [name for name, pause in hand.pauses.items() if pause.until > now]
        away = [each for each in hand.claimed if each.errand.target in paused]
        if away:
            hand.claimed = deque(each for each in hand.claimed if each not in away)
            await self._queue.release(away)
        if len(hand.running) >= self._at_once:
            return _LOOK
        if not hand.claimed:
            due = await self._queue.next_due(self._kind, only=self._only, skip=paused)
            if due is None or due > now:
                ends = [pause.until for pause in hand.pauses.values() if pause.until > now]
                return max(min([_LOOK, *(each - now for each in (*ends, due or now + _LOOK))]), 0.0)
            most = self._at_once * _BATCH
            claim = self._queue.claim(
                self._kind, by=self._by, lease=LEASE, most=most, only=self._only, skip=paused
            )
            hand.claimed.extend(await claim)
        while hand.claimed and len(hand.running) < self._at_once:
            kept = hand.claimed.popleft()
            task = group.create_task(self._whole(kept))
            hand.running[task] = kept
            task.add_done_callback(self._ended)
        return _LOOK

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._hand.running[task]
        self._wake.set()

    async def _hold(self) -> None:
        """Keep what is in hand from others."""
        while True:
            await asyncio.sleep(LEASE / 3)
            leases = self._hand.leases
            if leases:
                try:
                    await self._queue.extend(leases, LEASE)
                except HilumError as error:
                    log.error("leases (%s) cannot be extended: %s", self._kind, error)  # noqa: TRY400 - one line

    async def _whole(self, kept: Kept) -> None:
        """Do one, and say in the queue what became of it."""
        outcome = await self._outcome(kept)
        try:
            await self._settle(kept, outcome)
        except HilumError as error:
            # Its lease ends, and then it is done again.
            log.error("errand %d (%s) cannot be settled: %s", kept.id, self._kind, error)  # noqa: TRY400 - one line

    async def _outcome(self, kept: Kept) -> Outcome:
        try:
            return await self._does(kept)
        except (BackendUnavailable, BackendTimeout) as error:
            return Again(str(error), is_down=True)
        except HilumError as error:
            return Again(str(error))
        except Exception:
            log.exception("errand %d (%s) failed", kept.id, self._kind)
            return Again("internal error")

    async def _settle(self, kept: Kept, outcome: Outcome) -> None:
        target = kept.errand.target
        is_down = isinstance(outcome, Again) and outcome.is_down
        if not is_down and self._hand.pauses.pop(target, None) is not None:
            log.info("%s: the far side of %s answers again", self._kind, target)
        if outcome is None:
            await self._queue.done(kept)
            return
        if isinstance(outcome, Never):
            log.error(
                "%s: %s: errand %d is given up: %s", self._kind, target, kept.id, outcome.reason
            )
            await self._queue.bury(kept, outcome.reason)
            return
        now = time.time()
        oldest = now - self._max_age(target)
        if outcome.is_down:  # it goes behind all that wait already, so that it holds up none
            due = self._left_alone_until(target, outcome, now)
        else:
            due = now + max(backoff(kept.attempts), outcome.after)
        if kept.created < oldest:
            await self._queue.bury(kept, outcome.reason)
            number = 1 + await self._queue.expire(self._kind, target, oldest, outcome.reason)
            log.error(
                "%s: %s: %d errands are given up: %s",
                *(self._kind, target, number, outcome.reason),
            )
        else:
            await self._queue.again(kept, outcome.reason, due)

    def _left_alone_until(self, target: str, outcome: Again, now: float) -> float:
        """Have nothing done for a far side that is down; each time for longer."""
        pause = self._hand.pauses.setdefault(target, _Pause(now))
        if pause.until <= now:  # else it was found out by several at once
            level = logging.DEBUG if pause.until else logging.WARNING
            wait = max(_SHORTEST_PAUSE, (now - pause.since) * _SHARE)
            wait *= random.uniform(0.5, 1)  # noqa: S311 - no secret
            wait = min(max(wait, outcome.after), _LONGEST_PAUSE)
            pause.until = now + wait
            text = "%s: %s is left alone for %.0f s: %s"
            log.log(level, text, self._kind, target, wait, outcome.reason)
        return pause.until
