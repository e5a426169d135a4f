"""How does a PACS itself send what it holds elsewhere? By a C-MOVE that is passed on to it."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Final

from hilum.backends.dimse.parts import parts_of
from hilum.backends.dimse.pool import Pool
from hilum.backends.dimse.proof import Part
from hilum.backends.dimse.retrieve import FINISHED, Retrieval, move
from hilum.config.mounts import DimseMount
from hilum.core.operations import Originator
from hilum.model.errors import BackendFault, BackendTimeout, HilumError, Incomplete
from hilum.model.identity import Ref
from hilum.model.outcome import Progress
from hilum.upper_layer.association import Association

_PATIENCE: Final = 2.0  # seconds that a PACS gets to honour a C-CANCEL


class Mover:
    """`core.backend.Sends` of a PACS.

    Args:
        pool: associations with it.
        mount: its settings.
    """

    def __init__(self, pool: Pool, mount: DimseMount) -> None:
        self._pool = pool
        self._mount = mount

    @asynccontextmanager
    async def send(
        self, refs: Sequence[Ref], destination: str, _originator: Originator | None = None, /
    ) -> AsyncIterator[AsyncIterator[Progress]]:
        """See `core.backend.Sends`. To the destination the PACS names us as the originator.

        What the PACS lists must be what it counts in the end: what of it it does not count has
        failed, whatever its status says. A final response without counts proves nothing.

        Raises:
            UnknownDestination: it does not know `destination`.
            NotOffered, OutOfResources, BackendError: it cannot be reached.
        """
        deadline = asyncio.get_running_loop().time() + self._mount.retrieve_deadline
        try:
            async with asyncio.timeout_at(deadline):
                found = await parts_of(self._pool, self._mount, refs)
        except TimeoutError:
            raise BackendTimeout("a C-MOVE took longer than it may") from None
        parts = [part for part in found if part.listed is None or part.listed]
        async with AsyncExitStack() as stack:
            yield _Moving(self._pool, self._mount, parts, destination, deadline, stack)


class _Moving(AsyncIterator[Progress]):
    """The progress of all parts, one C-MOVE after another."""

    def __init__(  # noqa: PLR0913, PLR0917 - made in one place
        self,
        pool: Pool,
        mount: DimseMount,
        parts: Sequence[Part],
        destination: str,
        deadline: float,
        stack: AsyncExitStack,
    ) -> None:
        self._pool = pool
        self._mount = mount
        self._parts = deque(parts)
        self._destination = destination
        self._deadline = deadline
        self._stack = stack
        sizes = [None if part.listed is None else len(part.listed) for part in parts]
        known = [size for size in sizes if size is not None]
        self._total = sum(known) if len(known) == len(sizes) else None
        self._done = Progress()  # of the parts before
        self._last = Progress()  # of this one
        self._retrieval: Retrieval | None = None
        self._is_told = False

    async def __anext__(self) -> Progress:
        """The next one.

        Raises:
            UnknownDestination: nothing was sent.
            NotOffered, OutOfResources, BackendError: it failed before anything was sent.
        """
        if not self._parts:
            if self._is_told:
                raise StopAsyncIteration
            self._is_told = True
            return self._done
        part = self._parts[0]
        try:
            retrieval = await self._heard(part)
        except HilumError as error:
            await self._stack.aclose()
            if not _count(_added(self._done, self._last)):
                raise
            return self._ended(_short(part, self._last, error))
        if retrieval.status is None:
            self._last = retrieval.progress
            return self._sum(self._last)
        await self._stack.aclose()
        return self._ended(_final(part, self._last, retrieval))

    async def _heard(self, part: Part) -> Retrieval:
        """A C-MOVE, with its next response.

        Raises:
            HilumError: it failed as a whole, or the peer is silent.
        """
        try:
            async with asyncio.timeout_at(self._deadline):
                if self._retrieval is not None:
                    await anext(self._retrieval, None)
                    return self._retrieval
        except TimeoutError:
            raise BackendTimeout("a C-MOVE took longer than it may") from None
        beginning = self._pool.begun(partial(self._begun, part), self._mount.retrieve_timeout)
        self._retrieval = await self._stack.enter_async_context(beginning)
        return self._retrieval

    def _ended(self, last: Progress) -> Progress:
        """What a part came to; the next one may begin."""
        self._parts.popleft()
        self._done = _added(self._done, last)
        self._last, self._retrieval = Progress(), None
        self._is_told = True
        return self._sum(Progress())

    @asynccontextmanager
    async def _begun(self, part: Part, association: Association) -> AsyncIterator[Retrieval]:
        """A C-MOVE, from its first response on."""
        request = part.request
        asking = move(
            association,
            request.level,
            request.keys,
            self._destination,
            patient_root=request.patient_root,
            patience=_PATIENCE if self._mount.cancel == "cancel" else 0,
        )
        async with asking as retrieval:
            await anext(retrieval, None)
            yield retrieval

    def _sum(self, of_part: Progress) -> Progress:
        total = _added(self._done, of_part)
        if self._total is not None:
            return replace(total, remaining=max(self._total - _count(total), 0))
        return total if not self._parts or of_part.remaining else replace(total, remaining=None)


def _count(progress: Progress) -> int:
    return progress.completed + progress.failed + progress.warning


def _added(before: Progress, now: Progress) -> Progress:
    return Progress(
        remaining=now.remaining,
        completed=before.completed + now.completed,
        failed=before.failed + now.failed,
        warning=before.warning + now.warning,
        failed_uids=(*before.failed_uids, *now.failed_uids),
        reason=before.reason or now.reason,
    )


def _final(part: Part, before: Progress, retrieval: Retrieval) -> Progress:
    """The counts of a part in the end, held against what was listed.

    Args:
        part: what was asked for.
        before: what the response before counted: for a peer that leaves the counts out of the
            final one. It mostly comes before the last sub-operation.
        retrieval: with the final one.
    """
    last = retrieval.progress
    is_good = retrieval.status == 0
    if not _count(last) and _count(before):
        still = before.remaining or 0
        done = still if is_good and still <= 1 else 0
        last = replace(before, completed=before.completed + done, remaining=still - done)
    error = None if retrieval.status in FINISHED else last.reason or BackendFault("it failed")
    return _short(part, last, error)


def _short(part: Part, last: Progress, error: HilumError | None) -> Progress:
    """What is neither told as done nor as failed has failed."""
    if part.listed is not None:
        lacking = len(part.listed) - _count(last)
    else:
        lacking = max(last.remaining or 0, 1 if error is not None and not last.failed else 0)
    if lacking <= 0:
        return replace(last, remaining=0, reason=last.reason or (error if last.failed else None))
    uids = () if last.completed or last.warning else tuple(part.listed or ())
    told = set(last.failed_uids)
    return replace(
        last,
        remaining=0,
        failed=last.failed + lacking,
        failed_uids=(*last.failed_uids, *(uid for uid in uids if uid not in told)),
        reason=last.reason
        or error
        or Incomplete(f"the peer does not count {lacking} instances that it lists"),
    )
