"""Answers C-STORE (PS3.4 Annex B, PS3.7 §9.1.1)."""

from dataclasses import dataclass

from hilum.codec.dimse import Command
from hilum.core.operations import Originator
from hilum.frontends.dimse.session import Session
from hilum.model.errors import Forbidden
from hilum.model.instance import Instance
from hilum.model.outcome import Stored
from hilum.upper_layer.messages import Message
from hilum.upper_layer.receiving import receive


async def store(session: Session, message: Message) -> None:
    """Give the instance to whoever waits for it, else to the mount; answer when it is there."""
    originator = _originator(message.command)
    stored = await receive(session.association, message, _Sorted(session, originator))
    if stored.failure is not None:
        session.failed("C-STORE", stored.failure)


@dataclass(frozen=True, slots=True)
class _Sorted:
    """A C-MOVE of ours that waits for the instance, else the mount: by each one that comes."""

    session: Session
    originator: Originator | None

    async def store(self, instance: Instance, /) -> Stored:
        """Take one; see `core.backend.StoreSession`.

        Raises:
            Forbidden: nobody waits for it, and the caller may not store.
            HilumError: the mount takes nothing, or cannot be reached.
        """
        session = self.session
        # What comes from the PACS behind the very mount would only be stored back there.
        keeps = not session.barred and (
            session.is_storing
            or (
                session.is_mount
                and session.who.ae_title not in session.broker.mounts[session.mount].behind
            )
        )
        if session.inbox.receives(session.ae_title):
            caller = session.caller(self.originator)
            arrivals, instance = await session.inbox.sort(caller, instance, strictly=keeps)
            if arrivals is not None:
                return await arrivals.store(instance)
        if not keeps:
            why = "nobody here waits for this instance"
            session.refused(session.barred or why)
            raise Forbidden(why)
        named = self.originator is not None and bool(self.originator.ae_title)
        sink = await session.stores(self.originator if named else None)
        return await sink.store(instance)


def _originator(command: Command) -> Originator | None:
    """Who asked for it; half of it, an AE title or a Message ID, is told as far as it goes."""
    ae_title, message_id = command.move_originator_ae_title, command.move_originator_message_id
    if not ae_title and not message_id:
        return None
    return Originator(ae_title or "", message_id or 0)
