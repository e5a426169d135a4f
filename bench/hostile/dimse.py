"""Hostile clients of the DIMSE door."""

import asyncio
import struct
import zlib
from functools import cache

from bench.hostile.place import AET, CHANCE, CT, STUDY, Place, Wire, connected
from hilum.codec import associate, dimse, pdu
from hilum.codec.associate import AssociateRequest, Negotiation, Proposed, Role, UserIdentity
from hilum.codec.dimse import A_DATA_SET, Command, Service
from hilum.codec.header import DEFLATED, EXPLICIT_LITTLE, IMPLICIT_LITTLE
from hilum.codec.sop_class import STUDY_ROOT_FIND, STUDY_ROOT_GET, VERIFICATION

MIB = 1024 * 1024
_BOMB = "1.2.9.1.7"  # the instance that is one
_DEEP = 20_000  # sequences within each other
_ECHO, _STORE, _FIND, _GET, _DEFLATED = 1, 3, 5, 7, 9
_CONTEXTS = (
    Proposed(_ECHO, VERIFICATION, (IMPLICIT_LITTLE,)),
    Proposed(_STORE, CT, (EXPLICIT_LITTLE,)),
    Proposed(_FIND, STUDY_ROOT_FIND, (EXPLICIT_LITTLE,)),
    Proposed(_GET, STUDY_ROOT_GET, (EXPLICIT_LITTLE,)),
    Proposed(_DEFLATED, CT, (DEFLATED,)),
)
_SHORT = struct.Struct("<HH2sH")
_LONG = struct.Struct("<HH2sHL")


def asking(identity: UserIdentity | None = None, calling: str = "EVIL") -> bytes:
    """An A-ASSOCIATE-RQ."""
    negotiation = Negotiation(
        max_pdu=16384, implementation_class_uid="1.2.3", identity=identity,
        roles={CT: Role(scu=True, scp=True)},
    )  # fmt: skip
    request = AssociateRequest(
        called_ae_title=AET, calling_ae_title=calling, contexts=_CONTEXTS, negotiation=negotiation
    )
    return pdu.encode(associate.encode(request))


def message(context: int, command: Command, data: bytes | None = None) -> bytes:
    """A command, and its data set."""
    encoded = dimse.encode(command)
    parts = pdu.encode_data(context, encoded, is_command=True, last=True, size=16000)
    if data is not None:
        parts += pdu.encode_data(context, data, is_command=False, last=True, size=16000)
    return b"".join(parts)


def storing(uid: str) -> Command:
    """A C-STORE-RQ."""
    return Command(
        command_field=Service.C_STORE, message_id=1, data_set_type=A_DATA_SET, priority=0,
        affected_sop_class_uid=CT, affected_sop_instance_uid=uid,
    )  # fmt: skip


def asks(service: Service, sop_class: str) -> Command:
    """A C-FIND-RQ or C-GET-RQ."""
    return Command(
        command_field=service, message_id=1, data_set_type=A_DATA_SET, priority=0,
        affected_sop_class_uid=sop_class,
    )  # fmt: skip


def element(tag: int, vr: bytes, value: bytes) -> bytes:
    """One short element of Explicit VR Little Endian."""
    value += b"\0" * (len(value) % 2)
    return _SHORT.pack(tag >> 16, tag & 0xFFFF, vr, len(value)) + value


def header(uid: str) -> bytes:
    """How a data set begins that is believed."""
    return (
        element(0x00080016, b"UI", CT.encode())
        + element(0x00080018, b"UI", uid.encode())
        + element(0x0020000D, b"UI", b"1.2.9")
        + element(0x0020000E, b"UI", b"1.2.9.1")
    )


def new_uid() -> str:
    """A UID that nothing has."""
    return f"1.2.9.{CHANCE.getrandbits(60)}"


async def _open(wire: Wire) -> bool:
    """Have an association; False: we are not let in any more."""
    await wire.say(asking())
    kind, length = struct.unpack(">BxI", await wire.reader.readexactly(6))
    await wire.reader.readexactly(length)
    return bool(kind == pdu.Pdu.ASSOCIATE_AC)


async def is_silent(place: Place) -> None:
    """Connects, and says nothing."""
    async with connected(place, place.dimse) as wire:
        await wire.hear(60)


async def drips(place: Place) -> None:
    """A byte of its request now and then."""
    async with connected(place, place.dimse) as wire:
        for byte in asking():
            await wire.say(bytes((byte,)))
            await asyncio.sleep(0.2)


async def says_nonsense(place: Place) -> None:
    """Bytes that are no PDUs."""
    async with connected(place, place.dimse) as wire:
        await wire.say(CHANCE.randbytes(CHANCE.choice((1, 6, 100, 100_000))))
        await wire.hear(5)


async def lies_about_lengths(place: Place) -> None:
    """PDUs that say to be longer than anything, or not as long as what is in them."""
    async with connected(place, place.dimse) as wire:
        if CHANCE.random() < 0.5:
            kind = CHANCE.choice((1, 2, 3, 4, 5, 7))
            await wire.say(struct.pack(">BxI", kind, 0xFFFFFFFF), bytes(64 * 1024))
        elif await _open(wire):
            inner = struct.pack(">IBB", CHANCE.choice((0, 1, 2**31, 0xFFFFFFFF)), _STORE, 0)
            await wire.say(struct.pack(">BxI", 4, len(inner)) + inner)
        await wire.hear(5)


async def is_silent_inside(place: Place) -> None:
    """Begins to store, and says no more."""
    async with connected(place, place.dimse) as wire:
        if await _open(wire):
            uid = new_uid()
            await wire.say(message(_STORE, storing(uid)), _fragment(_STORE, header(uid)))
            await wire.hear(60)


async def aborts_in_a_store(place: Place) -> None:
    """Leaves in the middle of an instance."""
    async with connected(place, place.dimse) as wire:
        if await _open(wire):
            uid = new_uid()
            pixels = _LONG.pack(0x7FE0, 0x0010, b"OW", 0, 8 * MIB) + bytes(2 * MIB)
            whole = message(_STORE, storing(uid), header(uid) + pixels)
            await wire.say(whole[: CHANCE.randrange(len(whole))])
            wire.reset()


async def announces_gigabytes(place: Place) -> None:
    """Values of 4 GB, of which a little comes, and is said to be all."""
    async with connected(place, place.dimse) as wire:
        if await _open(wire):
            uid = new_uid()
            tag = CHANCE.choice((0x00091010, 0x7FE00010, 0x00420011))
            value = _LONG.pack(tag >> 16, tag & 0xFFFF, b"OB", 0, 0xFFFFFFF0) + bytes(MIB)
            await wire.say(message(_STORE, storing(uid), header(uid) + value))
            await wire.hear(10)


async def stores_a_bomb(place: Place) -> None:
    """A deflated data set a thousand times as long as it looks."""
    async with connected(place, place.dimse) as wire:
        if await _open(wire):
            data = bomb(hides=CHANCE.random() < 0.5)
            await wire.say(message(_DEFLATED, storing(_BOMB), data))
            await wire.hear(10)


@cache
def bomb(*, hides: bool) -> bytes:
    """A deflated data set of 256 MiB, in 256 KiB, that may hide its UIDs behind them.

    It takes a second to make.
    """
    deflater = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    size = 256 * MIB
    known, long = header(_BOMB), _LONG.pack(0x0006 if hides else 0x7FE0, 0x0010, b"OW", 0, size)
    parts = [deflater.compress(long if hides else known + long)]
    parts += [deflater.compress(bytes(MIB)) for _ in range(size // MIB)]
    return b"".join((*parts, deflater.compress(known if hides else b""), deflater.flush()))


async def nests(place: Place) -> None:
    """Sequences in sequences, to be stored or to be searched for."""
    async with connected(place, place.dimse) as wire:
        if await _open(wire):
            uid = new_uid()
            if CHANCE.random() < 0.5:
                await wire.say(message(_STORE, storing(uid), header(uid) + deep()))
            else:
                level = element(0x00080052, b"CS", b"STUDY ")
                await wire.say(
                    message(_FIND, asks(Service.C_FIND, STUDY_ROOT_FIND), level + deep())
                )
            await wire.hear(10)


@cache
def deep() -> bytes:
    """A sequence that holds a sequence that holds …"""
    begin = _LONG.pack(0x0040, 0xA730, b"SQ", 0, 0xFFFFFFFF) + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    end = b"\xfe\xff\x0d\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0"
    return begin * _DEEP + end * _DEEP


async def floods(place: Place) -> None:
    """Hundreds of requests, no answer read."""
    async with connected(place, place.dimse, deaf=True) as wire:
        if await _open(wire):
            echo = Command(
                command_field=Service.C_ECHO, message_id=1, affected_sop_class_uid=VERIFICATION
            )
            await wire.say(500 * message(_ECHO, echo))
            await asyncio.sleep(1)
            wire.reset()


async def asks_and_does_not_listen(place: Place) -> None:
    """Has a study sent to it, and reads nothing of it, or leaves."""
    async with connected(place, place.dimse, deaf=True) as wire:
        if await _open(wire):
            level = element(0x00080052, b"CS", b"STUDY ")
            key = level + element(0x0020000D, b"UI", STUDY.encode())
            await wire.say(message(_GET, asks(Service.C_GET, STUDY_ROOT_GET), key))
            await asyncio.sleep(CHANCE.choice((0.01, 0.2, 15)))
            wire.reset()


async def searches_for_all(place: Place) -> None:
    """All studies, with a pattern that matches everything in many ways; leaves after a look."""
    async with connected(place, place.dimse) as wire:
        if await _open(wire):
            key = element(0x00080052, b"CS", b"STUDY ") + element(0x00100010, b"PN", b"*a*" * 12)
            await wire.say(message(_FIND, asks(Service.C_FIND, STUDY_ROOT_FIND), key))
            await wire.hear(0.2)
            wire.reset()


async def is_not_known(place: Place) -> None:
    """A stranger, or somebody with a token that nobody signed."""
    async with connected(place, place.dimse) as wire:
        token = b"e30." + CHANCE.randbytes(300).hex().encode() + b".AAAA"
        kind = CHANCE.choice((1, 2, 5))
        await wire.say(asking(UserIdentity(kind, token, b"x"), CHANCE.choice(("EVIL", "WHO"))))
        await wire.hear(5)


def _fragment(context: int, data: bytes) -> bytes:
    """A piece of a data set that goes on."""
    inner = struct.pack(">IBB", len(data) + 2, context, 0) + data
    return struct.pack(">BxI", 4, len(inner)) + inner


CLIENTS = (
    is_silent, drips, says_nonsense, lies_about_lengths, is_silent_inside, aborts_in_a_store,
    announces_gigabytes, stores_a_bomb, nests, floods, asks_and_does_not_listen, searches_for_all,
    is_not_known,
)  # fmt: skip
