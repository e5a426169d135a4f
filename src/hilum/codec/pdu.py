"""Protocol data units of the upper layer without any I/O: bytes in, events out (PS3.8 §9.3).

The reader never waits for a whole P-DATA-TF: fragments are given as they come, so a peer
may send a PDU of any length that was allowed, and needs no more memory than a small one.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

MAX_ASSOCIATE = 256 * 1024  # bytes in an A-ASSOCIATE; 128 contexts of 38 syntaxes are 127 KiB
MAX_OURS = 256 * 1024  # bytes in a P-DATA-TF that we send, whatever the peer allows
MIN_THEIRS = 64  # bytes; a peer that takes less in a P-DATA-TF would cost more than it is worth
_HEADER = struct.Struct(">BxI")
_PDV = struct.Struct(">IBB")
_P_DATA = struct.Struct(">BxIIBB")  # the header of a P-DATA-TF, and that of the value in it
HEAD = _P_DATA.size  # bytes before the data of a P-DATA-TF with one presentation data value
_SHORT = 4  # bytes in the body of -RJ, RELEASE and ABORT


class Pdu(IntEnum):
    """PDU types (PS3.8 §9.3.1)."""

    ASSOCIATE_RQ = 0x01
    ASSOCIATE_AC = 0x02
    ASSOCIATE_RJ = 0x03
    P_DATA_TF = 0x04
    RELEASE_RQ = 0x05
    RELEASE_RP = 0x06
    ABORT = 0x07


_DATA = Pdu.P_DATA_TF.value  # to look it up each time takes longer than all else


class AbortSource(IntEnum):
    """Who aborts (PS3.8 Table 9-26)."""

    USER = 0
    PROVIDER = 2


class AbortReason(IntEnum):
    """Why the provider aborts; not significant when the user does (PS3.8 Table 9-26)."""

    NOT_SPECIFIED = 0
    UNRECOGNIZED_PDU = 1
    UNEXPECTED_PDU = 2
    UNRECOGNIZED_PARAMETER = 4
    UNEXPECTED_PARAMETER = 5
    INVALID_PARAMETER = 6


class PduError(Exception):
    """The peer broke the protocol; `source` and `reason` are those of the A-ABORT it earns."""

    def __init__(
        self,
        cause: str,
        reason: AbortReason = AbortReason.INVALID_PARAMETER,
        source: AbortSource = AbortSource.PROVIDER,
    ) -> None:
        super().__init__(cause)
        self.reason = reason
        self.source = source


@dataclass(frozen=True, slots=True)
class Associate:
    """An A-ASSOCIATE-RQ or -AC; `codec.associate` reads `body`."""

    type: Pdu
    body: bytes


@dataclass(frozen=True, slots=True)
class Rejected:
    """A-ASSOCIATE-RJ (PS3.8 Table 9-21)."""

    result: int
    source: int
    reason: int


@dataclass(frozen=True, slots=True)
class ReleaseRequested:
    """A-RELEASE-RQ."""


@dataclass(frozen=True, slots=True)
class ReleaseAnswered:
    """A-RELEASE-RP."""


@dataclass(frozen=True, slots=True)
class Aborted:
    """A-ABORT."""

    source: int
    reason: int


@dataclass(slots=True)
class Fragment:
    """A piece of a presentation data value (PS3.8 §9.3.5.1, Annex E).

    Not frozen, though nobody changes it: to make a frozen one takes four times as long, and one
    is made of each piece that comes.

    Attributes:
        last: this piece ends the command or the data set.
    """

    context_id: int
    is_command: bool
    last: bool
    data: bytes | memoryview


Event = Associate | Rejected | ReleaseRequested | ReleaseAnswered | Aborted | Fragment


class PduReader:
    """Push parser: feed it what the network gives, in pieces of any size.

    Args:
        max_pdu: most bytes in the body of a P-DATA-TF, 0 for no limit: what we announced.
    """

    def __init__(self, max_pdu: int) -> None:
        self._max_pdu = max_pdu
        self._buffer = bytearray()  # what did not complete a header or a short PDU
        self._needed = 0  # bytes that `_buffer` must hold to be looked at again
        self._pdu_left = 0  # bytes of the current P-DATA-TF not yet seen
        self._pdv_left = 0  # bytes of the current presentation data value not yet seen
        self._context_id = 0
        self._flags = 0

    @property
    def in_pdu(self) -> bool:
        """Whether a PDU has begun and not ended."""
        return bool(self._buffer) or self._pdu_left > 0

    def feed(self, data: bytes) -> Iterator[Event]:
        """Take in `data`, give the events it completes.

        Raises:
            PduError: the bytes are not what PS3.8 allows here.
        """
        if self._buffer:
            self._buffer += data
            if len(self._buffer) < self._needed:
                return
            data = bytes(self._buffer)
            self._buffer.clear()
        at, end = 0, len(data)
        view = memoryview(data)  # of bytes that are the transport's no more, and do not change
        while at < end:
            if not self._pdu_left and end - at >= _P_DATA.size:
                kind, length, item, context_id, flags = _P_DATA.unpack_from(data, at)
                # most PDUs have one value, and are whole; the others are looked at below
                is_plain = kind == _DATA and item + 4 == length and item > 2 and context_id & 1  # noqa: PLR2004 - context id and header
                if is_plain and not 0 < self._max_pdu < length:
                    self._context_id, self._flags = context_id, flags
                    self._pdu_left = self._pdv_left = item - 2
                    at += _P_DATA.size
                    if at == end:
                        return
            left = self._pdv_left
            if left:
                size = min(end - at, left)
                self._pdv_left = left - size
                self._pdu_left -= size
                yield self._fragment(view[at : at + size])
                at += size
                continue
            step = self._pdv_header if self._pdu_left else self._pdu
            used, event = step(data, at)
            if not used:
                self._buffer += data[at:]
                return
            at += used
            if event is not None:
                yield event

    def _wait(self, size: int) -> tuple[int, None]:
        self._needed = size
        return 0, None

    def _fragment(self, piece: bytes | memoryview) -> Fragment:
        flags = self._flags
        last = not self._pdv_left and flags & 2 == 2  # noqa: PLR2004 - the bit
        return Fragment(self._context_id, flags & 1 == 1, last, piece)

    def _pdv_header(self, data: bytes, at: int) -> tuple[int, Event | None]:
        if self._pdu_left < _PDV.size:
            raise PduError("a presentation data value item is cut off by its PDU")
        if len(data) - at < _PDV.size:
            return self._wait(_PDV.size)
        length, context_id, flags = _PDV.unpack_from(data, at)
        if length < 2 or length + 4 > self._pdu_left:  # noqa: PLR2004 - context id and header
            raise PduError("a presentation data value item does not fit its PDU")
        if not context_id & 1:
            raise PduError("a presentation data value has an even context id")
        self._pdu_left -= _PDV.size
        self._pdv_left = length - 2
        self._context_id, self._flags = context_id, flags
        return _PDV.size, None if self._pdv_left else self._fragment(b"")

    def _pdu(self, data: bytes, at: int) -> tuple[int, Event | None]:
        have = len(data) - at
        if have < _HEADER.size:
            if data[at] not in _TYPES:
                raise PduError("unrecognized PDU type", AbortReason.UNRECOGNIZED_PDU)
            return self._wait(_HEADER.size)
        number, length = _HEADER.unpack_from(data, at)
        if number not in _TYPES:
            raise PduError("unrecognized PDU type", AbortReason.UNRECOGNIZED_PDU)
        if number == Pdu.P_DATA_TF:
            if self._max_pdu and length > self._max_pdu:
                raise PduError(f"a P-DATA-TF of {length} bytes is longer than was negotiated")
            if length < _PDV.size:
                raise PduError("a P-DATA-TF without a presentation data value")
            self._pdu_left = length
            return _HEADER.size, None
        associate = number in (Pdu.ASSOCIATE_RQ, Pdu.ASSOCIATE_AC)
        if associate and length > MAX_ASSOCIATE:
            raise PduError(f"an A-ASSOCIATE of {length} bytes is too long")
        if not associate and length != _SHORT:
            raise PduError(f"{Pdu(number).name} of {length} bytes has a wrong length")
        if have < _HEADER.size + length:
            return self._wait(_HEADER.size + length)
        body = data[at + _HEADER.size : at + _HEADER.size + length]
        return _HEADER.size + length, _event(Pdu(number), body)


_TYPES = frozenset(Pdu)


def _event(kind: Pdu, body: bytes) -> Event:
    match kind:
        case Pdu.ASSOCIATE_RJ:
            return Rejected(*body[1:4])
        case Pdu.RELEASE_RQ:
            return ReleaseRequested()
        case Pdu.RELEASE_RP:
            return ReleaseAnswered()
        case Pdu.ABORT:
            return Aborted(*body[2:4])
        case _:
            return Associate(kind, body)


def encode(event: Associate | Rejected | ReleaseRequested | ReleaseAnswered | Aborted) -> bytes:
    """The PDU of `event`."""
    match event:
        case Associate(kind, body):
            return _HEADER.pack(kind, len(body)) + body
        case Rejected(result, source, reason):
            return _HEADER.pack(Pdu.ASSOCIATE_RJ, _SHORT) + bytes((0, result, source, reason))
        case Aborted(source, reason):
            return _HEADER.pack(Pdu.ABORT, _SHORT) + bytes((0, 0, source, reason))
        case ReleaseRequested():
            return _HEADER.pack(Pdu.RELEASE_RQ, _SHORT) + bytes(_SHORT)
        case ReleaseAnswered():
            return _HEADER.pack(Pdu.RELEASE_RP, _SHORT) + bytes(_SHORT)


def fragment_size(peer_max_pdu: int) -> int:
    """The most data bytes of one presentation data value for a peer that allows `peer_max_pdu`.

    Always even: some peers take each fragment for whole words.
    """
    return (min(peer_max_pdu or MAX_OURS, MAX_OURS) - _PDV.size) & ~1


def encode_data(
    context_id: int, data: bytes, *, is_command: bool, last: bool, size: int
) -> list[bytes | memoryview]:
    """P-DATA-TFs that carry `data`, one presentation data value each, as parts to be joined.

    `size` is the most data bytes in one, from `fragment_size`.
    """
    total = len(data)
    if total <= size:
        flags = is_command | (2 if last else 0)
        head = _P_DATA.pack(_DATA, total + 6, total + 2, context_id, flags)
        return [head, data] if total or last else []
    parts, rest = encode_pieces(context_id, [data], is_command=is_command, last=last, size=size)
    if rest:
        parts += encode_data(
            context_id, b"".join(rest), is_command=is_command, last=False, size=size
        )
    return parts


def data_head(context_id: int, length: int, *, last: bool) -> bytes:
    """What stands before `length` bytes of a data set in their P-DATA-TF: `HEAD` bytes."""
    return _P_DATA.pack(_DATA, length + 6, length + 2, context_id, 2 if last else 0)


def encode_pieces(
    context_id: int,
    pieces: Sequence[bytes | memoryview],
    *,
    is_command: bool = False,
    last: bool,
    size: int,
) -> tuple[list[bytes | memoryview], list[bytes | memoryview]]:
    """P-DATA-TFs that carry what lies in `pieces`, as parts to be joined; and what is left.

    That is an odd byte, to be sent before what comes, where it is not the last of a data set: some
    peers refuse a fragment of odd length in the middle.
    """
    total = sum(map(len, pieces))
    left = 0 if last else total & 1
    parts: list[bytes | memoryview] = []
    full = _P_DATA.pack(_DATA, size + 6, size + 2, context_id, is_command)
    waiting = iter(pieces)
    view, at, end = memoryview(b""), 0, 0
    while total > left or (last and not parts):
        # of a peer that takes 16 KiB a large piece has many that are full, and are not the last
        whole = min(end - at, total - left - last) // size * size
        if whole > 0:
            total -= whole
            for begin in range(at, at + whole, size):
                parts += (full, view[begin : begin + size])
            at += whole
            continue
        length = min(size, total - left)
        if at == end and length:
            view = memoryview(next(waiting))
            at, end = 0, len(view)
            continue
        total -= length
        flags = is_command | (2 if last and not total else 0)
        parts.append(_P_DATA.pack(_DATA, length + 6, length + 2, context_id, flags))
        while length:
            if at == end:
                view = memoryview(next(waiting))
                at, end = 0, len(view)
            piece = view[at : at + length]
            parts.append(piece)
            at += len(piece)
            length -= len(piece)
    return parts, [each for each in (view[at:], *waiting) if each]
