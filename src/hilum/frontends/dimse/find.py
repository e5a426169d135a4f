"""Answers C-FIND (PS3.4 §C.4.1, PS3.7 §9.1.2)."""

import anyio
from anyio.lowlevel import checkpoint, checkpoint_if_cancelled

from hilum.codec import identifier
from hilum.codec.answer import answers
from hilum.codec.sop_class import FIND, PATIENT_ROOT
from hilum.codec.verdict import Dimse, verdict_on
from hilum.core.operations import Find
from hilum.frontends.dimse.session import Session
from hilum.model.errors import HilumError
from hilum.upper_layer.messages import Message

_LOOK = 16  # matches between two looks at what the peer says, where the source never waits


async def find(session: Session, message: Message) -> None:
    """Send a pending response for each match, as they come; a C-CANCEL stops at once."""
    if message.context.abstract_syntax not in FIND:
        await session.answer(message, Dimse.SOP_CLASS_NOT_SUPPORTED)
        return
    status, comment = Dimse.CANCELLED, None
    asked = message.command.message_id or 0
    with anyio.CancelScope() as scope:
        session.association.on_cancel(asked, scope.cancel)
        try:
            if await _send_matches(session, message):
                return
            status = Dimse.SUCCESS
        except HilumError as error:
            if session.association.lost is not None:
                raise
            status, comment = verdict_on(error).find, str(error)
            session.failed("C-FIND", error)
        finally:
            session.association.on_cancel(asked, None)
    await session.answer(message, status, comment=comment)


async def _send_matches(session: Session, message: Message) -> bool:
    """Send them; whether that was cancelled, and answered so, while they came.

    Then the search is left in order: what stands behind the mount is asked to stop (C-CANCEL).
    """
    context = message.context
    says = identifier.parse(await message.identifier(), context.transfer_syntax)
    query = identifier.to_query(
        says,
        patient_root=context.abstract_syntax in PATIENT_ROOT,
        relational=context.abstract_syntax in session.relational,
        fuzzy=context.abstract_syntax in session.fuzzy,
    )
    sure = session.response(message, Dimse.PENDING, has_data=True)
    unsure = session.response(message, Dimse.PENDING_WITHOUT_OPTIONAL_KEYS, has_data=True)
    encoded = answers(says, context.transfer_syntax, session.ae_title)
    operation = Find(
        mount=session.mount,
        who=session.who,
        request_id=session.asked,
        query=query,
    )
    await checkpoint_if_cancelled()  # the C-CANCEL may have come with the request
    async with session.broker.find(operation) as matches:
        with anyio.CancelScope() as scope:
            session.association.on_cancel(message.command.message_id or 0, scope.cancel)
            at = 0
            async for match in matches:
                at += 1
                if at % _LOOK == 0:
                    await checkpoint()
                data = encoded.encode(match.decoded())
                # PS3.4 Table C.4-1: FF00 says that the keys were matched on, FF01 that some were
                # not
                response = sure if not matches.unmatched else unsure
                await session.association.send(context, response, data, soon=True)
        if scope.cancelled_caught:
            await session.answer(message, Dimse.CANCELLED)
        return scope.cancelled_caught
