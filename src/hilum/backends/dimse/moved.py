"""How do the instances of C-MOVEs to ourselves come to a reader? Through the inbox.

A task follows what the PACS says, while its C-STOREs come in on associations of its own; the
reader gets them from `Arrivals` at its own pace.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Final

from hilum.backends.dimse.pool import Pool
from hilum.backends.dimse.proof import NotKnown, Part, Proof
from hilum.backends.dimse.requested import Request, requests_for
from hilum.backends.dimse.retrieve import FINISHED, Retrieval, move
from hilum.config.mounts import DimseMount
from hilum.model.errors import (
    BackendTimeout,
    BackendUnavailable,
    HilumError,
    UnknownDestination,
)
from hilum.model.instance import Instance
from hilum.net.arrivals import Arrivals
from hilum.net.inbox import Expecting, Receiving
from hilum.net.peek import Below
from hilum.upper_layer.association import Association

GRACE: Final = 5.0  # seconds that a final response may take when everything has come


@asynccontextmanager
async def moving(
    pool: Pool, mount: DimseMount, receiving: Receiving, proof: Proof, deadline: float
) -> AsyncIterator[AsyncIterator[Instance]]:
    """The instances as they come, and behind the last one what of them did not come.

    Leaving the block ends the C-MOVE at the peer and frees all that waits here.

    Args:
        pool: of associations with the peer.
        mount: its settings.
        receiving: where what it sends arrives.
        proof: what is asked for; what came is noted there.
        deadline: in the time of the event loop, when all of it must be here.
    """
    arrivals = receiving.opened()
    moved = _Moved(pool, mount, receiving, proof, arrivals)
    failed: BaseException | None = None
    try:
        async with asyncio.TaskGroup() as tasks:
            follows = tasks.create_task(moved.run(deadline))
            try:
                yield arrivals
            except (Exception, GeneratorExit) as error:  # noqa: BLE001 - raised again, when the group is gone
                failed = error
            finally:
                follows.cancel()
    finally:
        await arrivals.aclose()
    if failed is not None:
        raise failed


class _Moved:
    def __init__(
        self,
        pool: Pool,
        mount: DimseMount,
        receiving: Receiving,
        proof: Proof,
        arrivals: Arrivals,
    ) -> None:
        self._pool = pool
        self._mount = mount
        self._receiving = receiving
        self._proof = proof
        self._arrivals = arrivals
        self._loop = asyncio.get_running_loop()
        self._deadline = 0.0
        self._part: Part | None = None
        arrivals.came = self._came

    def _came(self, uid: str) -> None:
        self._proof.give(uid)
        if self._part is not None:
            self._part.came += 1

    async def run(self, deadline: float) -> None:
        """Ask for all parts, then once more for what is missing; tell the reader how it ended."""
        self._deadline = deadline
        try:
            async with asyncio.timeout_at(deadline):
                for part in self._proof.parts:
                    await self._ask(part, part.request)
                for part, missing in self._proof.again():
                    if missing is None:
                        await self._ask(part, part.request)
                        continue
                    request = part.request
                    for each in requests_for(
                        missing, request.keys, patient_root=request.patient_root
                    ):
                        await self._ask(part, each)
        except TimeoutError:
            late = BackendTimeout("the retrieval took longer than it may")
            for part in self._proof.parts:
                if not part.answered:
                    part.failure = part.failure or late
        self._arrivals.end(self._proof.verdict())

    async def _ask(self, part: Part, request: Request) -> None:
        """One C-MOVE, and what still comes behind it."""
        expected = None
        if part.listed is not None:
            below = Below.of(request.keys)
            missing = [each.sop_instance_uid for each in self._proof.missing(part)]
            expected = frozenset(uid for uid in missing if below.holds(uid))
            if not expected:
                return  # it came with something else
        self._part = part
        part.begin()
        # what other requests did not bring may still come, and is as welcome
        welcome = None if expected is None else self._proof.left
        expecting = self._receiving.expecting(self._arrivals, request.keys, welcome)
        async with expecting as waiter:
            try:
                async with self._pool.begun(
                    partial(self._begun, request, waiter), silence=self._left()
                ) as retrieval:
                    await self._follow(part, retrieval)
                    part.turned_away |= waiter.turned_away
            except UnknownDestination:
                text = f"the PACS does not know {waiter.receiver}, which is us, as a destination"
                part.failure, part.answered = NotKnown(text), True
            except HilumError as error:
                is_lost = isinstance(error, (BackendUnavailable, BackendTimeout))
                part.failure, part.answered = error, not is_lost
            await self._late(part, expected)
            part.turned_away |= waiter.turned_away

    def _left(self) -> float:
        return max(self._deadline - self._loop.time(), 1.0)

    @asynccontextmanager
    async def _begun(
        self, request: Request, waiter: Expecting, association: Association
    ) -> AsyncIterator[Retrieval]:
        """A C-MOVE, from its first response on.

        Raises:
            HilumError: it failed as a whole, or the peer is silent.
        """
        asking = move(
            association,
            request.level,
            request.keys,
            waiter.receiver,
            patient_root=request.patient_root,
            message_id=waiter.message_id,
            patience=0,
        )
        async with asking as retrieval:
            await self._heard(retrieval)
            yield retrieval

    async def _heard(self, retrieval: Retrieval) -> bool:
        """Wait for the next response; whether there is one.

        Silence is when neither responses nor instances come.

        Raises:
            BackendTimeout: the peer is silent, or everything came and it does not end.
            HilumError: what it answered.
        """
        try:
            async with asyncio.timeout(self._mount.retrieve_timeout) as limit:
                complete = False

                def heard() -> None:
                    nonlocal complete
                    if limit.expired() or complete:
                        return
                    complete = self._proof.is_complete
                    patience = GRACE if complete else self._mount.retrieve_timeout
                    limit.reschedule(self._loop.time() + patience)

                self._arrivals.heard = heard
                heard()
                return await anext(retrieval, None) is not None
        except TimeoutError:
            raise BackendTimeout("the peer did not go on with a C-MOVE in time") from None
        finally:
            self._arrivals.heard = None

    async def _follow(self, part: Part, retrieval: Retrieval) -> None:
        """Up to the final response.

        Raises:
            HilumError: as `_heard`.
        """
        ended = 0.0
        while retrieval.status is None and await self._heard(retrieval):
            if self._proof.is_complete:
                ended = ended or self._loop.time() + GRACE
                if self._loop.time() > ended:
                    raise BackendTimeout("the peer does not end a C-MOVE")
        part.answered = True
        part.told = retrieval.progress
        if retrieval.progress.reason is not None and retrieval.status not in FINISHED:
            part.failure = retrieval.progress.reason

    async def _late(self, part: Part, expected: frozenset[str] | None) -> None:
        """Wait for what comes behind the final response, as long as there may be something."""
        began = self._loop.time()
        patience = self._mount.arrival_timeout
        while self._may_come(part, expected):
            until = max(began, self._arrivals.last) + patience
            if self._loop.time() >= until:
                return
            with suppress(TimeoutError):
                async with asyncio.timeout_at(until):
                    await self._arrivals.change()

    def _may_come(self, part: Part, expected: frozenset[str] | None) -> bool:
        if self._arrivals.arriving:
            return True
        if part.failure is not None and not part.came:
            return False  # it failed as a whole
        if isinstance(part.failure, BackendTimeout):
            return False  # which was waited for
        told = part.told
        if expected is None:
            return not part.answered or part.is_short
        missing = len(expected - self._proof.given)
        return bool(missing) and (not part.answered or told.failed < missing)
