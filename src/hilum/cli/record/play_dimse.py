"""Plays the requestor's side of a recorded association, and compares what comes back."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from hilum.cli.record import datasets
from hilum.cli.record.events import Event
from hilum.cli.record.played import Played
from hilum.cli.record.tap_dimse import ACCEPTOR, REQUESTOR
from hilum.codec.associate import Role
from hilum.codec.dimse import NO_DATA_SET, RESPONSE, Command, Service
from hilum.model.errors import BackendError
from hilum.upper_layer.association import Association
from hilum.upper_layer.messages import PENDING, Context, Message
from hilum.upper_layer.requestor import Remote, associate

_SUCCESS: Final = 0x0000
_COUNTS: Final = ("completed", "failed", "warning")


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request of the record, and what was answered to it."""

    event: Event
    command: Command
    then: dict[str, Any]


async def play(events: Sequence[Event], to: Remote) -> list[Played]:
    """All that one connection asked for.

    Args:
        events: of that connection.
        to: whom to call; its AE titles are those of the record where they are "".

    Raises:
        BackendError: there is no connection.
    """
    number = events[0].connection
    request = _first(events, "A-ASSOCIATE-RQ")
    if request is None:
        return [Played(number, "association", {}, None, "it was not recorded from its begin")]
    proposed = request.held["contexts"]
    ids = {each["id"]: 2 * at + 1 for at, each in enumerate(proposed)}
    then = _answer_then(events, ids)
    called = to.called or request.held["called"]
    remote = replace(to, called=called, calling=to.calling or request.held["calling"])
    what = f"association of {remote.calling} with {remote.called}"
    try:
        async with associate(
            remote,
            [(each["abstract"], each["transfer"]) for each in proposed],
            roles={uid: Role(*both) for uid, both in request.held.get("roles", {}).items()},
            extended={
                uid: bytes.fromhex(flags) for uid, flags in request.held.get("extended", {}).items()
            },
        ) as association:
            now = {
                "accepted": len(association.contexts),
                "proposed": len(proposed),
                "syntaxes": sorted({e.transfer_syntax for e in association.contexts.values()}),
            }
            played = [Played(number, what, then, now)]
            for asked in _asked(events):
                played.append(await _one(association, asked, ids))  # noqa: PERF401 - one by one
            return played
    except BackendError as error:
        if "rejected" not in str(error):
            raise
        return [Played(number, what, then, {"rejected": str(error).partition(": ")[2]})]


def _first(events: Sequence[Event], kind: str) -> Event | None:
    return next((each for each in events if each.kind == kind), None)


def _answer_then(events: Sequence[Event], ids: Mapping[int, int]) -> dict[str, Any]:
    accept = _first(events, "A-ASSOCIATE-AC")
    if accept is None:
        return {"rejected": "then"}
    taken = [each for each in accept.held["contexts"] if not each["result"]]
    syntaxes = sorted({each["transfer"] for each in taken})
    return {"accepted": len(taken), "proposed": len(ids), "syntaxes": syntaxes}


def _asked(events: Sequence[Event]) -> list[_Asked]:
    """The requests in order, each with what came back until the next."""
    messages = [each for each in events if each.kind == "message"]
    requests = [
        (at, each)
        for at, each in enumerate(messages)
        if each.side == REQUESTOR and not each.held["command"]["command_field"] & RESPONSE
    ]
    found = []
    for at, event in requests:
        command = Command(**event.held["command"])
        answers = [each for each in messages[at:] if each.side == ACCEPTOR]
        found.append(_Asked(event, command, _then(command, answers)))
    return found


def _then(command: Command, answers: Sequence[Event]) -> dict[str, Any]:
    came = brought = 0
    for each in answers:
        said = each.held["command"]
        if not said["command_field"] & RESPONSE:
            brought += 1
        elif said.get("message_id_responded_to") == command.message_id:
            if said.get("status") not in PENDING:
                return _summary(said, came, brought)
            came += bool(each.held.get("bytes"))
    return {"status": "none"}


def _summary(said: Mapping[str, Any], came: int, brought: int) -> dict[str, Any]:
    made: dict[str, Any] = {"status": f"{said.get('status', 0):04X}", "answers": came}
    made |= {name: said[name] for name in _COUNTS if said.get(name) is not None}
    return made | ({"brought": brought} if brought else {})


async def _one(association: Association, asked: _Asked, ids: Mapping[int, int]) -> Played:
    event, command = asked.event, asked.command
    number = event.connection
    what = _named(command)
    if command.command_field == Service.C_CANCEL:
        return Played(number, what, asked.then, None, "a C-CANCEL is not sent again")
    if "without" in event.held:
        return Played(number, what, asked.then, None, event.held["without"])
    context = association.contexts.get(ids.get(event.held["context"], 0))
    if context is None:
        return Played(number, what, asked.then, {"status": "no presentation context"})
    try:
        data = _data(event, context)
    except ValueError as error:
        return Played(number, what, asked.then, None, str(error))
    again = replace(command, message_id=association.next_id())
    came = brought = 0
    async with association.exchange(context, again, data, with_requests=True) as responses:
        async for message in responses:
            if not message.command.is_response:
                brought += 1
                await _taken(association, message)
            elif message.command.status in PENDING:
                came += message.data is not None
            else:
                said = {name: getattr(message.command, name) for name in ("status", *_COUNTS)}
                return Played(number, what, asked.then, _summary(said, came, brought))
    return Played(number, what, asked.then, {"status": "none"})


def _named(command: Command) -> str:
    try:
        return Service(command.command_field).name.replace("_", "-")
    except ValueError:
        return f"{command.command_field:04X}"


def _data(event: Event, context: Context) -> bytes | None:
    if "data" not in event.held:
        return None
    return datasets.encoded(event.held["data"], context.transfer_syntax)


async def _taken(association: Association, message: Message) -> None:
    """Take what a C-GET brings, and throw it away."""
    if message.data is not None:
        await _drained(message.data)
    asked = message.command
    answer = Command(
        command_field=asked.command_field | RESPONSE,
        message_id_responded_to=asked.message_id,
        data_set_type=NO_DATA_SET,
        affected_sop_class_uid=asked.affected_sop_class_uid,
        affected_sop_instance_uid=asked.affected_sop_instance_uid,
        status=_SUCCESS,
    )
    await association.send(message.context, answer)


async def _drained(data: AsyncIterator[bytes]) -> None:
    async for _ in data:
        pass
