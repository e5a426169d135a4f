"""How a Send runs in the background and survives a restart."""

import asyncio
import logging
import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Final

from hilum.core.broker import Broker
from hilum.core.operations import Send
from hilum.core.single import as_it_was
from hilum.core.transactions import SendRecords, Transaction, broken, ended, under_way
from hilum.model.errors import HilumError, InUse, NotFound, OutOfResources
from hilum.model.outcome import Progress
from hilum.model.sending import Sending, State

AT_ONCE: Final = 4
"""Sends that run at the same time: each holds a slot of its source and one of its destination, and
half of a pool of the usual size is left to those who wait for an answer."""
MAX_WAITING: Final = 1000
"""Sends that have not ended; each waits in memory too."""
KEPT_FOR: Final = 30 * 24 * 3600.0
"""Seconds for which the status of a Send can be asked for after it has ended."""
KEPT_MOST: Final = 100_000
"""Ended Sends that are kept; the oldest go first."""
SAVED_EVERY: Final = 1.0
"""Seconds between two records of the progress of one Send."""
_SWEPT_EVERY = 3600.0  # seconds
_STOPS_WITHIN = 5.0  # seconds that who gives up a Send waits for its end

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Job:
    """One that has not ended.

    Attributes:
        recorded: done once it is kept, or cannot be.
        progress: what was told last.
        stopped: somebody gave it up.
        ending: nothing more happens but that its end is recorded.
        saved: when its progress was recorded, by the monotonic clock.
    """

    transaction: Transaction
    task: "asyncio.Task[None] | None" = None
    recorded: "asyncio.Future[None]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    progress: Progress | None = None
    stopped: bool = False
    ending: bool = False
    saved: float = 0.0

    @property
    def sending(self) -> Sending:
        """How far it is."""
        if self.ending or self.progress is None:
            return self.transaction.sending
        return under_way(self.progress)

    def now(self, sending: Sending | None = None) -> Transaction:
        """The transaction as it is, or as it becomes with `sending`."""
        return replace(self.transaction, sending=sending or self.sending, changed=time.time())


class BackgroundSends:
    """Takes Sends, runs some at a time in the order of their asking, and tells of them.

    See `open_sends`.
    """

    def __init__(
        self,
        broker: Broker,
        records: SendRecords,
        group: asyncio.TaskGroup,
        at_once: int,
        mine: Callable[[str], bool],
    ) -> None:
        self._broker = broker
        self._records = records
        self._group = group
        self._slots = asyncio.Semaphore(at_once)
        self._mine = mine
        self._jobs: dict[str, _Job] = {}

    @property
    def count(self) -> int:
        """How many have not ended."""
        return len(self._jobs)

    @property
    def waits(self) -> float:
        """Seconds since the oldest was asked for of which nothing has been done; 0 for none."""
        begun = (job.transaction.asked for job in self._jobs.values() if job.progress is None)
        return max(time.time() - min(begun, default=math.inf), 0.0)

    def every(self) -> list[Transaction]:
        """Those that have not ended, as far as they are."""
        return [job.now() for job in self._jobs.values()]

    async def check(self, uid: str, operation: Send) -> None:
        """Raise what `begin` would, as far as it can be known before, and do nothing."""
        self._check(uid, operation)
        if await self._records.get(uid) is not None:
            raise InUse("a Send has this Transaction UID")

    async def begin(self, uid: str, operation: Send, resource: str) -> Transaction:
        """Take a Send; when this returns it will be done, whatever becomes of the process.

        Raises:
            Refused, UnknownMount, NotOffered, UnknownDestination: as `Broker.send`, at once.
            InUse: there is one of that UID, perhaps an ended one.
            OutOfResources: too many wait already.
            BackendError: it cannot be recorded.
        """
        self._check(uid, operation)
        operation = replace(operation, who=operation.who.admitted())
        now = time.time()
        job = _Job(
            Transaction(uid=uid, operation=operation, resource=resource, asked=now, changed=now)
        )
        self._jobs[uid] = job
        job.task = self._group.create_task(self._taken(job), name=f"send {uid}")
        # Not awaited itself: who asks may be cancelled, what was begun to be recorded goes on.
        await asyncio.wait({job.recorded})
        if job.recorded.cancelled():
            raise OutOfResources("the service is stopping")
        job.recorded.result()
        return job.transaction

    async def status(self, uid: str) -> Transaction:
        """How far it is.

        Raises:
            NotFound: there is none of that UID, or no longer.
            BackendError: the records cannot be read.
        """
        job = self._jobs.get(uid)
        found = job.now() if job is not None else await self._records.get(uid)
        if found is None:
            raise NotFound("no Send has this Transaction UID")
        return found

    async def stop(self, uid: str) -> Transaction:
        """Give it up; what is under way is broken off.

        Raises:
            NotFound: as `status`.
            InUse: it has ended.
            BackendError: the records cannot be read or written.
        """
        job = self._jobs.get(uid)
        if job is not None:
            await asyncio.wait({job.recorded})
        if job is None or job.task is None or job.ending or job.recorded.cancelled():
            await self.status(uid)
            raise InUse("the Send has ended")
        job.stopped = True
        job.task.cancel()
        await asyncio.wait({job.task}, timeout=_STOPS_WITHIN)
        if not job.task.done():  # but a restart must not take it up again
            await self._records.update(job.now(replace(job.sending, state=State.STOPPED)))
        return job.now()

    async def resume(self) -> None:
        """Take up what an earlier process left, from the beginning: storing again is harmless."""
        for left in await self._records.unfinished():
            if not self._mine(left.operation.mount):
                continue
            job = self._jobs[left.uid] = _Job(replace(left, sending=Sending()))
            job.recorded.set_result(None)
            job.task = self._group.create_task(self._whole(job), name=f"send {left.uid}")

    async def sweep(self) -> None:
        """Forget the oldest, now and every hour."""
        while True:
            try:
                await self._records.forget(time.time() - KEPT_FOR, KEPT_MOST)
            except HilumError as error:
                _log.warning("old Sends cannot be forgotten: %s", error)
            await asyncio.sleep(_SWEPT_EVERY)

    def cancel(self) -> None:
        """Leave all that run, to be resumed by the next process."""
        for job in self._jobs.values():
            if job.task is not None:
                job.task.cancel()

    def _check(self, uid: str, operation: Send) -> None:
        self._broker.send(operation)  # says what is wrong; not entered, it does nothing
        if uid in self._jobs:
            raise InUse("a Send has this Transaction UID")
        if len(self._jobs) >= MAX_WAITING:
            raise OutOfResources("too many Sends wait already")

    async def _taken(self, job: _Job) -> None:
        """A new one, from its first record to its last."""
        try:
            await self._records.add(job.transaction)
        except HilumError as error:
            del self._jobs[job.transaction.uid]
            job.recorded.set_exception(error)
            job.recorded.exception()  # seen, also where nobody waits for it any more
            return
        except BaseException:
            job.recorded.cancel()
            raise
        job.recorded.set_result(None)
        await self._whole(job)

    async def _whole(self, job: _Job) -> None:
        """One that is recorded, from waiting to its last record."""
        uid = job.transaction.uid
        try:
            async with self._slots:
                sending = await self._run(job)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not job.stopped or task is None:
                raise
            task.uncancel()
            sending = replace(job.sending, state=State.STOPPED)
        job.transaction = job.now(sending)
        job.ending = True
        try:
            await self._records.update(job.transaction)
        except HilumError as error:
            # It can be asked for as long as this process lives, and the next does it again.
            _log.error("Send %s: its end cannot be recorded: %s", uid, error)
            return
        del self._jobs[uid]

    async def _run(self, job: _Job) -> Sending:
        """Do it; how it ended."""
        uid, operation = job.transaction.uid, job.transaction.operation
        try:
            async with self._broker.send(operation) as progresses:
                async for progress in progresses:
                    await self._told(job, progress)
            sending = ended(job.sending)
        except HilumError as error:
            sending = broken(operation, job.sending, error)
        except Exception:  # noqa: BLE001 - logged; the others go on
            _log.exception("Send %s from %s failed", uid, operation.mount)
            sending = broken(operation, job.sending, HilumError("internal error"))
        if sending.failed or sending.warning or sending.comment:
            _log.warning(
                "Send %s from %s: %d arrived, %d with warnings, %d failed: %s",
                *(uid, operation.mount, sending.completed, sending.warning, sending.failed),
                sending.comment or "see the log of the destination",
            )
        return sending

    async def _told(self, job: _Job, progress: Progress) -> None:
        job.progress = progress
        now = time.monotonic()
        if now - job.saved < SAVED_EVERY:
            return
        job.saved = now
        try:
            await self._records.update(job.now())
        except HilumError as error:  # its end may be recorded all the same
            _log.warning("Send %s: cannot be recorded: %s", job.transaction.uid, error)


@asynccontextmanager
async def open_sends(
    broker: Broker,
    records: SendRecords,
    *,
    at_once: int = AT_ONCE,
    mine: Callable[[str], bool] = lambda _mount: True,
) -> AsyncIterator[BackgroundSends]:
    """Sends in the background, until the block is left; what an earlier process left goes on.

    Leaving the block breaks off what runs, to be resumed by the next process.

    Args:
        broker: does them.
        records: keeps them.
        at_once: how many run at the same time.
        mine: whether the Sends of a mount are ours, where several processes have the same records.

    Raises:
        BackendError: the records cannot be read.
    """
    with as_it_was():
        async with asyncio.TaskGroup() as group:
            sends = BackgroundSends(broker, records, group, at_once, mine)
            await sends.resume()
            sweeper = group.create_task(sends.sweep())
            try:
                yield sends
            finally:
                sweeper.cancel()
                sends.cancel()
