"""The door itself: how it opens and closes, and whom it lets do what."""

import asyncio
import logging
import socket
import time

import pytest
from tests.upper_layer.doubles import Answering, Giving, Keeping
from tests.upper_layer.wire import (
    HOST,
    LOGGER,
    USER,
    both_roles,
    echo,
    faults,
    find,
    get,
    raw,
    serving,
    store,
    until,
)

from hilum.codec import pdu
from hilum.codec.pdu import Aborted, Pdu
from hilum.config.schema import DimseSettings, ServerSettings, Settings
from hilum.core.broker import Broker
from hilum.core.mounts import Mount, Mounts
from hilum.frontends.dimse.server import serve

pytestmark = pytest.mark.anyio


async def test_it_says_where_it_listens_once_it_does() -> None:
    stop = asyncio.Event()
    told: list[tuple[str, int]] = []

    def started(host: str, port: int) -> None:
        with socket.create_connection((host, port), timeout=5):
            told.append((host, port))
        stop.set()

    settings = Settings(server=ServerSettings(), dimse=DimseSettings(bind=HOST, port=0))
    await asyncio.wait_for(
        serve(Broker(Mounts({}, None)), settings, started=started, stop=stop), 20
    )
    [(host, port)] = told
    assert host == HOST
    assert port > 0
    with pytest.raises(OSError, match="refused"):
        socket.create_connection((host, port), timeout=5).close()


async def test_a_port_that_is_taken_is_an_error_and_not_a_server() -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        settings = Settings(server=ServerSettings(), dimse=DimseSettings(bind=HOST, port=port))
        with pytest.raises(OSError, match="in use"):
            await serve(
                Broker(Mounts({}, None)),
                settings,
                started=lambda *_: pytest.fail("it said that it listens"),
                stop=asyncio.Event(),
            )


async def test_idle_associations_are_sent_home_when_the_service_stops() -> None:
    async with serving(graceful_shutdown=30.0) as served, raw(served.port) as peer:
        await peer.associate()
        assert await peer.echo() == 0
        began = time.monotonic()
        served.stop.set()
        assert await peer.aborted() == (USER, 0)
    assert time.monotonic() - began < 20


async def test_what_has_not_asked_yet_is_sent_home_when_the_service_stops() -> None:
    async with serving(graceful_shutdown=30.0) as served, raw(served.port) as peer:
        await asyncio.sleep(0.05)
        served.stop.set()
        assert await peer.aborted() == (USER, 0)


async def test_a_message_that_is_under_way_is_finished_when_the_service_stops() -> None:
    keeping = Keeping(gate=asyncio.Event())
    async with serving(keeping=keeping, graceful_shutdown=30.0) as served, raw(served.port) as peer:
        await peer.associate()
        await peer.send(store(7, bytes(100_000)))
        await keeping.reading.wait()
        served.stop.set()
        await asyncio.sleep(0.1)
        assert keeping.gate is not None
        keeping.gate.set()
        answer, _ = await peer.message()
        assert (answer.status, answer.message_id_responded_to) == (0, 7)
        assert await peer.aborted() == (USER, 0)
    assert keeping.taken == [("1.2.3.4", 100_000)]
    assert keeping.held == 0


async def test_what_takes_longer_than_the_grace_is_cut_off() -> None:
    finds = Answering(hold=1)
    async with serving(finds=finds, graceful_shutdown=0.3) as served, raw(served.port) as peer:
        await peer.associate()
        await peer.send(find())
        assert (await peer.message())[0].status == 0xFF00
        began = time.monotonic()
        served.stop.set()
        assert await peer.aborted() == (USER, 0)
        assert 0.2 < time.monotonic() - began < 20
        await until(lambda: not finds.held)


async def test_nobody_gets_in_while_the_service_stops() -> None:
    finds = Answering(hold=1)
    async with serving(finds=finds, graceful_shutdown=1.0) as served, raw(served.port) as peer:
        await peer.associate()
        await peer.send(find())
        await peer.message()
        served.stop.set()
        await asyncio.sleep(0.1)
        with pytest.raises(ConnectionError):
            async with raw(served.port):
                pass


async def test_a_server_that_is_cancelled_leaves_no_association() -> None:
    keeping, finds, gives = Keeping(gate=asyncio.Event()), Answering(hold=1), Giving(hang=True)
    settings = Settings(
        server=ServerSettings(), dimse=DimseSettings(bind=HOST, port=0, accept_unknown_callers=True)
    )
    ports: asyncio.Queue[int] = asyncio.Queue()
    mount = Mount(name="HILUM", backend="doubles", finds=finds, retrieves=gives, stores=keeping)
    broker = Broker(Mounts({"HILUM": mount}, "HILUM"))
    running = asyncio.get_running_loop().create_task(
        serve(
            broker,
            settings,
            started=lambda _, port: ports.put_nowait(port),
            stop=asyncio.Event(),
        )
    )
    port = await ports.get()
    async with raw(port) as one, raw(port) as two, raw(port) as three, raw(port):
        for peer, said in ((one, find()), (two, store()), (three, get())):
            await peer.associate(negotiation=both_roles())
            await peer.send(said)
        await until(lambda: finds.held and keeping.held and gives.held)
        running.cancel()
        for peer in (one, two, three):
            await peer.aborted()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(running, 20)
    assert (finds.held, keeping.held, gives.held) == (0, 0, 0)


async def test_many_associations_are_served_side_by_side() -> None:
    finds = Answering(count=1, pause=0.3)
    async with serving(finds=finds, max_associations_per_peer=40) as served:

        async def ask() -> None:
            async with raw(served.port) as peer:
                await peer.associate()
                await peer.send(find())
                assert (await peer.message())[0].status == 0xFF00
                assert (await peer.message())[0].status == 0
                await peer.release()

        began = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(40):
                tasks.create_task(ask())
        assert time.monotonic() - began < 10


async def test_a_mount_is_opened_once_for_an_association() -> None:
    keeping = Keeping()
    async with serving(keeping=keeping) as served, raw(served.port) as peer:
        await peer.associate()
        for number in range(5):
            await peer.send(store(number))
            assert (await peer.message())[0].status == 0
        assert (keeping.sessions, keeping.held) == (1, 1)
        await peer.release()
        await until(lambda: not keeping.held)


async def test_a_good_association_leaves_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, LOGGER)
    async with serving() as served, raw(served.port) as peer:
        await peer.associate()
        assert await peer.echo() == 0
        await peer.release()
        peer.writer.close()
        await until(lambda: "released" in caplog.text)
    assert faults(caplog) == []
    lines = [record.getMessage() for record in caplog.records if record.name == LOGGER]
    assert len(lines) == 2
    assert all("'PEER' to 'HILUM'" in line and HOST in line for line in lines)


async def test_each_association_has_a_name_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async with serving() as served:
        for _ in range(3):
            async with raw(served.port) as peer:
                await peer.send(b"\xff")
                await peer.aborted()
        await until(lambda: len(faults(caplog)) == 3)
    assert len({line.split()[0] for line in faults(caplog)}) == 3


async def test_pipelined_requests_are_answered_in_order() -> None:
    async with serving() as served, raw(served.port) as peer:
        await peer.associate()
        await peer.send(*[echo(number) for number in range(1, 300)])
        answers = [(await peer.message())[0].message_id_responded_to for _ in range(1, 300)]
        assert answers == list(range(1, 300))


async def test_an_abort_while_an_answer_waits_to_be_read_is_the_end() -> None:
    finds = Answering(count=100_000, width=10_000)
    async with serving(finds=finds) as served, raw(served.port, small=True) as peer:
        await peer.associate()
        await peer.send(find())
        assert (await peer.pdu())[0] == Pdu.P_DATA_TF
        await until(lambda: finds.given > 40)
        await peer.send(pdu.encode(Aborted(0, 0)))
        await until(lambda: not finds.held, 2)
