"""Does a C-MOVE to ourselves bring an instance, and how is it marked? (PS3.4 §C.4.2)."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio

from hilum.backends.dimse.findings import Known
from hilum.backends.dimse.retrieve import MOVE_CONTEXTS, move
from hilum.backends.dimse.trial.fetching import Bin, judged, one
from hilum.codec.dimse import RESPONSE, Command, Service
from hilum.codec.sop_class import MOVE
from hilum.model.errors import HilumError, NotOffered, UnknownDestination
from hilum.model.identity import Level
from hilum.model.query import Path
from hilum.upper_layer.association import Association
from hilum.upper_layer.messages import Message
from hilum.upper_layer.negotiation import Offer, answer
from hilum.upper_layer.receiving import receive, refuse
from hilum.upper_layer.requestor import associate
from hilum.upper_layer.standing import Timeouts

_TITLE = "C-MOVE of one instance"
LATE = 10.0  # seconds after the final response that an instance is waited for


@dataclass(frozen=True, slots=True)
class Door:
    """Where we take what the peer sends.

    Attributes:
        receiver: the AE title by which it knows us as a Move Destination.
        host, port: where we listen, and the peer believes that we do.
    """

    receiver: str
    host: str
    port: int


@dataclass(slots=True)
class _Arrivals:
    """What came in.

    Attributes:
        commands: of the C-STOREs.
        callers: AE titles by which they came.
        times: when the last one was whole, of the monotonic clock.
    """

    got: Bin = field(default_factory=Bin)
    commands: list[Command] = field(default_factory=list)
    callers: list[str] = field(default_factory=list)
    time: float = 0.0
    came: asyncio.Event = field(default_factory=asyncio.Event)


async def moving(known: Known, door: Door) -> None:
    """One C-MOVE to ourselves."""
    keys = one(known)
    if not known.accepted & MOVE:
        known.tell("move", _TITLE, value=False, text="no C-MOVE context is accepted")
        return
    if keys is None:
        known.tell("move", _TITLE, None, "not tried: no instance is known to ask for")
        return
    arrivals = _Arrivals()
    try:
        async with _listening(door, arrivals, known.to.max_pdu, known.deadline):
            await _judge(known, door, keys, arrivals)
    except OSError as error:
        text = f"not tried: cannot listen at port {door.port} ({error.strerror}); where a "
        text += "broker runs there, stop it for the probe"
        known.tell("move", _TITLE, None, text)


async def _judge(known: Known, door: Door, keys: dict[Path, str], arrivals: _Arrivals) -> None:
    try:
        async with asyncio.timeout(known.deadline / 2):  # and as long for a late arrival
            status, message_id, final = await _move(known, keys, door.receiver)
    except UnknownDestination:
        text = f"it knows no Move Destination {door.receiver}: have it added there, at this "
        text += f"machine and port {door.port}"
        known.tell("move", _TITLE, value=False, text=text)
        return
    except (HilumError, TimeoutError) as error:
        why = str(error) or f"it took longer than {known.deadline / 2:g} s"
        known.tell("move", _TITLE, value=False, text=f"fails: {why}")
        return
    if not arrivals.commands:
        with anyio.move_on_after(min(LATE, known.deadline / 2)):
            await arrivals.came.wait()
    wrong = judged(known, arrivals.got, status)
    if not arrivals.commands:
        text = f"fails: {wrong}; does it know {door.receiver} at this machine and port?"
        known.tell("move", _TITLE, value=False, text=text)
        return
    text = f"works, but {wrong}" if wrong else f"works ({arrivals.got.size} bytes)"
    known.tell("move", _TITLE, value=True, text=text, receivers=[door.receiver])
    early = arrivals.time - final
    if early > 0:
        text = f"Success came {early:.1f} s before the instance; arrivals are waited for"
        known.tell("early_success", "early Success", value=True, text=text)
    else:
        text = "the final answer comes after the last instance"
        known.tell("early_success", "early Success", value=False, text=text)
    _marks(known, arrivals, message_id)


def _marks(known: Known, arrivals: _Arrivals, message_id: int | None) -> None:
    """How the arrivals can be told apart from those of another C-MOVE."""
    first, title = arrivals.commands[0], "Move Originator"
    name, number = first.move_originator_ae_title, first.move_originator_message_id
    if name == known.to.calling and number == message_id:
        known.tell("originator", title, value=True, text="given, and right")
    else:
        what = "not given"
        if name or number is not None:
            what = "given, but " + (
                "with another Message ID" if name == known.to.calling else "with another AE title"
            )
        text = f"{what}: one C-MOVE at a time to each receiver"
        known.tell("originator", title, value=False, text=text, mode="sequential")
    callers = sorted(set(arrivals.callers))
    if callers != [known.to.called]:
        text = f"its C-STOREs come from {', '.join(callers)}"
        known.tell("senders", "senders", callers, text, senders=callers)


async def _move(known: Known, keys: dict[Path, str], to: str) -> tuple[int | None, int, float]:
    """The final status, the Message ID, and when it came.

    Raises:
        HilumError: it fails, or nothing more comes.
    """
    async with (
        associate(known.to, MOVE_CONTEXTS) as association,
        move(
            association, Level.IMAGE, keys, to, patient_root=known.patient_root, patience=0.0
        ) as retrieval,
    ):
        async for _ in retrieval:
            pass
        # the only request on this association, so the first of its Message IDs
        return retrieval.status, 1, time.monotonic()


@asynccontextmanager
async def _listening(
    door: Door, arrivals: _Arrivals, max_pdu: int, deadline: float
) -> AsyncIterator[None]:
    """Take in what comes, until the block is left.

    Raises:
        OSError: the port cannot be bound.
    """
    associations: set[Association] = set()
    failed: Exception | None = None

    def made(association: Association) -> None:
        associations.add(association)
        tasks.create_task(_take(association, arrivals, Offer(max_pdu)))

    def association() -> Association:
        timeouts = Timeouts(acse=deadline, message=deadline, idle=deadline)
        return Association(requestor=False, max_pdu=max_pdu, timeouts=timeouts, made=made)

    loop = asyncio.get_running_loop()
    listener = await loop.create_server(association, door.host, door.port, start_serving=False)
    async with asyncio.TaskGroup() as tasks:
        await listener.start_serving()
        try:
            yield
        except Exception as error:  # noqa: BLE001 - raised again, when the group is gone
            failed = error
        finally:
            listener.close()
            for each in associations:
                each.abort("the probe ends")
    if failed is not None:
        raise failed


async def _take(association: Association, arrivals: _Arrivals, offer: Offer) -> None:
    """Serve one association: C-STORE, and the C-ECHO by which some make sure of us."""
    try:
        request = await association.requested()
        association.accept(*answer(request, offer))
        while True:
            message = await association.next_request()
            if message is None:
                break
            await _serve(association, message, arrivals)
        await association.release()
    except HilumError:
        pass  # it has gone; what came is known
    finally:
        if association.lost is None:
            association.abort()
        with anyio.CancelScope(shield=True):
            await association.closed()


async def _serve(association: Association, message: Message, arrivals: _Arrivals) -> None:
    command = message.command
    if command.command_field == Service.C_STORE:
        stored = await receive(association, message, arrivals.got)
        if stored.failure is None:
            arrivals.commands.append(command)
            arrivals.callers.append(association.calling_ae_title)
            arrivals.time = time.monotonic()
            arrivals.came.set()
    elif command.command_field == Service.C_ECHO:
        lives = Command(
            command_field=Service.C_ECHO | RESPONSE,
            message_id_responded_to=command.message_id,
            affected_sop_class_uid=command.affected_sop_class_uid,
            status=0,
        )
        await association.send(message.context, lives)
    else:
        await refuse(association, message, NotOffered("only C-STORE and C-ECHO"))
