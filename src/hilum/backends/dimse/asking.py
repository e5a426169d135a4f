"""What every request to a peer needs: its context, its end, and what a status means."""

import asyncio
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, suppress
from types import TracebackType

from hilum.codec import question
from hilum.codec.dimse import A_DATA_SET, Command, Service
from hilum.codec.sop_class import EXPLICIT_LE, IMPLICIT_LE
from hilum.model.errors import (
    BackendError,
    BackendFault,
    BackendTimeout,
    BadQuery,
    Forbidden,
    HilumError,
    NotOffered,
    OutOfResources,
    UnknownDestination,
)
from hilum.model.identity import Level
from hilum.model.query import Path
from hilum.upper_layer.association import Association
from hilum.upper_layer.messages import Context, Message, Responses
from hilum.upper_layer.receiving import refuse
from hilum.upper_layer.requestor import Wanted

MEDIUM = 0  # Priority (0000,0700)
PATIENCE = 10.0  # seconds that a peer gets to honour a C-CANCEL


def wanted(abstract_syntax: str) -> Wanted:
    """What to propose for a service whose messages carry no images."""
    return abstract_syntax, (EXPLICIT_LE, IMPLICIT_LE)


def context_of(association: Association, abstract_syntax: str) -> Context:
    """The presentation context in which to ask.

    Raises:
        NotOffered: the peer did not accept one.
    """
    for context in association.contexts.values():
        if context.abstract_syntax == abstract_syntax and context.we_may_ask:
            return context
    raise NotOffered(f"the peer accepts no presentation context for {abstract_syntax}")


def failure(service: Service, status: int | None) -> HilumError:
    """What a failure status says, in our words (PS3.7 Annex C, PS3.4 §C.4)."""
    name = service.name.replace("_", "-")
    if status is None:
        return BackendFault(f"the peer answered a {name} without a status")
    kind, words = _meaning(status)
    return kind(f"the peer answered a {name} with {status:04X}H" + (f": {words}" if words else ""))


_MEANINGS: Mapping[int, tuple[type[HilumError], str]] = {
    0x0112: (NotOffered, "SOP Class not supported"),
    0x0122: (NotOffered, "SOP Class not supported"),
    0x0124: (Forbidden, "not authorized"),
    0x0211: (NotOffered, "unrecognized operation"),
    0xA801: (UnknownDestination, "Move Destination unknown"),
    0xA900: (BadQuery, "the identifier does not match the SOP Class"),
    0xFE00: (BackendFault, "cancelled, though we did not ask for that"),
}


def _meaning(status: int) -> tuple[type[HilumError], str]:
    if status >> 8 == 0xA7:  # noqa: PLR2004 - A7xx
        return OutOfResources, "out of resources"
    if status >> 12 == 0xC:  # noqa: PLR2004 - Cxxx
        return BackendFault, "unable to process"
    return _MEANINGS.get(status, (BackendFault, ""))


class Asked(AbstractAsyncContextManager[Responses]):
    """A request that can be cancelled, and its responses.

    Leaving before the final one sends C-CANCEL and reads up to it, for `patience` seconds in
    all; a peer that takes longer is aborted, without a C-CANCEL where that is 0. A peer that was
    silent for too long is aborted at once, and so it is when whoever waits is cancelled.

    Raises:
        BackendError: the association was lost, or a response did not come in time.
    """

    def __init__(  # noqa: PLR0913 - a request has that many sides
        self,
        association: Association,
        context: Context,
        command: Command,
        data: bytes,
        *,
        with_requests: bool = False,
        patience: float = PATIENCE,
    ) -> None:
        self._asked = association, context, command
        self._patience = patience
        self._exchange = association.exchange(context, command, data, with_requests=with_requests)

    async def __aenter__(self) -> Responses:
        self._responses = await self._exchange.__aenter__()
        return self._responses

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        try:
            if error is None:
                await _stop(*self._asked, self._responses, self._patience)
            elif isinstance(error, Exception) and not isinstance(error, BackendTimeout):
                with suppress(HilumError):  # what the caller met first is what is told
                    await _stop(*self._asked, self._responses, self._patience)
        except BaseException as failed:
            await self._exchange.__aexit__(type(failed), failed, failed.__traceback__)
            raise
        return await self._exchange.__aexit__(kind, error, traceback)


def putting(  # noqa: PLR0913 - a question has that many sides
    association: Association,
    service: Service,
    sop_class_uid: str,
    level: Level,
    keys: Mapping[Path, str],
    *,
    encoding: str = "",
    destination: str | None = None,
    message_id: int | None = None,
    patience: float = PATIENCE,
) -> AbstractAsyncContextManager[Responses]:
    """A C-FIND, C-GET or C-MOVE, and its responses; leaving early as in `Asked`.

    Args:
        association: on which the class was proposed.
        service: which of the three. Those of a C-GET have the peer's requests between them.
        sop_class_uid: of the information model.
        level: of what is asked for.
        keys: path -> value in C-FIND notation; "" asks for the attribute.
        encoding: Specific Character Set to ask in; "": chosen by what the keys hold.
        destination: Move Destination (0000,0600) of a C-MOVE.
        message_id: Message ID (0000,0110); None: one that is not in use on the association.
        patience: seconds that the peer gets to honour a C-CANCEL, before it is aborted.

    Raises:
        BadQuery: a key cannot be written; at once.
        NotOffered: the peer does not accept the information model; at once.
        BackendError: the association was lost.
    """
    context = context_of(association, sop_class_uid)
    data = question.encode(level, keys, context.transfer_syntax, encoding)
    request = Command(
        command_field=service,
        message_id=association.next_id() if message_id is None else message_id,
        data_set_type=A_DATA_SET,
        affected_sop_class_uid=sop_class_uid,
        priority=MEDIUM,
        move_destination=destination,
    )
    is_get = service is Service.C_GET
    return Asked(association, context, request, data, with_requests=is_get, patience=patience)


async def _stop(
    association: Association,
    context: Context,
    command: Command,
    responses: Responses,
    patience: float,
) -> None:
    """C-CANCEL, and what still comes up to the final response (PS3.7 §9.3.2.3)."""
    if responses.final or association.lost is not None or patience <= 0:
        return  # the exchange, left before its end, aborts
    cancel = Command(command_field=Service.C_CANCEL, message_id_responded_to=command.message_id)
    # who leaves has what was wanted: a peer that aborts or falls silent takes nothing from it
    with suppress(TimeoutError, BackendError):
        async with asyncio.timeout(patience):
            await association.send(context, cancel)
            async for message in responses:
                await _pass_over(association, message)


async def _pass_over(association: Association, message: Message) -> None:
    if not message.command.is_response:
        await refuse(association, message, OutOfResources("the retrieval was cancelled"))
