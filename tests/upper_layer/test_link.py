"""Hostile and silent peers: what each earns, and that one line says so."""

import asyncio
import contextlib
import struct
import time
import tracemalloc

import pytest
from tests.upper_layer.doubles import Answering, Giving, Keeping
from tests.upper_layer.wire import (
    HOST,
    PROVIDER,
    USER,
    Raw,
    asking,
    both_roles,
    data_tf,
    echo,
    faults,
    find,
    get,
    message,
    raw,
    serving,
    store,
    store_command,
    until,
)

from hilum.codec import dimse, pdu
from hilum.codec.associate import AssociateAccept, encode
from hilum.codec.dimse import Command, Service
from hilum.codec.pdu import Aborted, AbortReason, Associate, Pdu, Rejected
from hilum.codec.sop_class import VERIFICATION

pytestmark = pytest.mark.anyio

ACCEPT = pdu.encode(
    encode(AssociateAccept(called_ae_title="HILUM", calling_ae_title="PEER", contexts=()))
)
RELEASE_RQ, RELEASE_RP = (
    pdu.encode(pdu.ReleaseRequested()),
    pdu.encode(pdu.ReleaseAnswered()),
)
ECHO = Command(command_field=Service.C_ECHO, message_id=1, affected_sop_class_uid=VERIFICATION)
BROKEN_ASSOCIATE = pdu.encode(Associate(Pdu.ASSOCIATE_RQ, bytes(68) + b"\x10\0\xff\xff"))

BEFORE = {
    "garbage": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "an unknown type": b"\x47",
    "P-DATA": echo(),
    "P-DATA that is too long": struct.pack(">BxI", 4, 0xFFFFFFFF),
    "A-ASSOCIATE-AC": ACCEPT,
    "A-ASSOCIATE-RJ": pdu.encode(Rejected(1, 1, 1)),
    "A-RELEASE-RQ": RELEASE_RQ,
    "A-RELEASE-RP": RELEASE_RP,
    "an A-ASSOCIATE-RQ that is too long": struct.pack(">BxI", 1, pdu.MAX_ASSOCIATE + 1),
    "an A-ASSOCIATE-RQ that cannot be read": BROKEN_ASSOCIATE,
    "a maximum length of 6 bytes": pdu.encode(
        Associate(Pdu.ASSOCIATE_RQ, bytes(68) + b"\x50\0\0\x08\x51\0\0\4\0\0\0\6")
    ),
}
INSIDE = {
    "garbage": (b"\xff\xfe\xfd", PROVIDER, AbortReason.UNRECOGNIZED_PDU),
    "an unknown type": (b"\0", PROVIDER, AbortReason.UNRECOGNIZED_PDU),
    "a second A-ASSOCIATE-RQ": (asking(), PROVIDER, AbortReason.UNEXPECTED_PDU),
    "A-ASSOCIATE-AC": (ACCEPT, PROVIDER, AbortReason.UNEXPECTED_PDU),
    "A-ASSOCIATE-RJ": (pdu.encode(Rejected(1, 1, 1)), PROVIDER, AbortReason.UNEXPECTED_PDU),
    "A-RELEASE-RP": (RELEASE_RP, PROVIDER, AbortReason.UNEXPECTED_PDU),
    "a P-DATA-TF that is too long": (
        struct.pack(">BxI", 4, 65537),
        PROVIDER,
        AbortReason.INVALID_PARAMETER,
    ),
    "an A-RELEASE-RQ of a wrong length": (
        struct.pack(">BxI", 5, 5) + bytes(5),
        PROVIDER,
        AbortReason.INVALID_PARAMETER,
    ),
    "an empty P-DATA-TF": (struct.pack(">BxI", 4, 0), PROVIDER, AbortReason.INVALID_PARAMETER),
    "a fragment bigger than its PDU": (
        data_tf(1, 3, b"abc", length=60),
        PROVIDER,
        AbortReason.INVALID_PARAMETER,
    ),
    "an even context id": (data_tf(2, 3, b"abc"), PROVIDER, AbortReason.INVALID_PARAMETER),
    "an unknown context id": (message(99, ECHO), PROVIDER, AbortReason.INVALID_PARAMETER),
    "a release inside a command": (
        data_tf(1, 1, dimse.encode(ECHO)) + RELEASE_RQ,
        PROVIDER,
        AbortReason.UNEXPECTED_PDU,
    ),
    "a release inside a data set": (
        message(3, store_command()) + data_tf(3, 0, b"abc") + RELEASE_RQ,
        PROVIDER,
        AbortReason.UNEXPECTED_PDU,
    ),
    "a data set without a command": (data_tf(3, 2, b"abc"), USER, 0),
    "a command inside a data set": (message(3, store_command()) + echo(), USER, 0),
    "a data set in another context": (message(3, store_command()) + data_tf(5, 2, b"a"), USER, 0),
    "a command in two contexts": (data_tf(1, 1, b"\0\0") + data_tf(3, 3, b"\0\0"), USER, 0),
    "a command that is cut off": (data_tf(1, 3, dimse.encode(ECHO)[:-3]), USER, 0),
    "an empty command": (data_tf(1, 3, b""), USER, 0),
    "a command of a wrong group": (data_tf(1, 3, struct.pack("<HHI", 8, 0x18, 0)), USER, 0),
    "a command with an endless element": (
        data_tf(1, 3, struct.pack("<HHI", 0, 2, 0xFFFFFFFF)),
        USER,
        0,
    ),
    "a command that does not end": (data_tf(1, 1, bytes(60_000)) * 2, USER, 0),
    "a request without a Message ID": (message(1, Command(command_field=0x30)), USER, 0),
    "a response that nobody asked for": (
        message(1, Command(command_field=0x8030, message_id_responded_to=1, status=0)),
        USER,
        0,
    ),
}


def one_line(caplog: pytest.LogCaptureFixture) -> str:
    """The one warning that there is; it names the peer."""
    [line] = faults(caplog)
    assert HOST in line
    assert "Traceback" not in caplog.text
    return line


@pytest.mark.parametrize("said", BEFORE.values(), ids=BEFORE)
async def test_what_is_no_request_is_aborted_by_the_user_before_the_association(
    said: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """PS3.8 Table 9-10: in Sta2 everything but an A-ASSOCIATE-RQ and an A-ABORT is AA-1."""
    async with serving(max_pdu=65536) as served, raw(served.port) as peer:
        await peer.send(said)
        assert await peer.aborted() == (USER, 0)
        await until(lambda: faults(caplog))
    one_line(caplog)


@pytest.mark.parametrize(("said", "source", "reason"), INSIDE.values(), ids=INSIDE)
@pytest.mark.parametrize("cut", [0, 1], ids=["whole", "in pieces"])
async def test_what_breaks_the_protocol_is_aborted_with_its_reason(
    said: bytes,
    source: int,
    reason: int,
    cut: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving(max_pdu=65536) as served, raw(served.port) as peer:
        await peer.associate()
        if cut and len(said) < 300:
            for at in range(len(said)):
                await peer.send(said[at : at + 1])
                await asyncio.sleep(0)
        else:
            await peer.send(said)
        assert await peer.aborted() == (source, reason)
        await until(lambda: faults(caplog))
        async with raw(served.port) as other:
            await other.associate()
            assert await other.echo() == 0
            await other.release()
    assert "'PEER' to 'HILUM'" in one_line(caplog)


async def test_an_abort_of_the_peer_is_answered_by_closing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    async with serving() as served:
        for associated in (False, True):
            async with raw(served.port) as peer:
                if associated:
                    await peer.associate()
                await peer.send(pdu.encode(Aborted(0, 0)))
                await peer.closed()
        await until(lambda: caplog.text.count("the peer aborted") == 2)
    assert faults(caplog) == []


@pytest.mark.parametrize(
    "part", [b"", b"\4", b"\4\0\0\0", echo()[:40], store()[:-2]], ids=["0", "1", "4", "40", "all"]
)
@pytest.mark.parametrize("end", ["FIN", "RST"])
async def test_a_peer_that_goes_away_in_the_middle_is_named(
    part: bytes, end: str, caplog: pytest.LogCaptureFixture
) -> None:
    keeping = Keeping()
    async with serving(keeping=keeping) as served, raw(served.port) as peer:
        await peer.associate()
        await peer.send(part)
        await asyncio.sleep(0.05)
        if end == "RST":
            peer.reset()
        else:
            peer.writer.write_eof()
            assert await peer.aborted() == (PROVIDER, 0)
        await until(lambda: faults(caplog))
        await until(lambda: not keeping.held)
    assert ("closed" if end == "FIN" else "reset") in one_line(caplog)
    assert keeping.taken == []


async def test_a_connection_without_a_word_is_no_fault(caplog: pytest.LogCaptureFixture) -> None:
    """What load balancers and port scanners do."""
    caplog.set_level("INFO")
    async with serving() as served:
        async with raw(served.port) as peer:
            peer.writer.write_eof()
            await peer.closed()
        await until(lambda: "closed without a release" in caplog.text)
    assert faults(caplog) == []


async def test_a_silent_peer_is_dropped_without_a_word_before_the_association(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving(acse_timeout=0.2) as served, raw(served.port) as peer:
        async with asyncio.timeout(20):
            await peer.closed()
        await until(lambda: faults(caplog))
    assert "ARTIM" in one_line(caplog)


async def test_a_peer_that_falls_silent_inside_its_request_is_aborted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving(acse_timeout=0.2) as served, raw(served.port) as peer:
        await peer.send(asking()[:100])
        async with asyncio.timeout(20):
            assert await peer.aborted() == (USER, 0)
        await until(lambda: faults(caplog))
    assert "ARTIM" in one_line(caplog)


async def test_a_request_that_trickles_in_does_not_outlive_its_time() -> None:
    async with serving(acse_timeout=0.3) as served, raw(served.port) as peer:
        async with asyncio.timeout(20):
            for each in asking()[:20]:
                peer.writer.write(bytes((each,)))
                await asyncio.sleep(0.02)
            assert await peer.aborted() == (USER, 0)


@pytest.mark.parametrize(
    "part",
    [b"\4\0", data_tf(1, 1, b"abc"), store()[:-3], message(3, store_command())],
    ids=["header", "command", "data set", "no data set"],
)
async def test_a_peer_that_falls_silent_inside_a_message_is_aborted(
    part: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    keeping = Keeping()
    limits = {"message_timeout": 0.2, "idle_timeout": 60.0}
    async with serving(keeping=keeping, **limits) as served, raw(served.port) as peer:
        await peer.associate()
        await peer.send(part)
        async with asyncio.timeout(20):
            assert await peer.aborted() == (PROVIDER, 0)
        await until(lambda: faults(caplog))
        await until(lambda: not keeping.held)
    assert "silence in the middle of a message" in one_line(caplog)


async def test_a_peer_that_says_a_message_by_single_bytes_is_aborted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    limits = {"message_timeout": 0.4, "idle_timeout": 60.0}
    async with serving(keeping=Keeping(), **limits) as served, raw(served.port) as peer:
        await peer.associate()
        drops = iter(store())
        async with asyncio.TaskGroup() as group:
            aborted = group.create_task(peer.aborted())
            while not aborted.done():
                with contextlib.suppress(OSError):
                    await peer.send(bytes((next(drops),)))
                await asyncio.wait([aborted], timeout=0.05)
        assert aborted.result() == (PROVIDER, 0)
        await until(lambda: faults(caplog))
    assert "comes too slowly" in one_line(caplog)


async def test_the_time_in_which_we_were_halted_is_no_silence_of_the_peer() -> None:
    limits = {"message_timeout": 0.4, "idle_timeout": 60.0}
    async with serving(keeping=Keeping(), **limits) as served, raw(served.port) as peer:
        await peer.associate()
        whole = store()
        await peer.send(whole[:-3])
        await asyncio.sleep(0.05)
        time.sleep(1.0)  # noqa: ASYNC251 - halts the server, too
        await asyncio.sleep(0.05)
        await peer.send(whole[-3:])
        answer, _ = await peer.message()
        assert answer.status == 0


async def test_an_idle_peer_is_aborted(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(idle_timeout=0.3, message_timeout=0.1) as served, raw(served.port) as peer:
        await peer.associate()
        assert await peer.echo() == 0
        async with asyncio.timeout(20):
            assert await peer.aborted() == (PROVIDER, 0)
        await until(lambda: faults(caplog))
    assert "idle" in one_line(caplog)


async def test_a_peer_that_waits_for_a_slow_answer_is_not_idle() -> None:
    finds = Answering(count=1, pause=0.6)
    limits = {"idle_timeout": 0.1, "message_timeout": 0.1}
    async with serving(finds=finds, **limits) as served, raw(served.port) as peer:
        await peer.associate()
        await peer.send(find())
        answer, _ = await peer.message()
        assert answer.status == 0xFF00


async def test_a_peer_that_reads_no_answers_is_dropped(caplog: pytest.LogCaptureFixture) -> None:
    finds = Answering(count=1_000_000, width=50_000)
    async with (
        serving(finds=finds, message_timeout=0.3) as served,
        raw(served.port, small=True) as peer,
    ):
        await peer.associate()
        await peer.send(find())
        await until(lambda: faults(caplog))
        await until(lambda: not finds.held)
    assert "takes nothing" in one_line(caplog)
    assert finds.given < 1000


async def flood(peer: Raw, data: bytes) -> None:
    while True:
        await peer.send(data)
        await asyncio.sleep(0)


async def test_a_flood_after_the_abort_is_cut_off() -> None:
    async with serving() as served, raw(served.port) as peer:
        await peer.associate()
        await peer.send(b"\xff")
        with pytest.raises(ConnectionError):
            await asyncio.wait_for(flood(peer, bytes(100_000)), 20)


async def test_many_small_fragments_that_nobody_reads_stop_the_peer() -> None:
    """A byte in a fragment of its own costs more than a byte."""
    gate = asyncio.Event()
    keeping = Keeping(gate=gate)
    async with serving(keeping=keeping, max_pdu=0) as served, raw(served.port) as peer:
        await peer.associate()
        await peer.send(message(3, store_command()))
        tracemalloc.start()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(flood(peer, data_tf(3, 0, b"x") * 1000), 1.5)
        used, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert used < 8 * 1024 * 1024
        gate.set()


async def test_a_request_after_the_abort_is_not_heard() -> None:
    keeping = Keeping()
    async with serving(keeping=keeping) as served, raw(served.port) as peer:
        await peer.associate()
        await peer.send(b"\xff" + store())
        assert await peer.aborted() == (PROVIDER, AbortReason.UNRECOGNIZED_PDU)
    assert keeping.sessions == 0


async def test_the_first_cause_is_the_one_that_is_told(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(max_pdu=1000) as served, raw(served.port) as peer:
        await peer.associate()
        await peer.send(data_tf(3, 2, b"x" * 40, length=30))
        peer.writer.write_eof()
        await peer.aborted()
        await until(lambda: faults(caplog))
    assert "without a command" in one_line(caplog)


BIG = 300 * 1024 * 1024  # bytes
BOUND = 24 * 1024 * 1024  # bytes that may be in use at once while they pass


async def test_an_instance_of_any_size_comes_in_through_little_memory() -> None:
    keeping = Keeping()
    piece = data_tf(3, 0, bytes(65_000))
    async with serving(keeping=keeping, max_pdu=65_536) as served, raw(served.port) as peer:
        await peer.associate()
        tracemalloc.start()
        try:
            await peer.send(message(3, store_command()))
            for _ in range(BIG // 65_000):
                await peer.send(piece)
            await peer.send(data_tf(3, 2, b""))
            answer, _ = await peer.message()
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert answer.status == 0
        assert keeping.taken == [("1.2.3.4", BIG // 65_000 * 65_000)]
        assert most < BOUND


async def test_an_instance_of_any_size_goes_out_through_little_memory() -> None:
    gives = Giving(count=1, size=BIG)
    async with serving(gives=gives) as served, raw(served.port) as peer:
        await peer.associate(negotiation=both_roles())
        tracemalloc.start()
        try:
            await peer.send(get())
            got = 0
            while got < BIG:
                _, body = await peer.pdu()
                got += 0 if body[5] & 1 else len(body) - 6
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert most < BOUND
