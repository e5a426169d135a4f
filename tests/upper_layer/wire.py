"""A raw peer that says what it likes, and a DIMSE server in this process for it to say it to."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.upper_layer.doubles import CT, Answering, Giving, Keeping

from hilum.codec import associate, dimse, pdu
from hilum.codec.associate import (
    AssociateAccept,
    AssociateRequest,
    Negotiation,
    Proposed,
    Role,
)
from hilum.codec.dimse import A_DATA_SET, Command, Service
from hilum.codec.pdu import Pdu
from hilum.codec.sop_class import (
    EXPLICIT_LE,
    IMPLICIT_LE,
    STUDY_ROOT_FIND,
    STUDY_ROOT_GET,
    VERIFICATION,
)
from hilum.config.schema import DimseSettings, Peer, ServerSettings, Settings
from hilum.core.broker import Broker
from hilum.core.mounts import Mount, Mounts
from hilum.frontends.dimse.server import serve

HOST = "127.0.0.1"
PRIVATE = "1.3.12.2.1107.5.9.1"
LOGGER = "hilum.frontends.dimse.server"
USER, PROVIDER = 0, 2
CONTEXTS = (
    Proposed(1, VERIFICATION, (IMPLICIT_LE,)),
    Proposed(3, CT, (EXPLICIT_LE,)),
    Proposed(5, STUDY_ROOT_FIND, (EXPLICIT_LE,)),
    Proposed(7, STUDY_ROOT_GET, (EXPLICIT_LE,)),
)
FIND_ALL = b"\x08\0\x52\0CS\x06\0STUDY " + b"\x10\0\x10\0PN\0\0"
ONE_STUDY = b"\x08\0\x52\0CS\x06\0STUDY " + b"\x20\0\x0d\0UI\4\x001.2\0"
PATIENCE = 30.0  # seconds within which everything here has to happen


@dataclass(slots=True)
class Raw:
    """A peer that sends bytes and reads PDUs."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, *parts: bytes) -> None:
        self.writer.write(b"".join(parts))
        await self.writer.drain()

    async def pdu(self) -> tuple[int, bytes]:
        """Type and body of the next PDU; EOFError at the end."""
        async with asyncio.timeout(PATIENCE):
            head = await self.reader.readexactly(6)
            kind, length = struct.unpack(">BxI", head)
            return kind, await self.reader.readexactly(length)

    async def message(self) -> tuple[Command, bytes]:
        """The next command, and its data set."""
        command = dimse.parse(await self._value())
        return command, await self._value() if command.has_data else b""

    async def _value(self) -> bytes:
        whole = b""
        while True:
            kind, body = await self.pdu()
            assert kind == Pdu.P_DATA_TF, (kind, body)
            length, _, flags = struct.unpack_from(">IBB", body)
            assert length + 4 == len(body)
            whole += body[6:]
            if flags & 2:
                return whole

    async def associate(self, **changes: object) -> AssociateAccept:
        """An association; asserts that it is accepted."""
        await self.send(asking(**changes))
        kind, body = await self.pdu()
        assert kind == Pdu.ASSOCIATE_AC, (kind, body)
        says = associate.parse(pdu.Associate(Pdu.ASSOCIATE_AC, body))
        assert isinstance(says, AssociateAccept)
        return says

    async def aborted(self) -> tuple[int, int]:
        """Source and reason of the A-ABORT, behind which the connection ends."""
        kind, body = await self.pdu()
        while kind == Pdu.P_DATA_TF:
            kind, body = await self.pdu()
        assert kind == Pdu.ABORT, (kind, body)
        self.writer.close()
        return body[2], body[3]

    async def closed(self) -> None:
        """Wait for the far side to close, without a word."""
        async with asyncio.timeout(PATIENCE):
            assert await self.reader.read(1) == b""

    async def release(self) -> None:
        await self.send(pdu.encode(pdu.ReleaseRequested()))
        kind, _ = await self.pdu()
        assert kind == Pdu.RELEASE_RP

    async def echo(self) -> int | None:
        await self.send(echo())
        command, _ = await self.message()
        return command.status

    def reset(self) -> None:
        """RST instead of FIN."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


@asynccontextmanager
async def raw(port: int, *, small: bool = False) -> AsyncIterator[Raw]:
    """A connection of a raw peer; a `small` one has no room for what it does not read."""
    sock = socket.socket()
    if small:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
    sock.setblocking(False)  # noqa: FBT003 - its name says it
    try:
        await asyncio.get_running_loop().sock_connect(sock, (HOST, port))
    except OSError:
        sock.close()
        raise
    reader, writer = await asyncio.open_connection(sock=sock, limit=1024 if small else 2**16)
    try:
        yield Raw(reader, writer)
    finally:
        if not writer.is_closing():
            writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()


def both_roles() -> Negotiation:
    """What a C-GET needs: the peer is also the SCP of storage."""
    return Negotiation(max_pdu=16384, roles={CT: Role(scu=True, scp=True)})


def request(**changes: object) -> AssociateRequest:
    values: dict[str, object] = {
        "called_ae_title": "HILUM",
        "calling_ae_title": "PEER",
        "contexts": CONTEXTS,
        "negotiation": Negotiation(max_pdu=16384, implementation_class_uid="1.2.3"),
        **changes,
    }
    return AssociateRequest(**values)  # type: ignore[arg-type]


def asking(**changes: object) -> bytes:
    """An A-ASSOCIATE-RQ."""
    return pdu.encode(associate.encode(request(**changes)))


def data_tf(context: int, flags: int, data: bytes, length: int | None = None) -> bytes:
    """A P-DATA-TF of one presentation data value."""
    inner = struct.pack(">IBB", len(data) + 2 if length is None else length, context, flags) + data
    return struct.pack(">BxI", 4, len(inner)) + inner


def message(context: int, command: Command, data: bytes | None = None, size: int = 16000) -> bytes:
    """A command and its data set."""
    parts = pdu.encode_data(context, dimse.encode(command), is_command=True, last=True, size=size)
    if data is not None:
        parts += pdu.encode_data(context, data, is_command=False, last=True, size=size)
    return b"".join(parts)


def echo(number: int = 1) -> bytes:
    return message(
        1,
        Command(
            command_field=Service.C_ECHO, message_id=number, affected_sop_class_uid=VERIFICATION
        ),
    )


def store_command(number: int = 1, uid: str = "1.2.3.4") -> Command:
    return Command(
        command_field=Service.C_STORE,
        message_id=number,
        data_set_type=A_DATA_SET,
        affected_sop_class_uid=CT,
        affected_sop_instance_uid=uid,
        priority=0,
    )


def store(number: int = 1, data: bytes = b"data set", uid: str = "1.2.3.4") -> bytes:
    return message(3, store_command(number, uid), data)


def query_command(
    number: int = 1, service: Service = Service.C_FIND, uid: str = STUDY_ROOT_FIND
) -> Command:
    return Command(
        command_field=service,
        message_id=number,
        data_set_type=A_DATA_SET,
        affected_sop_class_uid=uid,
        priority=0,
    )


def find(number: int = 1, data: bytes = FIND_ALL) -> bytes:
    return message(5, query_command(number), data)


def get(number: int = 1, data: bytes = ONE_STUDY) -> bytes:
    return message(7, query_command(number, Service.C_GET, STUDY_ROOT_GET), data)


def cancel(number: int = 1, context: int = 5) -> bytes:
    return message(context, Command(command_field=Service.C_CANCEL, message_id_responded_to=number))


@dataclass(slots=True)
class Served:
    """A server in this process."""

    port: int
    stop: asyncio.Event
    keeping: Keeping
    finds: Answering
    gives: Giving


@asynccontextmanager
async def serving(
    *,
    keeping: Keeping | None = None,
    finds: Answering | None = None,
    gives: Giving | None = None,
    peers: Sequence[str] = ("PEER",),
    **limits: object,
) -> AsyncIterator[Served]:
    """The DIMSE frontend on a free port, with a mount of doubles behind it."""
    keeping, finds, gives = keeping or Keeping(), finds or Answering(), gives or Giving()
    mount = Mount(
        name="ARCHIVE",
        backend="memory",
        finds=finds,
        retrieves=gives,
        stores=keeping,
    )
    settings = Settings(
        server=ServerSettings(aet="HILUM"),
        dimse=DimseSettings(bind=HOST, port=0, **{"graceful_shutdown": 1.0, **limits}),  # type: ignore[arg-type]
        peers={name: Peer(aet=name, host=HOST, port=1) for name in peers},
    )
    stop = asyncio.Event()
    ports: asyncio.Queue[int] = asyncio.Queue()
    broker = Broker(Mounts({"ARCHIVE": mount}, "ARCHIVE", "HILUM"))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(
            serve(broker, settings, started=lambda _, port: ports.put_nowait(port), stop=stop)
        )
        try:
            yield Served(await ports.get(), stop, keeping, finds, gives)
        finally:
            stop.set()


def faults(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The warnings and errors of the server."""
    return [
        record.getMessage()
        for record in caplog.records
        if record.levelname != "INFO" and record.name == LOGGER
    ]


async def until(condition: Callable[[], object], patience: float = PATIENCE) -> None:
    """Wait for what is bound to happen."""
    async with asyncio.timeout(patience):
        while not condition():  # noqa: ASYNC110 - what is waited for does not tell
            await asyncio.sleep(0.01)


def descriptors() -> int:
    """Open files and sockets of this process (Linux)."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())
