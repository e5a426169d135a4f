"""Answers C-ECHO (PS3.4 Annex A, PS3.7 §9.1.5)."""

from hilum.codec.verdict import Dimse
from hilum.frontends.dimse.session import Session
from hilum.upper_layer.messages import Message


async def echo(session: Session, message: Message) -> None:
    """Say that we live: Verification asks for us, not for what stands behind the mount."""
    await session.answer(message, Dimse.SUCCESS)
