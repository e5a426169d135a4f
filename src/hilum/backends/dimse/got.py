"""How do the instances of C-GETs come to a reader? It pulls, and the PACS waits for it.

An instance is answered when its reader has read it to the end, and refused when the reader left
it; so nothing is kept here, and nothing runs beside the reader.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from types import TracebackType
from typing import Final, Self

from hilum.backends.dimse.asking import failure, putting, wanted
from hilum.backends.dimse.chunks import Chunks
from hilum.backends.dimse.planned import Ask, contexts_of, first_asks, second_asks
from hilum.backends.dimse.pool import Pool
from hilum.backends.dimse.proof import Proof
from hilum.backends.dimse.retrieve import FINISHED, RELATIONAL, counts, failed_uids
from hilum.backends.dimse.survey import kinds_of
from hilum.codec.dimse import Service
from hilum.codec.sop_class import PATIENT_ROOT_GET, STUDY_ROOT_GET
from hilum.config.mounts import DimseMount
from hilum.model.errors import (
    BackendTimeout,
    BadDataset,
    BadRequest,
    HilumError,
    NotOffered,
)
from hilum.model.identity import is_uid
from hilum.model.instance import Instance
from hilum.net.peek import Below, look
from hilum.upper_layer.association import Association
from hilum.upper_layer.messages import PENDING, Message, Responses
from hilum.upper_layer.receiving import confirm, instance_of, refuse

GRACE: Final = 5.0  # seconds that a final response may take when everything has come


class Got(AsyncIterator[Instance]):
    """The instances, and behind the last one what of them did not come.

    Args:
        pool: where associations come from; each C-GET takes one of its own.
        mount: its settings.
        proof: what is asked for; what came is noted there.
        deadline: in the time of the event loop, when all of it must be here.
    """

    def __init__(self, pool: Pool, mount: DimseMount, proof: Proof, deadline: float) -> None:
        self._pool = pool
        self._mount = mount
        self._proof = proof
        self._deadline = deadline
        self._loop = asyncio.get_running_loop()
        self._asks = deque(first_asks(proof))
        self._is_second = False
        self._exchange = AsyncExitStack()
        self._ask: Ask | None = None
        self._association: Association | None = None
        self._responses: Responses | None = None
        self._first: Message | None = None
        self._current: Chunks | None = None
        self._last = 0.0  # when an instance came

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._current = self._responses = None
        await self._exchange.__aexit__(kind, error, traceback)

    async def begin(self, *, doubtfully: bool) -> None:
        """Ask the first time.

        Args:
            doubtfully: wait until the peer has said something to it.

        Raises:
            NotOffered: the peer does not do C-GET.
            OutOfResources, BackendError: it cannot be reached.
        """
        ask = self._asks[0]
        await self._open(ask)
        self._asks.popleft()
        if not doubtfully:
            return
        try:
            self._first = await self._message()
        except HilumError as error:
            await self._close(error)
            return
        command = self._first.command
        if command.is_response and command.status not in (*PENDING, *FINISHED):
            refusal = failure(Service.C_GET, command.status)
            if isinstance(refusal, NotOffered):
                raise refusal

    async def __anext__(self) -> Instance:
        """The next one; see `core.backend.Retrieval`.

        Raises:
            Incomplete: some of what there is did not come.
            HilumError: nothing came at all.
        """
        while True:
            try:
                await self._leave()
                if self._responses is None and not await self._next():
                    break
                instance = await self._taken(await self._message())
            except HilumError as error:
                await self._close(error)
                continue
            if instance is not None:
                return instance
        verdict = self._proof.verdict()
        if verdict is not None:
            raise verdict
        raise StopAsyncIteration

    async def _leave(self) -> None:
        """Turn away the instance that was given last, where its reader did not read it."""
        chunks, self._current = self._current, None
        if chunks is not None and not chunks.is_over:
            await chunks.leave()

    async def _next(self) -> bool:
        """Ask for what comes next; at last for what is missing, once more."""
        while self._loop.time() < self._deadline:
            if not self._asks:
                if self._is_second:
                    break
                self._is_second = True
                await self._look_closer()
                self._asks.extend(second_asks(self._proof))
                continue
            ask = self._asks.popleft()
            if self._is_second and self._has(ask):
                continue  # it came with something else
            try:
                await self._open(ask)
            except HilumError as error:
                ask.part.failure, ask.part.answered = error, False
                continue
            return True
        return False

    async def _look_closer(self) -> None:
        """Have the class told of each that is missing: perhaps no context was for it."""
        for part in self._proof.parts:
            missing = self._proof.missing(part)
            if not missing or part.listed is None:
                continue
            request = part.request
            with suppress(HilumError):  # then they are asked for as they are known
                async with self._pool.lease(self._mount.query_timeout) as association:
                    told = await kinds_of(
                        association, missing, request.keys, patient_root=request.patient_root
                    )
                part.listed = {uid: told.get(uid, each) for uid, each in part.listed.items()}

    def _has(self, ask: Ask) -> bool:
        given = self._proof.given
        return ask.listed is not None and all(each.sop_instance_uid in given for each in ask.listed)

    async def _open(self, ask: Ask) -> None:
        """Send a C-GET on an association of its own.

        Raises:
            NotOffered: the peer does not do that.
            OutOfResources, BackendError: it cannot be reached.
        """
        request, mount = ask.request, self._mount
        uid = PATIENT_ROOT_GET if request.patient_root else STUDY_ROOT_GET
        planned = contexts_of(ask.listed, uncompressed=mount.uncompressed)
        opening = self._pool.opened(
            [wanted(uid), *planned.wanted],
            roles=planned.roles,
            extended={uid: RELATIONAL} if mount.relational == "auto" else None,
            silence=mount.retrieve_timeout,
        )
        async with AsyncExitStack() as stack:
            association = await stack.enter_async_context(opening)
            if not any(each.peer_may_ask for each in association.contexts.values()):
                raise NotOffered("the peer lets nobody be the SCP of what a C-GET brings")
            asking = putting(
                association, Service.C_GET, uid, request.level, request.keys, patience=0
            )
            self._responses = await stack.enter_async_context(asking)
            self._association, self._ask = association, ask
            ask.part.begin()
            self._exchange = stack.pop_all()

    async def _close(self, error: HilumError | None = None) -> None:
        """The end of a C-GET, a good one or not."""
        if self._responses is None:
            return
        self._responses = self._first = self._current = None
        if error is not None and self._ask is not None:
            self._ask.part.failure = error
        with suppress(HilumError):  # how it ended is known
            await self._exchange.aclose()

    async def _message(self) -> Message:
        """What the peer says next.

        Raises:
            BackendError: it says nothing for too long, or is gone.
        """
        if self._first is not None:
            message, self._first = self._first, None
            return message
        assert self._responses is not None  # noqa: S101 - there is a C-GET
        left = self._deadline - self._loop.time()
        if left <= 0:
            raise BackendTimeout("the retrieval took longer than it may")
        patience = min(self._mount.retrieve_timeout, left)
        if self._responses.is_here:
            return await anext(self._responses)
        if self._proof.is_complete:
            patience = min(patience, GRACE)
        try:
            async with asyncio.timeout(patience):
                return await anext(self._responses)
        except TimeoutError:
            raise BackendTimeout("the peer did not go on with a C-GET in time") from None

    async def _taken(self, message: Message) -> Instance | None:
        """An instance for the reader; None where it is none, or not for the reader."""
        command = message.command
        assert self._association is not None  # noqa: S101 - there is a C-GET
        assert self._ask is not None  # noqa: S101 - likewise
        if command.is_response:
            await self._heard(message)
            return None
        if command.command_field != Service.C_STORE:
            await refuse(self._association, message, NotOffered("not during a C-GET"))
            return None
        uid = command.affected_sop_instance_uid or ""
        if uid in self._proof.given:
            await confirm(self._association, message)
            self._ask.part.came += 1
            return None
        try:
            instance = await self._wanted(instance_of(message))
        except (BadRequest, NotOffered) as error:
            await refuse(self._association, message, error)
            return None
        self._ask.part.came += 1
        self._proof.give(uid)
        self._last = self._loop.time()
        self._current = Chunks(self._association, message, instance.chunks, self._deadline)
        return Instance(
            instance.sop_instance_uid,
            instance.sop_class_uid,
            instance.transfer_syntax_uid,
            self._current,
        )

    async def _wanted(self, instance: Instance) -> Instance:
        """One that is listed, or belongs to what was asked for by its own words.

        Raises:
            BadDataset: it has no UID.
            NotOffered: nobody asked for it.
            BackendError: it broke off.
        """
        assert self._ask is not None  # noqa: S101 - there is a C-GET
        uid = instance.sop_instance_uid
        if not is_uid(uid):
            raise BadDataset("the Affected SOP Instance UID is none")
        if self._proof.expects(uid):
            return instance
        below = Below.of(self._ask.part.request.keys)
        found = None
        if below.is_telling and below.holds(uid):
            found, instance = await look(instance)
        if not below.holds(uid) or (found is not None and not below.has(found)):
            self._ask.part.turned_away.add(uid)
            raise NotOffered("it was not asked for")
        return instance

    async def _heard(self, message: Message) -> None:
        """A response, perhaps the final one."""
        if message.command.status not in PENDING:
            await self._finish(message)
        elif self._proof.is_complete and self._loop.time() - self._last > GRACE:
            raise BackendTimeout("the peer does not end a C-GET")

    async def _finish(self, message: Message) -> None:
        assert self._ask is not None  # noqa: S101 - there is a C-GET
        part, command = self._ask.part, message.command
        part.answered = True
        uids = tuple(await failed_uids(message))
        error = None
        if command.status not in FINISHED:
            error = failure(Service.C_GET, command.status)
        part.told = replace(counts(command), failed_uids=uids, reason=error)
        await self._close(error)
