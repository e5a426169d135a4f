"""Answers C-GET and C-MOVE (PS3.4 §C.4.2 and §C.4.3, PS3.7 §9.1.3 and §9.1.4)."""

import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from struct import pack

from hilum.codec import identifier
from hilum.codec.sop_class import EXPLICIT_BE, GET, IMPLICIT_LE, MOVE, PATIENT_ROOT
from hilum.codec.verdict import Dimse, verdict_on
from hilum.core.backend import StoreSession, Transcodes
from hilum.core.operations import Originator, Retrieve, Send
from hilum.core.send import Progresses
from hilum.frontends.dimse.session import Session
from hilum.model.errors import HilumError, UnknownDestination
from hilum.model.identity import Ref
from hilum.model.instance import Instance
from hilum.model.outcome import Progress, Stored
from hilum.upper_layer.association import Association
from hilum.upper_layer.messages import Message
from hilum.upper_layer.storing import store_on

log = logging.getLogger(__name__)

_Begins = Callable[[Sequence[Ref]], AbstractAsyncContextManager[Progresses]]
"""How a C-GET or C-MOVE starts its sub-operations."""
_EACH = 50  # sub-operations that are told of one by one
_PACE = 0.02  # seconds between two pending responses after those
_FAILED_UIDS = (0x0008, 0x0058)  # Failed SOP Instance UID List
_MAX_SHORT = 0xFFFE  # bytes of a value with a 16 bit length


async def get(session: Session, message: Message) -> None:
    """C-GET: the instances go out as C-STOREs on the same association."""
    if message.context.abstract_syntax not in GET:
        await session.answer(message, Dimse.SOP_CLASS_NOT_SUPPORTED)
        return

    def begin(refs: Sequence[Ref]) -> AbstractAsyncContextManager[Progresses]:
        operation = Retrieve(
            mount=session.mount,
            who=session.who,
            request_id=session.asked,
            refs=tuple(refs),
        )
        return session.broker.give(operation, _Here(session.association, session.broker.transcodes))

    await _Retrieving(session, message).run(begin)


async def move(session: Session, message: Message) -> None:
    """C-MOVE: the instances go to the Move Destination."""
    if message.context.abstract_syntax not in MOVE:
        await session.answer(message, Dimse.SOP_CLASS_NOT_SUPPORTED)
        return

    def begin(refs: Sequence[Ref]) -> AbstractAsyncContextManager[Progresses]:
        destination = message.command.move_destination
        if not destination:
            raise UnknownDestination("a C-MOVE without a Move Destination")
        operation = Send(
            mount=session.mount,
            who=session.who,
            request_id=session.asked,
            refs=tuple(refs),
            destination=destination,
            originator=Originator(
                session.association.calling_ae_title, message.command.message_id or 0
            ),
        )
        return session.broker.send(operation)

    await _Retrieving(session, message).run(begin)


@dataclass(frozen=True, slots=True)
class _Here:
    """The association that asked, as the place to store (C-GET)."""

    association: Association
    transcodes: Transcodes | None

    @asynccontextmanager
    async def open(
        self,
        _contexts: Sequence[tuple[str, str]] = (),
        _originator: Originator | None = None,
        /,
    ) -> AsyncIterator[StoreSession]:
        """Itself: the association is open and its contexts are as they are."""
        yield self

    async def store(self, instance: Instance, /) -> Stored:
        """One C-STORE sub-operation."""
        stored = await store_on(self.association, instance, None, self.transcodes)
        if self.association.lost is not None:
            raise self.association.lost
        return stored


class _Retrieving:
    """One C-GET or C-MOVE: pending responses while it runs, one final response."""

    def __init__(self, session: Session, message: Message) -> None:
        self._session = session
        self._message = message
        self._cancelled = False
        self._progress = Progress()

    def _cancel(self) -> None:
        self._cancelled = True

    async def run(self, begin: _Begins) -> None:
        session, message = self._session, self._message
        context = message.context
        asked = message.command.message_id or 0
        session.association.on_cancel(asked, self._cancel)
        try:
            says = identifier.parse(await message.identifier(), context.transfer_syntax)
            refs = identifier.to_refs(says, patient_root=context.abstract_syntax in PATIENT_ROOT)
            async with begin(refs) as progresses:
                await self._follow(progresses)
        except HilumError as error:
            if session.association.lost is not None:
                raise
            is_move = self._message.context.abstract_syntax in MOVE
            session.failed("C-MOVE" if is_move else "C-GET", error)
            await self._fail(error)
        else:
            await self._finish()
        finally:
            session.association.on_cancel(asked, None)

    async def _follow(self, progresses: Progresses) -> None:
        """Tell how far it is; a C-CANCEL stops before the next sub-operation.

        Pending responses are the SCP's choice (PS3.4 §C.4.2.3, §C.4.3.3): of many sub-operations
        not each is told of, as that would take longer than some of them.
        """
        told = 0.0
        async for progress in progresses:
            self._progress = progress
            done = progress.completed + progress.failed + progress.warning
            now = time.monotonic()
            if self._cancelled:
                return
            if done and progress.remaining != 0 and (done <= _EACH or now - told >= _PACE):
                told = now
                await self._session.answer(self._message, Dimse.PENDING, progress=progress)

    async def _fail(self, error: HilumError) -> None:
        """The final response where not even the source could be read to its end."""
        now = self._progress
        begun = replace(now, failed=now.failed + (now.remaining or 0), remaining=0)
        await self._session.answer(
            self._message,
            verdict_on(error).retrieve,
            data=self._failed_uids(now.failed_uids),
            comment=str(error),
            progress=begun if begun != Progress() else None,
            with_remaining=False,
        )

    async def _finish(self) -> None:
        progress = self._progress
        cancelled = self._cancelled and progress.remaining != 0
        if not cancelled and progress.remaining:  # what was not told of to its end has failed
            failed = progress.failed + progress.remaining
            progress = replace(progress, remaining=0, failed=failed)
        status = Dimse.CANCELLED if cancelled else _final(progress)
        reason = progress.reason
        if progress.failed or progress.warning:
            self._tell(progress)
        await self._session.answer(
            self._message,
            status,
            data=self._failed_uids(progress.failed_uids),
            comment=str(reason) if reason is not None else None,
            progress=progress,
            with_remaining=cancelled,
        )

    def _tell(self, progress: Progress) -> None:
        """One line for whoever runs the broker: what did not go, where, and why."""
        done = progress.completed + progress.failed + progress.warning
        log.warning(
            "%s %s: of %d sub-operations to %s %d failed and %d had warnings: %s",
            self._session.asked,
            self._session.association.peer,
            done,
            self._message.command.move_destination or "the peer itself",
            progress.failed,
            progress.warning,
            progress.reason or "see the peer's log",
        )

    def _failed_uids(self, uids: Sequence[str]) -> bytes | None:
        """The identifier of the final response, when something failed (PS3.4 §C.4.2.1.4.2)."""
        if not uids:
            return None
        value = "\\".join(uids).encode("ascii", "replace")
        value += b"\0" * (len(value) & 1)
        syntax = self._message.context.transfer_syntax
        if syntax == IMPLICIT_LE:
            return pack("<HHI", *_FAILED_UIDS, len(value)) + value
        order = ">" if syntax == EXPLICIT_BE else "<"
        if len(value) > _MAX_SHORT:  # more than a UI can hold in explicit VR: PS3.5 §6.2.2, note 4
            return pack(order + "HH2s2xI", *_FAILED_UIDS, b"UN", len(value)) + value
        return pack(order + "HH2sH", *_FAILED_UIDS, b"UI", len(value)) + value


def _final(progress: Progress) -> Dimse:
    """The final status (PS3.4 Tables C.4-2 and C.4-3)."""
    if progress.failed and not progress.completed and not progress.warning:
        return Dimse.CANNOT_PERFORM_SUBOPERATIONS
    if progress.failed or progress.warning:
        return Dimse.SUBOPERATIONS_WITH_FAILURES
    return Dimse.SUCCESS
