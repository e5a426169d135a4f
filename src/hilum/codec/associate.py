"""A-ASSOCIATE-RQ and -AC: what is proposed and accepted (PS3.8 §9.3.2, §9.3.3, Annex D).

Reading is lenient and bounded: unknown items are skipped, AE titles lose blanks and NULs,
Latin-1 is tolerated. One kind of error comes out of it, `PduError`.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from hilum.codec.pdu import MIN_THEIRS, AbortReason, Associate, Pdu, PduError

APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
MAX_CONTEXTS = 128  # odd ids 1 to 255, PS3.8 §9.3.2.2
_ITEM = struct.Struct(">BxH")
_FIXED = struct.Struct(">HH16s16s32s")


class Result(IntEnum):
    """What becomes of a presentation context (PS3.8 Table 9-18)."""

    ACCEPTANCE = 0
    USER_REJECTION = 1
    NO_REASON = 2
    ABSTRACT_SYNTAX_NOT_SUPPORTED = 3
    TRANSFER_SYNTAXES_NOT_SUPPORTED = 4


@dataclass(frozen=True, slots=True)
class Proposed:
    """A presentation context as asked for."""

    id: int
    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answered:
    """A presentation context as answered; the syntax has no meaning unless accepted."""

    id: int
    result: int
    transfer_syntax: str


@dataclass(frozen=True, slots=True)
class Role:
    """SCP/SCU Role Selection of the requestor for one SOP class (PS3.7 §D.3.3.4)."""

    scu: bool
    scp: bool


@dataclass(frozen=True, slots=True)
class UserIdentity:
    """User Identity Negotiation (PS3.7 §D.3.3.7)."""

    type: int
    primary: bytes = field(repr=False)
    secondary: bytes = field(default=b"", repr=False)
    response_requested: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Negotiation:
    """The user information items, the same in both directions (PS3.7 Annex D.3.3).

    Attributes:
        max_pdu: most bytes in a P-DATA-TF that its sender can take; 0: no limit.
        extended: SOP Class UID -> service class application information.
        identity_response: server response (59H), in an -AC only.
    """

    max_pdu: int = 0
    implementation_class_uid: str = ""
    implementation_version_name: str = ""
    roles: Mapping[str, Role] = field(default_factory=dict)
    extended: Mapping[str, bytes] = field(default_factory=dict)
    async_operations: tuple[int, int] | None = None
    identity: UserIdentity | None = None
    identity_response: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AssociateRequest:
    """A-ASSOCIATE-RQ."""

    called_ae_title: str
    calling_ae_title: str
    contexts: tuple[Proposed, ...]
    negotiation: Negotiation = field(default_factory=Negotiation)
    application_context: str = APPLICATION_CONTEXT
    protocol_version: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class AssociateAccept:
    """A-ASSOCIATE-AC."""

    called_ae_title: str
    calling_ae_title: str
    contexts: tuple[Answered, ...]
    negotiation: Negotiation = field(default_factory=Negotiation)
    application_context: str = APPLICATION_CONTEXT
    protocol_version: int = 1


def _items(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(type, content) of each item; an item that does not fit is an error."""
    at = 0
    while at < len(data):
        if len(data) - at < _ITEM.size:
            raise PduError("an item of the A-ASSOCIATE is cut off")
        kind, length = _ITEM.unpack_from(data, at)
        at += _ITEM.size
        if length > len(data) - at:
            raise PduError("an item of the A-ASSOCIATE is longer than what contains it")
        yield kind, data[at : at + length]
        at += length


def _text(data: bytes) -> str:
    return data.decode("latin-1").strip(" \0")


def _sized(data: bytes, at: int) -> tuple[bytes, int]:
    """A field with a 2 byte length before it, and where it ends."""
    if len(data) - at < 2:  # noqa: PLR2004 - the length itself
        raise PduError("a sub-item of the user information is cut off")
    end = at + 2 + int.from_bytes(data[at : at + 2], "big")
    if end > len(data):
        raise PduError("a field of the user information is longer than its sub-item")
    return data[at + 2 : end], end


def _negotiation(data: bytes) -> Negotiation:  # noqa: C901 - one case for each sub-item
    found: dict[str, object] = {}
    roles: dict[str, Role] = {}
    extended: dict[str, bytes] = {}
    for kind, content in _items(data):
        match kind:
            case 0x51 if len(content) == 4:  # noqa: PLR2004 - PS3.8 §D.1
                found["max_pdu"] = _max_pdu(int.from_bytes(content, "big"))
            case 0x52:
                found["implementation_class_uid"] = _text(content)
            case 0x53 if len(content) == 4:  # noqa: PLR2004 - PS3.7 §D.3.3.3
                found["async_operations"] = struct.unpack(">HH", content)
            case 0x54:
                uid, at = _sized(content, 0)
                if len(content) - at < 2:  # noqa: PLR2004 - the two roles
                    raise PduError("a role selection sub-item is cut off")
                roles[_text(uid)] = Role(scu=content[at] == 1, scp=content[at + 1] == 1)
            case 0x55:
                found["implementation_version_name"] = _text(content)
            case 0x56:
                uid, at = _sized(content, 0)
                extended[_text(uid)] = content[at:]
            case 0x58:
                found["identity"] = _identity(content)
            case 0x59:
                found["identity_response"] = _sized(content, 0)[0]
            case 0x51 | 0x53:
                raise PduError("a sub-item of the user information has a wrong length")
    return Negotiation(roles=roles, extended=extended, **found)  # type: ignore[arg-type]  # each key was set with its own type


def _max_pdu(size: int) -> int:
    if 0 < size < MIN_THEIRS:
        raise PduError(f"a maximum length of {size} bytes is too short for messages")
    return size


def _identity(content: bytes) -> UserIdentity:
    if len(content) < 2:  # noqa: PLR2004 - type and flag
        raise PduError("a user identity sub-item is cut off")
    primary, at = _sized(content, 2)
    # The length of the secondary field stands there even when it is 0; some leave it out.
    secondary, _ = _sized(content, at) if at < len(content) else (b"", at)
    return UserIdentity(content[0], primary, secondary, response_requested=content[1] == 1)


def _proposed(content: bytes) -> Proposed:
    if len(content) < 4:  # noqa: PLR2004 - id and three reserved
        raise PduError("a presentation context item is cut off")
    abstract, transfer = "", []
    for kind, value in _items(content[4:]):
        if kind == 0x30:  # noqa: PLR2004 - PS3.8 Table 9-14
            abstract = _text(value)
        elif kind == 0x40:  # noqa: PLR2004 - PS3.8 Table 9-15
            transfer.append(_text(value))
    return Proposed(content[0], abstract, tuple(transfer))


def _answered(content: bytes) -> Answered:
    if len(content) < 4:  # noqa: PLR2004 - id, result and two reserved
        raise PduError("a presentation context item is cut off")
    syntaxes = [_text(value) for kind, value in _items(content[4:]) if kind == 0x40]  # noqa: PLR2004 - PS3.8 Table 9-19
    return Answered(content[0], content[2], syntaxes[0] if syntaxes else "")


def parse(pdu: Associate) -> AssociateRequest | AssociateAccept:
    """What an A-ASSOCIATE says.

    Raises:
        PduError: it cannot be read, has more than 128 contexts, or one id twice.
    """
    body = pdu.body
    if len(body) < _FIXED.size:
        raise PduError("an A-ASSOCIATE is cut off")
    version, _, called, calling, _ = _FIXED.unpack_from(body)
    request = pdu.type is Pdu.ASSOCIATE_RQ
    application, negotiation = "", Negotiation()
    contexts: list[Proposed | Answered] = []
    for kind, content in _items(body[_FIXED.size :]):
        match kind:
            case 0x10:
                application = _text(content)
            case 0x20 if request:
                contexts.append(_proposed(content))
            case 0x21 if not request:
                contexts.append(_answered(content))
            case 0x50:
                negotiation = _negotiation(content)
    ids = {context.id for context in contexts}
    if len(ids) != len(contexts) or len(ids) > MAX_CONTEXTS:
        raise PduError("presentation context ids are used twice")
    if any(not number & 1 for number in ids):
        raise PduError("a presentation context id is even")
    kind_of = AssociateRequest if request else AssociateAccept
    return kind_of(
        called_ae_title=_text(called),
        calling_ae_title=_text(calling),
        contexts=tuple(contexts),  # type: ignore[arg-type]  # of the kind's own sort, see above
        negotiation=negotiation,
        application_context=application,
        protocol_version=version,
    )


def _item(kind: int, content: bytes) -> bytes:
    return _ITEM.pack(kind, len(content)) + content


def _bytes(text: str) -> bytes:
    """As `_text` read it, so that what is echoed has the length that it came with."""
    return text.encode("latin-1", "replace")


def _field(content: bytes) -> bytes:
    return len(content).to_bytes(2, "big") + content


def _user_information(says: Negotiation) -> bytes:
    items = [_item(0x51, says.max_pdu.to_bytes(4, "big"))]
    items.append(_item(0x52, _bytes(says.implementation_class_uid)))
    if says.async_operations is not None:
        items.append(_item(0x53, struct.pack(">HH", *says.async_operations)))
    for uid, role in says.roles.items():
        items.append(_item(0x54, _field(_bytes(uid)) + bytes((role.scu, role.scp))))
    if says.implementation_version_name:
        items.append(_item(0x55, _bytes(says.implementation_version_name)))
    for uid, information in says.extended.items():
        items.append(_item(0x56, _field(_bytes(uid)) + information))
    if says.identity is not None:
        who = says.identity
        head = bytes((who.type, who.response_requested))
        items.append(_item(0x58, head + _field(who.primary) + _field(who.secondary)))
    if says.identity_response is not None:
        items.append(_item(0x59, _field(says.identity_response)))
    return b"".join(items)


def encode(says: AssociateRequest | AssociateAccept) -> Associate:
    """The PDU that says it.

    Raises:
        PduError: it does not fit (an identity of more than 64 KiB).
    """
    contexts = []
    for context in says.contexts:
        match context:
            case Proposed(number, abstract, syntaxes):
                content = bytes((number, 0, 0, 0)) + _item(0x30, _bytes(abstract))
                content += b"".join(_item(0x40, _bytes(uid)) for uid in syntaxes)
                contexts.append(_item(0x20, content))
            case Answered(number, result, syntax):
                head = bytes((number, 0, result, 0))
                contexts.append(_item(0x21, head + _item(0x40, _bytes(syntax))))
    titles = [
        _bytes(title)[:16].ljust(16) for title in (says.called_ae_title, says.calling_ae_title)
    ]
    try:
        items = [
            _item(0x10, _bytes(says.application_context)),
            *contexts,
            _item(0x50, _user_information(says.negotiation)),
        ]
    except (struct.error, OverflowError):
        raise PduError(
            "the association request is too long to be sent", AbortReason.NOT_SPECIFIED
        ) from None
    fixed = _FIXED.pack(says.protocol_version, 0, *titles, bytes(32))
    kind = Pdu.ASSOCIATE_RQ if isinstance(says, AssociateRequest) else Pdu.ASSOCIATE_AC
    return Associate(kind, fixed + b"".join(items))


_REASONS = {  # PS3.8 Table 9-21
    (1, 1): "no reason given",
    (1, 2): "application context not supported",
    (1, 3): "calling AE title not recognized",
    (1, 7): "called AE title not recognized",
    (2, 1): "no reason given",
    (2, 2): "protocol version not supported",
    (3, 1): "temporary congestion",
    (3, 2): "local limit exceeded",
}


def explain(source: int, reason: int) -> str:
    """An A-ASSOCIATE-RJ in words."""
    return _REASONS.get((source, reason), "unknown reason")
