"""Puts one instance on an association by C-STORE (PS3.4 Annex B, PS3.7 §9.1.1).

What the peer does not accept as it is goes out re-encoded, as a stream, where its pixels are
uncompressed and the peer accepted another uncompressed syntax; else it is transcoded, where there
are the codecs for it, to what the peer accepted. Either way the pixels stay the same.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace

from hilum.codec import identifiers, reencode
from hilum.codec.dimse import A_DATA_SET, Command, Service
from hilum.codec.sop_class import UNCOMPRESSED
from hilum.codec.stow_answer import by_reason
from hilum.core.backend import Transcodes
from hilum.core.operations import Originator
from hilum.model.errors import (
    BackendFault,
    BadDataset,
    BadRequest,
    HilumError,
    OutOfResources,
    SyntaxRefused,
)
from hilum.model.instance import Instance
from hilum.model.outcome import Stored
from hilum.upper_layer.association import Association
from hilum.upper_layer.messages import Context

_LOOKED_AT = 64 * 1024  # bytes
_MEDIUM = 0  # Priority (0000,0700)
_SUCCESS = 0x0000
_WARNINGS = frozenset((0x0001, 0x0107, 0x0116))  # PS3.7 Annex C.4; beside them all of Bxxx


async def store_on(
    association: Association,
    instance: Instance,
    originator: Originator | None = None,
    transcodes: Transcodes | None = None,
    *,
    looks: bool = False,
) -> Stored:
    """Send `instance`; what the peer, or the lack of a context, makes of it is in the answer.

    Args:
        association: where it goes.
        instance: what goes.
        originator: who asked for the move, where it is one.
        transcodes: what takes pixels to another syntax; None: nobody does.
        looks: tell which study and series it is of, by a look at its beginning as it goes out.

    Raises only what reading the source raises; when part of the data set had left by then, the
    association is aborted.
    """
    kind, syntax = instance.sop_class_uid, instance.transfer_syntax_uid
    context = context_for(association, kind, syntax, transcodes)
    if context is None:
        # the first 64 characters go into an Error Comment: the syntax is what mostly does not fit
        return _failed(instance, SyntaxRefused(f"no context accepted for {syntax} of {kind}"))
    if context.transfer_syntax == syntax:
        return await _sent(association, context, instance, instance.chunks, originator, looks)
    if transcodes is None or reencode.possible(syntax, context.transfer_syntax):
        chunks = reencoded(instance, context.transfer_syntax)
        return await _sent(association, context, instance, chunks, originator, looks)
    async with AsyncExitStack() as stack:
        transcoding = transcodes.transcoded(instance, context.transfer_syntax)
        try:
            other = await stack.enter_async_context(transcoding)
        except (BadRequest, OutOfResources) as error:
            return _failed(instance, error)
        return await _sent(association, context, instance, other.chunks, originator, looks)


async def _sent(  # noqa: PLR0913, PLR0917 - a request has that many sides
    association: Association,
    context: Context,
    instance: Instance,
    chunks: AsyncIterator[bytes],
    originator: Originator | None,
    looks: bool,  # noqa: FBT001 - as above
) -> Stored:
    """`chunks`, the data set of `instance` in the syntax of `context`, gone out."""
    request = Command(
        command_field=Service.C_STORE,
        message_id=association.next_id(),
        data_set_type=A_DATA_SET,
        affected_sop_class_uid=instance.sop_class_uid,
        affected_sop_instance_uid=instance.sop_instance_uid,
        priority=_MEDIUM,
        move_originator_ae_title=originator.ae_title if originator else None,
        move_originator_message_id=originator.message_id if originator else None,
    )
    begin: list[bytes] | None = [] if looks else None
    try:
        data = chunks if begin is None else _noted(chunks, begin)
        answer = await association.request(context, request, data)
    except HilumError as error:
        if association.lost is None:
            raise
        return _failed(instance, error)
    stored = _judged(instance, answer.command.status)
    return _placed(stored, begin[0], context.transfer_syntax) if begin else stored


def _placed(stored: Stored, begin: bytes, transfer_syntax_uid: str) -> Stored:
    """The same, with the study and series that the beginning of the data set names."""
    try:
        found = identifiers.look(
            begin[:_LOOKED_AT], transfer_syntax_uid, study=True, complete=False
        )
    except BadDataset:
        return stored
    if found is None:
        return stored
    return replace(
        stored,
        study_instance_uid=found.study_instance_uid,
        series_instance_uid=found.series_instance_uid,
    )


def context_for(
    association: Association,
    sop_class_uid: str,
    transfer_syntax_uid: str,
    transcodes: Transcodes | None = None,
) -> Context | None:
    """The accepted context in which an instance can go out.

    As it is before re-encoded, before decoded, before compressed in another way.
    """
    fitting = {
        each.transfer_syntax: each
        for each in association.contexts.values()
        if each.abstract_syntax == sop_class_uid and each.we_may_ask
    }
    if transfer_syntax_uid in fitting:
        return fitting[transfer_syntax_uid]
    for syntax in UNCOMPRESSED:
        if syntax in fitting and reencode.possible(transfer_syntax_uid, syntax):
            return fitting[syntax]
    if transcodes is not None:
        for syntax in (*UNCOMPRESSED, *fitting):
            if syntax in fitting and transcodes.possible(transfer_syntax_uid, syntax):
                return fitting[syntax]
    return None


async def reencoded(instance: Instance, transfer_syntax_uid: str) -> AsyncIterator[bytes]:
    """The data set in another uncompressed syntax, as it streams by.

    Raises:
        BadDataset: it cannot be read.
    """
    encoder = reencode.Reencoder(instance.transfer_syntax_uid, transfer_syntax_uid)
    async for chunk in instance.chunks:
        for data in encoder.pieces(chunk):
            yield data
    data = encoder.close()
    if data:
        yield data


async def _noted(chunks: AsyncIterator[bytes], begin: list[bytes]) -> AsyncIterator[bytes]:
    """The data set; its first piece is put into `begin`."""
    async for chunk in chunks:
        if not begin:
            begin.append(chunk)
        yield chunk


def _failed(instance: Instance, error: HilumError) -> Stored:
    return Stored(
        sop_class_uid=instance.sop_class_uid,
        sop_instance_uid=instance.sop_instance_uid,
        failure=error,
    )


def _judged(instance: Instance, status: int | None) -> Stored:
    if status is None:
        return _failed(instance, BackendFault("the peer answered a C-STORE without a status"))
    if status != _SUCCESS and status not in _WARNINGS and status >> 12 != 0xB:  # noqa: PLR2004 - Bxxx
        return _failed(instance, by_reason(status))
    warned = () if status == _SUCCESS else (f"the peer stored it with a warning, {status:04X}H",)
    return Stored(
        sop_class_uid=instance.sop_class_uid,
        sop_instance_uid=instance.sop_instance_uid,
        warnings=warned,
    )
