"""As little of DIMSE as will do, over a blocking socket (PS3.7, PS3.8).

Nothing is checked, and what the programs of DCMTK do not send is not understood.
"""

import socket
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from mmap import mmap

from bench.floors.forked import received
from hilum.codec import associate, dimse, pdu
from hilum.codec.associate import (
    Answered,
    AssociateAccept,
    AssociateRequest,
    Negotiation,
    Proposed,
    Role,
)
from hilum.codec.dimse import Command

EXPLICIT = "1.2.840.10008.1.2.1"
TITLE = "FLOOR"
_MAX_PDU = 128 * 1024  # bytes; DCMTK sends no longer ones
_BUFFER = 8 * 1024 * 1024  # bytes; a message must fit into half of it
_DATA, _RELEASE, _RELEASED = 4, 5, 6
_HEADER = struct.Struct(">BxI")
_PDV = struct.Struct(">IBB")
_P_DATA = struct.Struct(">BxIIBB")
_ELEMENT = struct.Struct("<HHI")
_OF_CLASS, _FIELD, _ID, _TYPE, _STATUS, _OF_INSTANCE = 0x2, 0x100, 0x110, 0x800, 0x900, 0x1000


@dataclass(slots=True)
class Message:
    """What came.

    Attributes:
        context: number of the presentation context.
        elements: of the command.
        data: the data set; it is there until the next message is asked for.
    """

    context: int
    elements: Mapping[int, bytes]
    data: Sequence[memoryview]

    @property
    def asked(self) -> int:
        """Its Command Field."""
        return self._number(_FIELD)

    @property
    def id(self) -> int:
        """Its Message ID."""
        return self._number(_ID)

    @property
    def status(self) -> int:
        """Its Status, of an answer."""
        return self._number(_STATUS)

    @property
    def sop_class(self) -> str:
        """Affected SOP Class UID."""
        return _text(self.elements[_OF_CLASS])

    @property
    def instance(self) -> str:
        """Affected SOP Instance UID."""
        return _text(self.elements[_OF_INSTANCE])

    def _number(self, element: int) -> int:
        return int.from_bytes(self.elements[element], "little")


class Link:
    """An association.

    Attributes:
        socket: blocking; what is ready may be sent there.
        contexts: SOP class -> number of its presentation context.
        size: the most data bytes in a PDU for the other side.
    """

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.contexts: Mapping[str, int] = {}
        self.size = 0
        self._buffer = memoryview(mmap(-1, _BUFFER))
        self._start = self._end = 0

    def accept(self) -> None:
        """Accept all that can come in Explicit VR Little Endian."""
        asked = self._association()
        proposed = [each for each in asked.contexts if isinstance(each, Proposed)]
        answer = AssociateAccept(
            called_ae_title=asked.called_ae_title,
            calling_ae_title=asked.calling_ae_title,
            contexts=tuple(
                Answered(each.id, 0 if EXPLICIT in each.transfer_syntaxes else 4, EXPLICIT)
                for each in proposed
            ),
            negotiation=_ours(asked.negotiation.roles),
        )
        self.contexts = {each.abstract_syntax: each.id for each in proposed}
        self.socket.sendall(pdu.encode(associate.encode(answer)))

    def request(
        self, called: str, syntaxes: Sequence[str], *, receives: Iterable[str] = ()
    ) -> None:
        """Propose these SOP classes, in Explicit VR Little Endian; some as SCP.

        Raises:
            EOFError: it is not accepted.
        """
        numbered = dict(zip(syntaxes, range(1, 2 * len(syntaxes), 2), strict=True))
        asked = AssociateRequest(
            called_ae_title=called,
            calling_ae_title=TITLE,
            contexts=tuple(Proposed(at, each, (EXPLICIT,)) for each, at in numbered.items()),
            negotiation=_ours({each: Role(scu=False, scp=True) for each in receives}),
        )
        self.socket.sendall(pdu.encode(associate.encode(asked)))
        self._association()
        self.contexts = numbered

    def message(self) -> Message:
        """The next one.

        Raises:
            EOFError: the association is released, or gone.
        """
        if self._start == self._end:
            self._start = self._end = 0
        elif self._start > _BUFFER // 2:
            left = self._end - self._start
            self._buffer[:left] = self._buffer[self._start : self._end]
            self._start, self._end = 0, left
        command, data, flags, wanted = b"", [], 0, True
        elements: dict[int, bytes] = {}
        while wanted:
            body = self._pdu(_DATA)
            at = 0
            while at < len(body):
                length, context, flags = _PDV.unpack_from(body, at)
                piece = body[at + _PDV.size : at + 4 + length]
                at += 4 + length
                if not flags & 1:
                    data.append(piece)
                    wanted = not flags & 2
                    continue
                command += piece
                if flags & 2:
                    elements = _elements(command)
                    wanted = elements[_TYPE] != b"\x01\x01"
        return Message(context, elements, data)

    def send(self, context: int, command: Command, data: bytes = b"") -> None:
        """A message."""
        self.socket.sendall(framed(context, command, data, self.size))

    def stored(self, message: Message) -> None:
        """Say that an instance that came is stored."""
        answer = dimse.encode_stored(message.sop_class, message.instance, message.id)
        self.socket.sendall(
            _P_DATA.pack(_DATA, len(answer) + 6, len(answer) + 2, message.context, 3) + answer
        )

    def release(self) -> None:
        """End the association, and the connection."""
        self.socket.sendall(_HEADER.pack(_RELEASE, 4) + bytes(4))
        self._pdu(_RELEASED)
        self.socket.close()

    def _association(self) -> AssociateRequest | AssociateAccept:
        """What the other side says; it is remembered how much it takes."""
        self._need(_HEADER.size)
        kind = pdu.Pdu(self._buffer[self._start])
        found = associate.parse(pdu.Associate(kind, bytes(self._pdu(kind))))
        self.size = pdu.fragment_size(min(found.negotiation.max_pdu or _MAX_PDU, _MAX_PDU))
        return found

    def _pdu(self, kind: int) -> memoryview:
        """The body of the next one; another kind ends all, a request for a release politely."""
        self._need(_HEADER.size)
        found, length = _HEADER.unpack_from(self._buffer, self._start)
        if found != kind:
            if found == _RELEASE:
                self.socket.sendall(_HEADER.pack(_RELEASED, 4) + bytes(4))
            raise EOFError
        self._need(_HEADER.size + length)
        body = self._start + _HEADER.size
        self._start = body + length
        return self._buffer[body : self._start]

    def _need(self, count: int) -> None:
        while self._end - self._start < count:
            self._end += received(self.socket, self._buffer[self._end :])


def framed(context: int, command: Command, data: bytes, size: int) -> bytes:
    """The PDUs of a message."""
    command.data_set_type = dimse.A_DATA_SET if data else dimse.NO_DATA_SET
    parts = pdu.encode_data(context, dimse.encode(command), is_command=True, last=True, size=size)
    if data:
        parts += pdu.encode_data(context, data, is_command=False, last=True, size=size)
    return b"".join(parts)


def _ours(roles: Mapping[str, Role]) -> Negotiation:
    return Negotiation(max_pdu=_MAX_PDU, implementation_class_uid="2.25.1", roles=roles)


def _elements(command: bytes) -> dict[int, bytes]:
    found, at = {}, 0
    while at < len(command):
        _, element, length = _ELEMENT.unpack_from(command, at)
        at += _ELEMENT.size + length
        found[element] = command[at - length : at]
    return found


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode()
