"""Answers C-STORE (PS3.4 Annex B, PS3.7 §9.1.1)."""

from hilum.codec.dimse import Command
from hilum.core.operations import Originator
from hilum.frontends.dimse.session import Session
from hilum.model.errors import HilumError
from hilum.upper_layer.messages import Message
from hilum.upper_layer.receiving import receive, refuse


async def store(session: Session, message: Message) -> None:
    """Give the instance to the mount; answer when it is kept durably, or is not."""
    try:
        sink = await session.stores(_originator(message.command))
    except HilumError as error:
        if session.association.lost is not None:
            raise
        await refuse(session.association, message, error)
    else:
        await receive(session.association, message, sink)


def _originator(command: Command) -> Originator | None:
    if not command.move_originator_ae_title:
        return None
    return Originator(command.move_originator_ae_title, command.move_originator_message_id or 0)
