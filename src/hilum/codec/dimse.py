"""Command sets of DIMSE messages (PS3.7 §6.3, §9.3, Annex E), always Implicit VR Little Endian."""

import struct
from dataclasses import dataclass, fields
from enum import IntEnum
from functools import lru_cache
from operator import attrgetter

from hilum.codec.pdu import AbortReason, AbortSource, PduError

NO_DATA_SET = 0x0101  # Command Data Set Type (0000,0800)
A_DATA_SET = 0x0001
MAX_COMMAND = 64 * 1024  # bytes
_ELEMENT = struct.Struct("<HHI")
RESPONSE = 0x8000  # bit of Command Field (0000,0100) in a response


class Service(IntEnum):
    """Command Field (0000,0100) of requests; a response has bit 15 set (PS3.7 Table E.1-1)."""

    C_STORE = 0x0001
    C_GET = 0x0010
    C_FIND = 0x0020
    C_MOVE = 0x0021
    C_ECHO = 0x0030
    N_EVENT_REPORT = 0x0100
    N_GET = 0x0110
    N_SET = 0x0120
    N_ACTION = 0x0130
    N_CREATE = 0x0140
    N_DELETE = 0x0150
    C_CANCEL = 0x0FFF


@dataclass(slots=True, kw_only=True)
class Command:
    """A command set; None: the element is not there.

    Not frozen, though nobody changes it: one is made for each message, and to make a frozen one
    of so many fields takes several times as long.

    Attributes:
        command_field: what is asked, or answered when bit 15 is set.
        data_set_type: Command Data Set Type (0000,0800); `NO_DATA_SET` or anything else.
    """

    command_field: int
    data_set_type: int = NO_DATA_SET
    message_id: int | None = None
    message_id_responded_to: int | None = None
    affected_sop_class_uid: str | None = None
    requested_sop_class_uid: str | None = None
    affected_sop_instance_uid: str | None = None
    requested_sop_instance_uid: str | None = None
    move_destination: str | None = None
    priority: int | None = None
    status: int | None = None
    error_comment: str | None = None
    remaining: int | None = None
    completed: int | None = None
    failed: int | None = None
    warning: int | None = None
    move_originator_ae_title: str | None = None
    move_originator_message_id: int | None = None

    @property
    def is_response(self) -> bool:
        """Whether this answers a request."""
        return bool(self.command_field & RESPONSE)

    @property
    def has_data(self) -> bool:
        """Whether a data set follows."""
        return self.data_set_type != NO_DATA_SET


# element number in group 0000 -> attribute of Command, is it a number
_ELEMENTS = {
    0x0002: ("affected_sop_class_uid", False),
    0x0003: ("requested_sop_class_uid", False),
    0x0100: ("command_field", True),
    0x0110: ("message_id", True),
    0x0120: ("message_id_responded_to", True),
    0x0600: ("move_destination", False),
    0x0700: ("priority", True),
    0x0800: ("data_set_type", True),
    0x0900: ("status", True),
    0x0902: ("error_comment", False),
    0x1000: ("affected_sop_instance_uid", False),
    0x1001: ("requested_sop_instance_uid", False),
    0x1020: ("remaining", True),
    0x1021: ("completed", True),
    0x1022: ("failed", True),
    0x1023: ("warning", True),
    0x1030: ("move_originator_ae_title", False),
    0x1031: ("move_originator_message_id", True),
}
_VALUES = attrgetter(*(name for name, _ in _ELEMENTS.values()))
_STRAY = frozenset(((0x0008, 0x0000), (0x0008, 0x0058)))
"""Failed SOP Instance UID List: Orthanc puts it into the command set of its C-GET responses."""
_UIDS = frozenset(name for name, _ in _ELEMENTS.values() if name.endswith("_uid"))
_MAX_COMMENT = 64  # characters of Error Comment (0000,0902), a LO
_MAX_NUMBER = 0xFFFF  # all numbers are US
assert {name for name, _ in _ELEMENTS.values()} == {each.name for each in fields(Command)}  # noqa: S101 - both tables name the same things


def _wrong(cause: str) -> PduError:
    # The DIMSE provider is the upper layer's user, so the abort is the user's (PS3.8 §9.3.8).
    return PduError(cause, AbortReason.NOT_SPECIFIED, AbortSource.USER)


def parse(data: bytes) -> Command:
    """The command that `data` encodes; elements that nobody here needs are skipped.

    Raises:
        PduError: it is no command set, or has no command field.
    """
    found: dict[str, str | int] = {}
    at, end = 0, len(data)
    while at < end:
        if end - at < _ELEMENT.size:
            raise _wrong("a command set is cut off")
        group, element, length = _ELEMENT.unpack_from(data, at)
        at += _ELEMENT.size
        if length > end - at:
            raise _wrong("an element of a command set is longer than the set")
        at += length
        if group != 0:
            if (group, element) in _STRAY:
                continue
            raise _wrong("a command set has an element outside group 0000")
        known = _ELEMENTS.get(element)
        if known is None or not length:
            continue
        name, is_number = known
        value = data[at - length : at]
        if not is_number:
            found[name] = value.decode("latin-1").strip(" \0")
            continue
        number = int.from_bytes(value, "little")
        if length not in (2, 4) or number > _MAX_NUMBER:  # some write a US as an UL
            raise _wrong("a number in a command set has a wrong length")
        found[name] = number
    if "command_field" not in found:
        raise _wrong("a command set has no Command Field")
    return Command(**found)  # type: ignore[arg-type]  # the table above types each


def _comment(text: str) -> bytes:
    """A LO of one value: no backslash and no control character in it (PS3.5 §6.2)."""
    kept = "".join(each if each.isprintable() and each != "\\" else " " for each in text)
    return kept[:_MAX_COMMENT].encode("ascii", "replace")


def encode(command: Command) -> bytes:
    """The command set, group length first."""
    parts = []
    for (element, (name, is_number)), value in zip(
        _ELEMENTS.items(), _VALUES(command), strict=True
    ):
        if value is None:
            continue
        if is_number:
            content = min(value, _MAX_NUMBER).to_bytes(2, "little")
        else:
            content = (
                _comment(value) if name == "error_comment" else value.encode("latin-1", "replace")
            )
            if len(content) & 1:
                content += b"\0" if name in _UIDS else b" "
        parts.append(_ELEMENT.pack(0, element, len(content)) + content)
    body = b"".join(parts)
    return _ELEMENT.pack(0, 0, 4) + len(body).to_bytes(4, "little") + body


def encode_stored(sop_class_uid: str, sop_instance_uid: str | None, message_id: int) -> bytes:
    """The command set of a C-STORE response of success (PS3.7 §9.3.1.2)."""
    before, between = _stored(sop_class_uid)
    after = b"" if sop_instance_uid is None else _uid(0x1000, sop_instance_uid)
    length = len(before) + 2 + len(between) + len(after)
    return (
        _GROUP_LENGTH
        + length.to_bytes(4, "little")
        + before
        + message_id.to_bytes(2, "little")
        + between
        + after
    )


_GROUP_LENGTH = _ELEMENT.pack(0, 0, 4)


@lru_cache(maxsize=64)
def _stored(sop_class_uid: str) -> tuple[bytes, bytes]:
    """What stands before and behind the number of the message."""
    number = 2  # bytes
    before = _uid(0x0002, sop_class_uid) + _ELEMENT.pack(0, 0x0100, number)
    before += (Service.C_STORE | RESPONSE).to_bytes(number, "little")
    between = b"".join(
        _ELEMENT.pack(0, element, number) + value.to_bytes(number, "little")
        for element, value in ((0x0800, NO_DATA_SET), (0x0900, 0))
    )
    return before + _ELEMENT.pack(0, 0x0120, number), between


def _uid(element: int, uid: str) -> bytes:
    value = uid.encode("latin-1", "replace")
    value += b"\0" * (len(value) & 1)
    return _ELEMENT.pack(0, element, len(value)) + value
