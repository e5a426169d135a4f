"""A DICOM peer that says what a test wants, true or not, one PDU at a time."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from hilum.codec import associate, dimse, pdu
from hilum.codec.associate import Answered, AssociateAccept, AssociateRequest, Negotiation, Role
from hilum.codec.dimse import A_DATA_SET, Command
from hilum.codec.pdu import PduReader

HOST = "127.0.0.1"
PATIENCE = 10.0  # seconds for whatever the other side owes


@dataclass(slots=True)
class Said:
    """A message of the other side."""

    context_id: int
    command: Command
    data: bytes = b""


@dataclass(slots=True)
class Liar:
    """One connection to it.

    Attributes:
        accepted: syntax and class of each context that it accepted, by id.
    """

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    accepted: dict[int, tuple[str, str]] = field(default_factory=dict)
    _pdus: PduReader = field(default_factory=lambda: PduReader(0))
    _events: deque[pdu.Event] = field(default_factory=deque)

    def raw(self, data: bytes) -> None:
        """Say these bytes."""
        self.writer.write(data)

    def say(
        self, command: Command, data: bytes | None = None, *, context_id: int | None = None
    ) -> None:
        """Say a message, in the first accepted context unless another is named."""
        at = context_id if context_id is not None else min(self.accepted)
        self.raw(command_set(at, command))
        if data is not None:
            self.raw(data_set(at, data))

    async def event(self) -> pdu.Event | None:
        """What the other side says next; None: it closed."""
        while not self._events:
            try:
                async with asyncio.timeout(PATIENCE):
                    data = await self.reader.read(65536)
            except ConnectionError:
                return None
            if not data:
                return None
            self._events += self._pdus.feed(data)
        return self._events.popleft()

    async def requested(self) -> AssociateRequest:
        """Its A-ASSOCIATE-RQ."""
        event = await self.event()
        assert isinstance(event, pdu.Associate), event
        says = associate.parse(event)
        assert isinstance(says, AssociateRequest)
        return says

    async def accept(
        self,
        *,
        max_pdu: int = 0,
        answers: Iterable[Answered] | None = None,
        roles: bool = True,
    ) -> AssociateRequest:
        """Take its A-ASSOCIATE-RQ; accept all, in the first syntax, unless `answers` says else."""
        says = await self.requested()
        if answers is None:
            answers = [Answered(each.id, 0, each.transfer_syntaxes[0]) for each in says.contexts]
        classes = {each.id: each.abstract_syntax for each in says.contexts}
        answers = tuple(answers)
        self.accepted = {
            each.id: (each.transfer_syntax, classes.get(each.id, "")) for each in answers
        }
        given = says.negotiation.roles if roles else {}
        accept = AssociateAccept(
            called_ae_title=says.called_ae_title,
            calling_ae_title=says.calling_ae_title,
            contexts=answers,
            negotiation=Negotiation(
                max_pdu=max_pdu,
                implementation_class_uid="1.2.3",
                roles={uid: Role(scu=each.scu, scp=each.scp) for uid, each in given.items()},
            ),
        )
        self.raw(pdu.encode(associate.encode(accept)))
        return says

    async def message(self) -> Said | None:
        """Its next message, put together; None: it released, aborted or closed."""
        command, data, context_id = bytearray(), bytearray(), 0
        parsed: Command | None = None
        while True:
            event = await self.event()
            if not isinstance(event, pdu.Fragment):
                if isinstance(event, pdu.ReleaseRequested):
                    self.raw(pdu.encode(pdu.ReleaseAnswered()))
                return None
            context_id = event.context_id
            if event.is_command:
                command += event.data
                if event.last:
                    parsed = dimse.parse(bytes(command))
                    if not parsed.has_data:
                        return Said(context_id, parsed)
                continue
            data += event.data
            if event.last:
                assert parsed is not None
                return Said(context_id, parsed, bytes(data))

    async def last_word(self) -> pdu.Event | None:
        """Its A-ABORT, or its A-RELEASE-RQ; None: it closed without a word."""
        while True:
            event = await self.event()
            if event is None or isinstance(event, pdu.Aborted | pdu.ReleaseRequested):
                return event


def command_set(context_id: int, command: Command) -> bytes:
    """The P-DATA-TFs of a command."""
    encoded = dimse.encode(command)
    return b"".join(
        pdu.encode_data(context_id, encoded, is_command=True, last=True, size=16 * 1024)
    )


def data_set(context_id: int, data: bytes) -> bytes:
    """The P-DATA-TFs of a data set."""
    return b"".join(pdu.encode_data(context_id, data, is_command=False, last=True, size=16 * 1024))


def answer(to: Said, status: int | None, *, with_data: bool = False, **more: object) -> Command:
    """A response to a request."""
    values = {
        "command_field": to.command.command_field | dimse.RESPONSE,
        "message_id_responded_to": to.command.message_id,
        "affected_sop_class_uid": to.command.affected_sop_class_uid,
        "data_set_type": A_DATA_SET if with_data else dimse.NO_DATA_SET,
        "status": status,
        **more,
    }
    return Command(**values)  # type: ignore[arg-type]  # each is of its own type


@asynccontextmanager
async def lying(script: Callable[[Liar], Awaitable[None]]) -> AsyncIterator[int]:
    """The port at which it listens, and runs `script` for each connection.

    What the script raises comes out at the end.
    """
    failures: list[BaseException] = []
    busy = 0
    idle = asyncio.Event()
    idle.set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal busy
        busy += 1
        idle.clear()
        try:
            await script(Liar(reader, writer))
        except ConnectionError:
            pass  # the other side may cut it off
        except BaseException as error:  # noqa: BLE001 - told at the end
            failures.append(error)
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
            busy -= 1
            if not busy:
                idle.set()

    server = await asyncio.start_server(connected, HOST, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        async with asyncio.timeout(2 * PATIENCE):
            await idle.wait()
    if failures:
        raise failures[0]
