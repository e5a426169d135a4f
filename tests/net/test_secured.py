import asyncio
import os
import socket
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
import trustme
from tests.peers import HOST

from hilum.net import secured
from hilum.net.http import bound
from hilum.net.records import RECORD
from hilum.net.secured import Secured
from hilum.net.threshold import Threshold

pytestmark = pytest.mark.anyio

CA = trustme.CA()
BIG = os.urandom(6 * 1024 * 1024)  # more than the system takes
PATIENCE = 60.0  # seconds


class Here(asyncio.Protocol):
    """Our end of a connection: what came, and what it was told."""

    def __init__(self) -> None:
        self.came = bytearray()
        self.told: list[str] = []
        self.error: Exception | None = None
        self.made, self.more = asyncio.Event(), asyncio.Event()
        self.room, self.lost = asyncio.Event(), asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, Secured)
        self.transport = transport
        self.made.set()

    def data_received(self, data: bytes) -> None:
        self.came += data
        self.more.set()

    def eof_received(self) -> None:
        self.told.append("eof")

    def pause_writing(self) -> None:
        self.told.append("pause")

    def resume_writing(self) -> None:
        self.told.append("resume")
        self.room.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.error = exc
        self.told.append("lost")
        self.lost.set()

    async def has(self, size: int) -> bytes:
        """All that came, once it is so much."""
        while len(self.came) < size:
            self.more.clear()
            await self.more.wait()
        return bytes(self.came)


class There:
    """The other end, of which each call waits, in a thread."""

    def __init__(self, port: int, version: ssl.TLSVersion, tasks: asyncio.TaskGroup) -> None:
        self._port, self._version, self.meanwhile = port, version, tasks.create_task

    def _opened(self) -> ssl.SSLSocket:
        context = ssl.create_default_context()
        context.maximum_version = self._version
        CA.configure_trust(context)
        link = socket.create_connection((HOST, self._port), timeout=PATIENCE)
        return context.wrap_socket(link, server_hostname=HOST, suppress_ragged_eofs=False)

    async def open(self) -> None:
        self.link = await asyncio.to_thread(self._opened)

    async def sends(self, data: bytes) -> None:
        await asyncio.to_thread(self.link.sendall, data)

    async def reads(self, size: int) -> bytes:
        """So many bytes; fewer where the other end says that nothing more comes."""

        def read() -> bytes:
            came = bytearray()
            while len(came) < size and (data := self.link.recv(size - len(came))):
                came += data
            return bytes(came)

        return await asyncio.to_thread(read)

    def resets(self) -> None:
        """Go away as if it had crashed."""
        self.link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.link.close()


@asynccontextmanager
async def connected(
    version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
) -> AsyncIterator[tuple[Here, There]]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.options |= ssl.OP_IGNORE_UNEXPECTED_EOF  # as our doors have it
    CA.issue_cert(HOST).configure_cert(context)
    here = Here()
    listener = bound(HOST, 0)
    port = listener.getsockname()[1]
    threshold = Threshold([listener], lambda: here, lambda: context)
    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as tasks:
        there = There(port, version, tasks)
        threshold.serve(tasks)
        await there.open()
        await here.made.wait()
        threshold.close()
        try:
            yield here, there
        finally:
            there.link.close()
            here.transport.abort()
            await here.lost.wait()
    assert here.transport.get_extra_info("socket").fileno() < 0
    assert here.told[-1] == "lost"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_all_comes_through_both_ways(version: ssl.TLSVersion) -> None:
    async with connected(version) as (here, there):
        assert here.transport.get_extra_info("ssl_object").version() == version.name.replace(
            "v1_", "v1."
        )
        await asyncio.gather(there.sends(BIG), here.has(len(BIG)))
        here.transport.write(BIG)
        assert await there.reads(len(BIG)) == bytes(here.came) == BIG


@pytest.mark.parametrize(
    "lengths",
    [
        (1, 0, 2, RECORD - 1, 1, RECORD, RECORD + 1, 5),
        (300, 527_096, 100, 300, 527_096, 7),
        (1,) * 50_000,
        (1_000_000, 3, 2 * RECORD, 70_000, 1),
    ],
)
async def test_pieces_of_any_length_come_in_order(lengths: tuple[int, ...]) -> None:
    pieces, at = [], 0
    for each in lengths:
        pieces.append(BIG[at : at + each])
        at += each
    async with connected() as (here, there):
        here.transport.writelines(pieces)
        for _ in range(2):  # more is written while these are on their way
            for each in pieces[:100]:
                here.transport.write(each)
        whole = b"".join((*pieces, *pieces[:100], *pieces[:100]))
        assert await there.reads(len(whole)) == whole
        assert here.transport.get_write_buffer_size() == 0


async def test_records_that_came_together_are_all_told_of() -> None:
    async with connected() as (here, there):
        here.transport.pause_reading()
        for length in (1, 2000, RECORD, 3, RECORD, RECORD, 5, 0, 7):
            await there.sends(BIG[:length])
        here.transport.resume_reading()
        assert len(await here.has(3 * RECORD + 2016)) == 3 * RECORD + 2016


async def test_who_writes_is_told_when_the_peer_takes_nothing_and_when_it_does_again() -> None:
    async with connected() as (here, there):
        here.transport.set_write_buffer_limits(high=100_000)
        assert here.transport.get_write_buffer_limits() == (25_000, 100_000)
        here.transport.write(BIG)
        assert here.told == ["pause"]
        assert len(BIG) > here.transport.get_write_buffer_size() > 100_000
        read = there.meanwhile(there.reads(len(BIG)))
        await here.room.wait()
        assert here.told == ["pause", "resume"]
        assert here.transport.get_write_buffer_size() <= 25_000
        assert await read == BIG


async def test_what_came_while_nobody_read_comes_later() -> None:
    async with connected() as (here, there):
        here.transport.pause_reading()
        assert not here.transport.is_reading()
        sent = there.meanwhile(there.sends(BIG))
        here.transport.write(b"go on")
        assert await there.reads(5) == b"go on"
        assert not here.came
        here.transport.resume_reading()
        assert await here.has(len(BIG)) == BIG
        await sent


async def test_reading_stops_in_the_midst_of_what_is_here_already() -> None:
    class Reluctant(Here):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self.transport.pause_reading()

    async with connected() as (here, there):
        here.__class__ = Reluctant
        sent = there.meanwhile(there.sends(BIG))
        while len(here.came) < len(BIG):
            before = len(here.came)
            await here.has(before + 1)
            assert len(here.came) - before <= secured.READ
            here.transport.resume_reading()
        await sent
        assert here.came == BIG


async def test_closing_sends_what_waits_and_says_that_it_is_all() -> None:
    async with connected() as (here, there):
        here.transport.write(BIG)
        here.transport.close()
        here.transport.close()
        assert here.transport.is_closing()
        here.transport.write(b"too late")
        assert await there.reads(len(BIG) + 1) == BIG
        assert not here.lost.is_set()  # until the peer is done too
        there.link.close()
        await here.lost.wait()
        assert here.error is None


async def test_a_peer_that_still_sends_sees_the_answer_and_no_reset() -> None:
    async with connected() as (here, there):
        here.transport.write(b"no")
        here.transport.close()
        with suppress(OSError):
            await there.sends(BIG)
        assert await there.reads(3) == b"no"


async def test_a_peer_that_takes_nothing_does_not_hold_what_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(secured, "LINGER", 0.05)
    async with connected() as (here, _):
        here.transport.write(BIG)
        here.transport.close()
        await here.lost.wait()


async def test_a_peer_that_says_nothing_more_gets_what_waits() -> None:
    async with connected() as (here, there):
        await there.sends(b"all")
        here.transport.write(BIG)
        socket.socket.shutdown(there.link, socket.SHUT_WR)
        assert await there.reads(len(BIG) + 1) == BIG
        await here.lost.wait()
        assert here.came == b"all"
        assert "eof" in here.told


async def test_a_peer_that_closes_is_told_of() -> None:
    async with connected() as (here, there):
        here.transport.write(b"?")
        await there.reads(1)  # else it closes on what it has not read, which is a reset
        there.link.close()
        await here.lost.wait()
        assert here.told == ["eof", "lost"]


async def test_a_peer_that_crashes_is_told_of() -> None:
    async with connected() as (here, there):
        there.resets()
        await here.lost.wait()  # OpenSSL tells it as an end


async def test_what_is_no_tls_ends_the_connection() -> None:
    async with connected() as (here, there):
        await asyncio.to_thread(socket.socket.sendall, there.link, b"no record of TLS" * 4)
        await here.lost.wait()
        assert isinstance(here.error, ssl.SSLError)


async def test_aborting_ends_at_once() -> None:
    async with connected() as (here, _):
        here.transport.write(BIG)
        here.transport.abort()
        assert here.transport.get_write_buffer_size() == 0
        await here.lost.wait()
        assert here.told == ["pause", "lost"]
        here.transport.abort()


async def test_who_fails_over_what_came_loses_the_connection() -> None:
    class Failing(Here):
        def data_received(self, data: bytes) -> None:
            raise ZeroDivisionError(data)

    seen: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, what: seen.append(what))
    async with connected() as (here, there):
        here.__class__ = Failing
        await there.sends(b"?")
        await here.lost.wait()
    assert [type(each["exception"]) for each in seen] == [ZeroDivisionError]


async def test_nothing_ends_half_of_it() -> None:
    async with connected() as (here, _):
        assert not here.transport.can_write_eof()
        with pytest.raises(NotImplementedError):
            here.transport.write_eof()
        assert here.transport.get_protocol() is here
