import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
import trustme
from tests.peers import HOST

from hilum.net import threshold as module
from hilum.net.http import bound
from hilum.net.threshold import Threshold

pytestmark = pytest.mark.anyio


class Echo(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        assert isinstance(self.transport, asyncio.Transport)
        self.transport.write(data)


class Door:
    def __init__(self, *, wants: bool = False) -> None:
        self.ca = trustme.CA()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_IGNORE_UNEXPECTED_EOF  # as our doors have it
        self.ca.issue_cert(HOST).configure_cert(context)
        if wants:
            self.ca.configure_trust(context)
            context.verify_mode = ssl.CERT_REQUIRED
        self.refused: list[tuple[str, str]] = []
        listener = bound(HOST, 0)
        self.threshold = Threshold([listener], Echo, lambda: context, self._note)
        self.port = listener.getsockname()[1]
        self.came = asyncio.Event()

    def _note(self, address: str, why: str) -> None:
        self.refused.append((address, why))
        self.came.set()

    async def said(self) -> list[tuple[str, str]]:
        """Who was refused, once somebody was."""
        async with asyncio.timeout(60):
            await self.came.wait()
        return self.refused

    async def asks(self, context: ssl.SSLContext) -> bytes:
        """What a client is answered."""
        reader, writer = await asyncio.open_connection(HOST, self.port, ssl=context)
        try:
            writer.write(b"hello")
            return await reader.readexactly(5)
        finally:
            writer.transport.abort()

    def client(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        self.ca.configure_trust(context)
        return context


@asynccontextmanager
async def opened(*, wants: bool = False) -> AsyncIterator[Door]:
    door = Door(wants=wants)
    async with asyncio.TaskGroup() as tasks:
        door.threshold.serve(tasks)
        try:
            yield door
        finally:
            door.threshold.close()


def fails(door: Door, context: ssl.SSLContext) -> None:
    """A client that tells why it does not go on; asyncio's does not."""
    with (
        socket.create_connection((HOST, door.port)) as connection,
        suppress(OSError),
        context.wrap_socket(connection, server_hostname=HOST) as spoken,
    ):
        assert spoken.recv(1) == b""


async def test_who_speaks_tls_comes_in() -> None:
    async with opened() as door:
        assert await door.asks(door.client()) == b"hello"
    assert not door.refused


async def test_who_does_not_believe_us_is_told_with_its_address() -> None:
    async with opened() as door:
        await asyncio.to_thread(fails, door, ssl.create_default_context())
        ((address, why),) = await door.said()
    assert address == HOST
    assert "unknown ca" in why


async def test_who_shows_no_certificate_where_one_is_wanted_is_told() -> None:
    async with opened(wants=True) as door:
        await asyncio.to_thread(fails, door, door.client())
        assert (await door.said())[0][1] == "TLS: peer did not return a certificate"


async def test_who_speaks_something_else_is_told() -> None:
    async with opened() as door:
        _, writer = await asyncio.open_connection(HOST, door.port)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        assert (await door.said())[0][1].startswith("TLS: ")
        writer.close()


async def test_who_only_looks_whether_somebody_listens_is_not_told_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "HANDSHAKE", 0.1)
    async with opened() as door:
        for _ in range(3):
            _, writer = await asyncio.open_connection(HOST, door.port)
            writer.close()
        _, silent = await asyncio.open_connection(HOST, door.port)
        assert await door.asks(door.client()) == b"hello"
        silent.close()
    assert not door.refused


async def test_closing_does_not_wait_for_who_never_finishes_the_handshake() -> None:
    async with asyncio.timeout(60), opened() as door:
        reader, writer = await asyncio.open_connection(HOST, door.port)
        await asyncio.sleep(0.05)
    assert await reader.read() == b""
    writer.close()
