"""One association: both roles of it, message by message."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable

import pytest
from tests.upper_layer.doubles import CT, Answering, Giving, Keeping
from tests.upper_layer.ends import ECHO, QUICK, STORE, both
from tests.upper_layer.wire import (
    HOST,
    PROVIDER,
    USER,
    Raw,
    asking,
    both_roles,
    cancel,
    data_tf,
    echo,
    faults,
    find,
    get,
    message,
    raw,
    request,
    serving,
    store,
    store_command,
    until,
)

from hilum.codec import pdu
from hilum.codec.dimse import A_DATA_SET, Command, Service
from hilum.codec.pdu import Aborted, AbortReason, Pdu
from hilum.codec.sop_class import VERIFICATION
from hilum.core.budget import IN_HAND, LEAST
from hilum.model.errors import BackendError, BackendFault, BackendTimeout, BadDataset
from hilum.upper_layer.association import Association
from hilum.upper_layer.messages import Message
from hilum.upper_layer.standing import AssociationLost, AssociationRejected, Timeouts

pytestmark = pytest.mark.anyio

RELEASE_RQ = pdu.encode(pdu.ReleaseRequested())
RELEASE_RP = pdu.encode(pdu.ReleaseAnswered())


def echo_command(number: int) -> Command:
    return Command(
        command_field=Service.C_ECHO, message_id=number, affected_sop_class_uid=VERIFICATION
    )


def answer(number: int, service: int = Service.C_ECHO, status: int = 0, **more: object) -> bytes:
    return message(
        1,
        Command(
            command_field=service | 0x8000,
            message_id_responded_to=number,
            status=status,
            **more,  # type: ignore[arg-type]
        ),
    )


async def pieces(*sizes: int) -> AsyncIterator[bytes]:
    for size in sizes:
        yield bytes(size)


async def test_requests_come_in_order_with_their_data() -> None:
    async with both() as ends:
        await ends.peer.send(store(1, b"abc"), echo(2), store(3, bytes(100_000)), RELEASE_RQ)
        first = await ends.ours.next_request()
        assert first is not None
        assert await first.identifier() == b"abc"
        second = await ends.ours.next_request()
        assert second is not None
        assert second.data is None
        third = await ends.ours.next_request()
        assert third is not None
        assert third.command.message_id == 3
        assert await third.identifier() == bytes(100_000)
        assert await ends.ours.next_request() is None
        assert ends.ours.unread == 0


@pytest.mark.parametrize("read", [0, 1, 2])
async def test_nothing_stays_counted_of_what_is_not_read(read: int) -> None:
    async with both() as ends:
        for number in range(5):
            await ends.peer.send(store(number, bytes(300_000)))
            got = await ends.ours.next_request()
            assert got is not None
            assert got.data is not None
            for _ in range(read):
                await anext(got.data)
        await ends.peer.send(echo(9))
        last = await ends.ours.next_request()
        assert last is not None
        assert last.command.message_id == 9
        assert ends.ours.unread == 0


async def test_a_cancel_with_a_data_set_leaves_nothing_behind() -> None:
    async with both() as ends:
        odd = Command(
            command_field=Service.C_CANCEL, message_id_responded_to=7, data_set_type=A_DATA_SET
        )
        for _ in range(30):
            await ends.peer.send(message(3, odd, bytes(100_000)))
        await ends.peer.send(echo(1))
        assert await ends.ours.next_request() is not None
        assert ends.ours.unread == 0


async def test_a_request_that_nobody_reads_stops_the_peer_and_reading_lets_it_go_on() -> None:
    async with both(small=True) as ends:
        size = 8 * 1024 * 1024
        sending = asyncio.timeout(20)
        async with sending, asyncio.TaskGroup() as tasks:
            tasks.create_task(ends.peer.send(store(1, bytes(size))))
            got = await ends.ours.next_request()
            assert got is not None
            assert got.data is not None
            await asyncio.sleep(0.6)  # longer than the timeout of a message
            assert ends.ours._paused
            assert ends.ours.unread < 2 * 1024 * 1024
            assert sum([len(each) async for each in got.data]) == size
        assert ends.ours.unread == 0
        assert ends.ours.lost is None


async def test_where_others_hold_all_a_peer_is_stopped_at_the_least_and_nothing_stays_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(IN_HAND, "size", 0)
    before = IN_HAND.held
    async with both() as ends:
        size = 4 * 1024 * 1024
        async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
            tasks.create_task(ends.peer.send(store(1, bytes(size))))
            got = await ends.ours.next_request()
            assert got is not None
            assert got.data is not None
            read = 0
            while several := await got.data.several(768 * 1024):
                read += sum(map(len, several))
                assert ends.ours.unread <= 3 * LEAST
        assert read == size
        await ends.peer.send(store(2, bytes(100_000))[:50_000])
        ends.peer.writer.close()
        await ends.ours.closed()
    assert IN_HAND.held == before


@pytest.mark.parametrize("max_pdu", [0, 64, 65, 16382, 10_000_000])
async def test_what_we_send_fits_what_the_peer_takes(max_pdu: int) -> None:
    async with both(max_pdu=max_pdu) as ends, asyncio.TaskGroup() as tasks:
        tasks.create_task(ends.ours.send(STORE, store_command(), pieces(1000, 0, 3000, 1, 0)))
        body, lengths, flags = b"", [], 0
        while flags != 2:
            kind, item = await ends.peer.pdu()
            assert kind == Pdu.P_DATA_TF
            lengths.append(len(item))
            flags = item[5]
            body += b"" if flags & 1 else item[6:]
        assert max(lengths) <= (max_pdu or pdu.MAX_OURS)
        assert body == bytes(4002)  # even, as all data sets are


@pytest.mark.parametrize("sizes", [(), (0,), (0, 0)])
async def test_a_data_set_without_bytes_ends_all_the_same(sizes: tuple[int, ...]) -> None:
    async with both() as ends:
        await ends.ours.send(STORE, store_command(), pieces(*sizes))
        command, data = await ends.peer.message()
        assert command.has_data
        assert data == b""


async def broken(after: int) -> AsyncIterator[bytes]:
    for _ in range(after):
        yield bytes(pdu.MAX_OURS)
    raise BadDataset("it broke")


async def test_a_source_that_fails_before_anything_left_spares_the_association() -> None:
    async with both() as ends:
        with pytest.raises(BadDataset):
            await ends.ours.send(STORE, store_command(), broken(0))
        assert ends.ours.lost is None
        await ends.ours.send(ECHO, echo_command(4))
        command, _ = await ends.peer.message()
        assert command.message_id == 4


async def test_a_source_that_fails_in_the_middle_aborts() -> None:
    async with both() as ends:
        with pytest.raises(BadDataset):
            await ends.ours.send(STORE, store_command(), broken(2))
        assert await ends.peer.aborted() == (USER, 0)
        assert ends.ours.fault == "a message was cut off in the middle"


async def test_a_send_that_is_cancelled_in_the_middle_aborts() -> None:
    stuck = asyncio.Event()

    async def source() -> AsyncIterator[bytes]:
        yield bytes(pdu.MAX_OURS)
        yield b"more"
        await stuck.wait()

    async with both() as ends:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ends.ours.send(STORE, store_command(), source()), 0.2)
        assert await ends.peer.aborted() == (USER, 0)


async def test_a_send_that_is_cancelled_before_its_turn_spares_the_association() -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def source() -> AsyncIterator[bytes]:
        yield bytes(100)
        begun.set()
        await go_on.wait()
        yield bytes(100)

    async with both() as ends, asyncio.TaskGroup() as tasks:
        tasks.create_task(ends.ours.send(STORE, store_command(), source()))
        await begun.wait()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ends.ours.send(ECHO, echo_command(5)), 0.1)
        go_on.set()
        _, data = await ends.peer.message()
        assert data == bytes(200)
        assert ends.ours.lost is None


async def test_a_peer_that_takes_nothing_is_aborted_and_one_that_takes_little_is_not() -> None:
    async with both(small=True, timeouts=Timeouts(acse=9, message=1.5, idle=9)) as ends:
        async with asyncio.TaskGroup() as tasks:
            size = 1024 * 1024
            tasks.create_task(ends.ours.send(STORE, store_command(), bytes(size)))
            got = 0
            while got < size:
                got += len(await ends.peer.reader.read(4096))
                await asyncio.sleep(0.008)  # in all, longer than it may be silent
        assert ends.ours.lost is None
        with pytest.raises(BackendTimeout):
            await ends.ours.send(STORE, store_command(), bytes(5 * size))


async def test_a_request_is_answered() -> None:
    async with both(requestor=True) as ends, asyncio.TaskGroup() as tasks:
        asked = tasks.create_task(ends.ours.request(ECHO, echo_command(3)))
        command, _ = await ends.peer.message()
        assert command.message_id == 3
        await ends.peer.send(answer(3))
        assert (await asked).command.status == 0
        assert ends.ours.unread == 0


async def test_responses_come_up_to_the_final_one() -> None:
    async with both(requestor=True) as ends:
        asking_ = Command(
            command_field=Service.C_FIND, message_id=3, affected_sop_class_uid=VERIFICATION
        )
        async with ends.ours.exchange(ECHO, asking_) as responses:
            await ends.peer.message()
            pending = Command(
                command_field=0x8020,
                message_id_responded_to=3,
                status=0xFF00,
                data_set_type=A_DATA_SET,
            )
            await ends.peer.send(message(1, pending, b"one"), message(1, pending, b"two" * 9000))
            await ends.peer.send(message(1, pending, b"not read"), answer(3, Service.C_FIND))
            found: list[Message] = []
            async for each in responses:
                found.append(each)
                if len(found) == 2:
                    assert await each.identifier() == b"two" * 9000
        assert [each.command.status for each in found] == [0xFF00, 0xFF00, 0xFF00, 0]
        assert ends.ours.unread == 0
        assert ends.ours.lost is None


@pytest.mark.parametrize(
    "wrong",
    [answer(4), answer(3, Service.C_STORE), answer(3) + answer(3), answer(3, Service.C_FIND)],
    ids=["id", "service", "twice", "find"],
)
async def test_a_response_that_does_not_fit_is_no_answer(wrong: bytes) -> None:
    async with both(requestor=True) as ends, asyncio.TaskGroup() as tasks:
        asked = tasks.create_task(
            _quiet(ends.ours.request(ECHO, echo_command(3))),
        )
        await ends.peer.message()
        await ends.peer.send(wrong)
        await asked
        await ends.peer.send(answer(3))
        assert await ends.peer.aborted() == (USER, 0)


async def _lost(work: Awaitable[object]) -> str:
    with pytest.raises(AssociationLost) as caught:
        await work
    return str(caught.value)


async def _quiet(work: Awaitable[object]) -> None:
    with contextlib.suppress(BackendError):
        await work


async def test_a_peer_that_does_not_answer_in_time_is_aborted() -> None:
    async with both(requestor=True) as ends:
        with pytest.raises(BackendTimeout):
            await ends.ours.request(ECHO, echo_command(3))
        await ends.peer.message()
        assert await ends.peer.aborted() == (USER, 0)
        assert ends.ours._pending == {}


async def test_an_exchange_that_is_left_early_is_aborted() -> None:
    async with both(requestor=True) as ends:
        async with ends.ours.exchange(ECHO, echo_command(3)):
            pass
        await ends.peer.message()
        assert await ends.peer.aborted() == (USER, 0)


async def test_who_waits_for_an_answer_hears_of_the_end() -> None:
    async with both(requestor=True) as ends, asyncio.TaskGroup() as tasks:
        asked = tasks.create_task(_lost(ends.ours.request(ECHO, echo_command(3))))
        await ends.peer.message()
        await ends.peer.send(pdu.encode(Aborted(2, 6)))
        assert "aborted" in await asked
        with pytest.raises(AssociationLost):
            await ends.ours.next_request()
        with pytest.raises(AssociationLost):
            await ends.ours.send(ECHO, echo_command(3))
        with pytest.raises(AssociationLost):
            await ends.ours.request(ECHO, echo_command(3))


async def test_requests_of_a_peer_that_has_gone_are_not_served() -> None:
    async with both() as ends:
        await ends.peer.send(echo(1), echo(2), pdu.encode(Aborted(0, 0)))
        await until(lambda: ends.ours.lost)
        with pytest.raises(AssociationLost):
            await ends.ours.next_request()


async def test_message_ids_begin_again_and_spare_those_in_use() -> None:
    async with both() as ends:
        assert [ends.ours.next_id() for _ in range(3)] == [1, 2, 3]
        ends.ours._last_id = 0xFFFE
        ends.ours._pending = dict.fromkeys((1, 2))  # type: ignore[assignment]
        assert [ends.ours.next_id() for _ in range(3)] == [0xFFFF, 3, 4]
        ends.ours._pending.clear()


async def test_a_late_release_of_the_peer_is_answered_after_what_it_asked() -> None:
    async with serving() as served, raw(served.port) as peer:
        await peer.associate()
        await peer.send(echo(1), echo(2), RELEASE_RQ)
        assert [(await peer.message())[0].message_id_responded_to for _ in range(2)] == [1, 2]
        assert await peer.pdu() == (Pdu.RELEASE_RP, bytes(4))


@pytest.mark.parametrize("said", [echo(2), RELEASE_RQ], ids=["P-DATA", "A-RELEASE-RQ"])
async def test_nothing_may_follow_a_request_for_release(said: bytes) -> None:
    """PS3.8 Table 9-10, Sta8: AA-8."""
    finds = Answering(count=1, pause=0.2)
    async with serving(finds=finds) as served, raw(served.port) as peer:
        await peer.associate()
        await peer.send(find(1), RELEASE_RQ, said)
        assert await peer.aborted() == (PROVIDER, AbortReason.UNEXPECTED_PDU)
        await until(lambda: not finds.held)


async def test_we_release() -> None:
    async with both(requestor=True) as ends, asyncio.TaskGroup() as tasks:
        released = tasks.create_task(ends.ours.release())
        assert (await ends.peer.pdu())[0] == Pdu.RELEASE_RQ
        await ends.peer.send(RELEASE_RP)
        await released
        await ends.peer.closed()
        assert ends.ours.fault is None


async def test_the_requestor_answers_first_when_both_release() -> None:
    """PS3.8 §7.2.2.7: Sta7, Sta9, Sta11."""
    async with both(requestor=True) as ends, asyncio.TaskGroup() as tasks:
        released = tasks.create_task(ends.ours.release())
        assert (await ends.peer.pdu())[0] == Pdu.RELEASE_RQ
        await ends.peer.send(RELEASE_RQ)
        assert (await ends.peer.pdu())[0] == Pdu.RELEASE_RP
        assert not released.done()
        await ends.peer.send(RELEASE_RP)
        await released
        assert ends.ours.fault is None


async def test_the_acceptor_answers_last_when_both_release() -> None:
    """PS3.8 §7.2.2.7: Sta7, Sta10, Sta12, Sta13."""
    async with both() as ends, asyncio.TaskGroup() as tasks:
        released = tasks.create_task(ends.ours.release())
        assert (await ends.peer.pdu())[0] == Pdu.RELEASE_RQ
        await ends.peer.send(RELEASE_RQ)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ends.peer.reader.read(1), 0.1)
        await ends.peer.send(RELEASE_RP)
        assert (await ends.peer.pdu())[0] == Pdu.RELEASE_RP
        ends.peer.writer.close()
        await released
        assert ends.ours.fault is None


async def test_messages_still_come_while_we_ask_for_release() -> None:
    """PS3.8 Table 9-10, Sta7: AR-6."""
    async with both() as ends, asyncio.TaskGroup() as tasks:
        released = tasks.create_task(ends.ours.release())
        assert (await ends.peer.pdu())[0] == Pdu.RELEASE_RQ
        await ends.peer.send(echo(1), RELEASE_RP)
        await released
        assert ends.ours.fault is None


async def test_a_release_that_is_not_answered_is_aborted_in_time() -> None:
    async with both(requestor=True) as ends, asyncio.TaskGroup() as tasks:
        released = tasks.create_task(ends.ours.release())
        assert (await ends.peer.pdu())[0] == Pdu.RELEASE_RQ
        assert await ends.peer.aborted() == (PROVIDER, 0)
        await released


async def test_a_peer_that_closes_instead_of_answering_a_release_is_fine() -> None:
    async with both(requestor=True) as ends, asyncio.TaskGroup() as tasks:
        released = tasks.create_task(ends.ours.release())
        assert (await ends.peer.pdu())[0] == Pdu.RELEASE_RQ
        ends.peer.writer.close()
        await released
        assert ends.ours.fault is None


async def test_a_peer_that_stays_after_the_abort_is_cut_off() -> None:
    async with both() as ends:
        ends.ours.abort("enough")
        kind, _ = await ends.peer.pdu()
        assert kind == Pdu.ABORT
        async with asyncio.timeout(20):
            await ends.ours.closed()
        assert ends.ours.fault == "enough"
        ends.ours.abort("again")
        assert ends.ours.fault == "enough"


async def test_an_abort_lets_go_of_a_peer_that_was_stopped() -> None:
    async with both(small=True) as ends, asyncio.TaskGroup() as tasks:
        writing = tasks.create_task(_quiet_send(ends.peer, store(1, bytes(8 * 1024 * 1024))))
        assert await ends.ours.next_request() is not None
        await until(lambda: ends.ours._paused)
        ends.ours.abort("enough")
        assert await ends.peer.aborted() == (USER, 0)
        async with asyncio.timeout(20):
            await ends.ours.closed()
        await writing


async def _quiet_send(peer: Raw, data: bytes) -> None:
    with contextlib.suppress(OSError):
        await peer.send(data)


@pytest.mark.parametrize(
    ("said", "error", "words"),
    [
        (pdu.encode(pdu.Rejected(1, 1, 3)), AssociationRejected, "calling AE title"),
        (pdu.encode(Aborted(2, 1)), AssociationLost, "aborted"),
        (asking(), BackendFault, "wrong one"),
        (b"HTTP/1.1 400", BackendFault, "unrecognized"),
        (echo(), BackendFault, "out of order"),
        (b"", BackendTimeout, "ARTIM"),
        (None, AssociationLost, "closed"),
    ],
    ids=["rejected", "aborted", "RQ", "garbage", "P-DATA", "silence", "close"],
)
async def test_a_requestor_hears_what_became_of_its_request(
    said: bytes | None, error: type[Exception], words: str
) -> None:
    loop = asyncio.get_running_loop()

    async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(6)
        if said is not None:
            writer.write(said)
            await reader.read()
        writer.close()

    server = await asyncio.start_server(answering, HOST, 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        _, ours = await loop.create_connection(
            lambda: Association(requestor=True, max_pdu=0, timeouts=QUICK), HOST, port
        )
        with pytest.raises(error, match=words):
            await ours.ask(request())
        await ours.closed()


async def test_a_cancel_stops_a_query_at_once() -> None:
    finds = Answering(count=1000, hold=1)
    async with serving(finds=finds) as served, raw(served.port) as peer:
        await peer.associate()
        await peer.send(find(7))
        first, _ = await peer.message()
        assert first.status == 0xFF00
        await peer.send(cancel(7))
        last, _ = await peer.message()
        assert (last.status, last.message_id_responded_to) == (0xFE00, 7)
        assert finds.held == 0
        assert await peer.echo() == 0
        await peer.release()


async def test_a_cancel_in_the_same_packet_as_the_query_stops_it() -> None:
    finds = Answering(count=1000)
    async with serving(finds=finds) as served, raw(served.port) as peer:
        await peer.associate()
        await peer.send(find(7), cancel(7), echo(8))
        answer_, _ = await peer.message()
        assert (answer_.status, answer_.message_id_responded_to) == (0xFE00, 7)
        assert (await peer.message())[0].status == 0
        assert finds.given == 0


async def test_a_cancel_of_a_query_that_waits_its_turn_stops_only_that() -> None:
    finds = Answering(count=2)
    async with serving(finds=finds) as served, raw(served.port) as peer:
        await peer.associate()
        await peer.send(find(1), find(2), find(3), cancel(2))
        statuses = [(await peer.message())[0] for _ in range(7)]
        assert [(each.message_id_responded_to, each.status) for each in statuses] == [
            (1, 0xFF00), (1, 0xFF00), (1, 0), (2, 0xFE00), (3, 0xFF00), (3, 0xFF00), (3, 0),
        ]  # fmt: skip


async def test_a_cancel_of_something_else_has_no_effect_and_is_not_remembered() -> None:
    finds = Answering(count=1)
    async with serving(finds=finds) as served, raw(served.port) as peer:
        await peer.associate()
        await peer.send(cancel(5), echo(5), cancel(5), find(5))
        assert [(await peer.message())[0].status for _ in range(3)] == [0, 0xFF00, 0]


async def test_a_cancel_of_a_retrieval_stops_it_before_the_next_instance() -> None:
    gives = Giving(count=10)
    async with serving(gives=gives) as served, raw(served.port) as peer:
        await peer.associate(negotiation=both_roles())
        await peer.send(get(9))
        sub, data = await peer.message()
        assert sub.command_field == Service.C_STORE
        assert len(data) == gives.size
        done = Command(
            command_field=0x8001,
            message_id_responded_to=sub.message_id,
            affected_sop_class_uid=CT,
            status=0,
        )
        await peer.send(cancel(9, context=7), message(3, done))
        last, _ = await peer.message()
        assert (last.status, last.completed, last.remaining) == (0xFE00, 1, 9)
        assert await peer.echo() == 0
        assert gives.held == 0


@pytest.mark.parametrize("end", ["abort", "FIN", "RST"])
async def test_a_peer_that_leaves_ends_the_work_behind_it_at_once(end: str) -> None:
    finds, gives = Answering(hold=1), Giving(hang=True)
    keeping = Keeping(gate=asyncio.Event())
    async with serving(finds=finds, gives=gives, keeping=keeping) as served:
        for said in (find(), get(), store(1, bytes(100_000))):
            async with raw(served.port) as peer:
                await peer.associate(negotiation=both_roles())
                await peer.send(said)
                await until(lambda: finds.held + gives.held + keeping.held)
                if end == "abort":
                    await peer.send(pdu.encode(Aborted(0, 0)))
                elif end == "FIN":
                    peer.writer.write_eof()
                else:
                    peer.reset()
                await until(lambda: not (finds.held + gives.held + keeping.held), 1)
    assert keeping.taken == []


async def test_a_fault_behind_the_mount_is_a_fault_and_not_silence(
    caplog: pytest.LogCaptureFixture,
) -> None:
    finds = Answering(failure=RuntimeError("boom"))  # type: ignore[arg-type]
    async with serving(finds=finds) as served, raw(served.port) as peer:
        await peer.associate()
        await peer.send(find())
        assert await peer.aborted() == (USER, 0)
        await until(lambda: len(faults(caplog)) == 2)
    assert "unexpected fault" in caplog.text


@pytest.mark.parametrize("service", [0x0100, 0x0150, 0x0999, 0x7FFF, 0x0000])
async def test_an_unknown_operation_is_answered_and_not_aborted(service: int) -> None:
    async with serving() as served, raw(served.port) as peer:
        await peer.associate()
        odd = Command(command_field=service, message_id=3, data_set_type=A_DATA_SET)
        await peer.send(message(3, odd, bytes(100_000)))
        last, _ = await peer.message()
        assert (last.command_field, last.status) == (service | 0x8000, 0x0211)
        assert await peer.echo() == 0


async def test_a_fragment_may_come_in_any_pieces() -> None:
    whole = echo(1) + store(2, bytes(5000)) + find(3)
    async with serving() as served, raw(served.port) as peer:
        await peer.associate()
        for at in range(0, len(whole), 97):
            await peer.send(whole[at : at + 97])
            await asyncio.sleep(0)
        statuses = [(await peer.message())[0].status for _ in range(6)]
        assert statuses == [0, 0, 0xFF00, 0xFF00, 0xFF00, 0]
        await peer.send(data_tf(1, 1, b""), echo(4))
        assert (await peer.message())[0].status == 0
