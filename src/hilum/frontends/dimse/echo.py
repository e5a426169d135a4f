"""Answers C-ECHO (PS3.4 Annex A, PS3.7 §9.1.5)."""

from hilum.codec.verdict import Dimse
from hilum.core.operations import Echo
from hilum.frontends.dimse.session import Session
from hilum.model.errors import HilumError, NotOffered, Refused
from hilum.upper_layer.messages import Message


async def echo(session: Session, message: Message) -> None:
    """Say whether what stands behind the mount lives.

    Who calls a receiver as its PACS is asking whether we live, to bring something: asking it back
    would have a PACS that does one thing at a time wait for itself.
    """
    caller = session.caller(None)
    brings = session.inbox.admits(caller.called, caller.calling, caller.address)
    status, comment = Dimse.SUCCESS, None
    if session.is_mount and not brings:
        operation = Echo(mount=session.mount, who=session.who, request_id=session.asked)
        try:
            await session.broker.echo(operation)
        except NotOffered:  # there is nothing behind it that could be asked
            pass
        except HilumError as error:
            if session.association.lost is not None:
                raise
            refused = isinstance(error, Refused)
            status = Dimse.NOT_AUTHORIZED if refused else Dimse.PROCESSING_FAILURE
            comment = str(error)
            session.failed("C-ECHO", error)
    await session.answer(message, status, comment=comment)
