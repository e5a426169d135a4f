"""Asks a peer whether it lives: C-ECHO (PS3.4 Annex A, PS3.7 §9.1.5)."""

from hilum.backends.dimse.asking import context_of, failure, wanted
from hilum.codec.dimse import Command, Service
from hilum.codec.sop_class import VERIFICATION
from hilum.upper_layer.association import Association

CONTEXT = wanted(VERIFICATION)
_SUCCESS = 0x0000


async def echo(association: Association) -> None:
    """Return when the peer has answered.

    Raises:
        NotOffered: the peer does not accept Verification.
        BackendError: it does not answer, or with a failure.
    """
    context = context_of(association, VERIFICATION)
    request = Command(
        command_field=Service.C_ECHO,
        message_id=association.next_id(),
        affected_sop_class_uid=VERIFICATION,
    )
    answer = await association.request(context, request)
    if answer.command.status != _SUCCESS:
        raise failure(Service.C_ECHO, answer.command.status)
