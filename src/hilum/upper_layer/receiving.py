"""Takes one C-STORE of the peer and answers it (PS3.4 Annex B, PS3.7 §9.1.1)."""

from hilum.codec import dimse
from hilum.codec.dimse import RESPONSE, Command, Service
from hilum.codec.sop_class import is_storage
from hilum.codec.verdict import Dimse, verdict_on
from hilum.core.backend import StoreSession
from hilum.model.errors import BadDataset, ClassMismatch, HilumError
from hilum.model.instance import Instance
from hilum.model.outcome import Stored
from hilum.upper_layer.association import Association
from hilum.upper_layer.messages import Message

_UNRECOGNIZED_OPERATION = 0x0211  # PS3.7 §C.5.22


async def receive(association: Association, message: Message, sink: StoreSession) -> Stored:
    """Give the instance to `sink`, answer with what became of it, and tell that.

    Raises:
        HilumError: the association was lost.
    """
    try:
        stored = await sink.store(instance_of(message))
    except HilumError as error:
        if association.lost is not None:
            raise
        stored = _failed(message, error)
    await _drain(message)
    if stored.failure is not None:
        status = verdict_on(stored.failure).store
        await _answer(association, message, status, str(stored.failure))
    elif stored.warnings:
        comment = "; ".join(stored.warnings)
        await _answer(association, message, Dimse.DATASET_DIFFERS_FROM_CLASS, comment)
    else:
        await _confirm(association, message)
    return stored


async def refuse(association: Association, message: Message, failure: HilumError) -> None:
    """Answer a request with a failure, whatever it asks for.

    Raises:
        HilumError: the association was lost.
    """
    await _drain(message)
    if message.command.command_field == Service.C_STORE:
        await _answer(association, message, verdict_on(failure).store, str(failure))
    else:
        await _answer(association, message, _UNRECOGNIZED_OPERATION)


async def confirm(association: Association, message: Message, *, leave: bool = True) -> None:
    """Answer a C-STORE of which everything is here, and where it should be, with success.

    Args:
        association: on which it came.
        message: the request.
        leave: throw away what was not read of the data set.

    Raises:
        HilumError: the association was lost.
    """
    if leave:
        await _drain(message)
    await _confirm(association, message)


def instance_of(message: Message) -> Instance:
    """The instance that a C-STORE request carries; to be read while it arrives.

    Raises:
        BadDataset: it carries none.
        ClassMismatch: it is not of the class of its presentation context.
    """
    command, context = message.command, message.context
    if message.data is None:
        raise BadDataset("a C-STORE without a data set")
    if command.affected_sop_class_uid != context.abstract_syntax:
        raise ClassMismatch("Affected SOP Class UID is not that of the presentation context")
    if not is_storage(context.abstract_syntax):
        raise ClassMismatch("the presentation context is not of a storage class")
    return Instance(
        sop_instance_uid=command.affected_sop_instance_uid or "",
        sop_class_uid=command.affected_sop_class_uid,
        transfer_syntax_uid=context.transfer_syntax,
        chunks=message.data,
    )


async def _drain(message: Message) -> None:
    """Read the rest: a peer that is still sending does not read the answer."""
    if message.data is not None:
        await message.data.drain()


def _failed(message: Message, error: HilumError) -> Stored:
    return Stored(
        sop_class_uid=message.context.abstract_syntax,
        sop_instance_uid=message.command.affected_sop_instance_uid or "",
        failure=error,
    )


async def _confirm(association: Association, message: Message) -> None:
    """Answer with success; the same bytes as `_answer` would, for a tenth of the work."""
    asked = message.command
    encoded = dimse.encode_stored(
        asked.affected_sop_class_uid or message.context.abstract_syntax,
        asked.affected_sop_instance_uid,
        asked.message_id or 0,
    )
    await association.say(message.context, encoded)


async def _answer(
    association: Association, message: Message, status: int, comment: str | None = None
) -> None:
    asked = message.command
    response = Command(
        command_field=asked.command_field | RESPONSE,
        message_id_responded_to=asked.message_id,
        affected_sop_class_uid=asked.affected_sop_class_uid or message.context.abstract_syntax,
        affected_sop_instance_uid=asked.affected_sop_instance_uid,
        status=status,
        error_comment=comment,
    )
    await association.send(message.context, response)
