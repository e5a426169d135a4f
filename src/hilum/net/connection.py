"""What is one HTTP connection? hypercorn's, but HTTP/1.1 only, and sure to end."""

import asyncio
import logging
import socket
from contextlib import suppress

import h11
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.asyncio.task_group import TaskGroup
from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.asyncio.worker_context import WorkerContext
from hypercorn.config import Config
from hypercorn.events import Closed, RawData
from hypercorn.protocol import ProtocolWrapper
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.typing import ConnectionState, H11SendableEvent
from hypercorn.utils import parse_socket_addr

from hilum.net.guard import Application, Guard

IDLE = 60.0  # seconds for a request to begin, first or next
CLOSING = 5.0  # seconds for what was written to leave, once a connection is closed
SMALL = 64 * 1024  # bytes; a piece of a body up to this is joined with the head before it
BUFFER = 256 * 1024  # bytes read ahead, and at once

_log = logging.getLogger(__name__)


class Connection(TCPServer):
    """One connection: hypercorn's, but HTTP/1.1 only and sure to end."""

    def __init__(  # noqa: PLR0913, PLR0917 - what a connection is made of
        self,
        application: Application,
        patience: float,
        config: Config,
        context: WorkerContext,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(_wrapped(application), loop, config, context, {}, reader, writer)
        self._application = application
        self._patience = patience
        self.idle = _Idle(writer.transport, patience)
        # Its interface is hypercorn's, which makes and cancels a task for every request.
        self.idle_task = self.idle  # type: ignore[assignment]

    async def guarded(self) -> None:
        """Run to the end; whatever happens here ends this connection only."""
        try:
            await self.run()
        except Exception:  # noqa: BLE001 - logged; the other connections go on
            _log.exception("an HTTP connection failed")
        finally:
            self.writer.transport.abort()

    async def run(self) -> None:
        """As hypercorn's, with our protocol."""
        ours = self.writer.get_extra_info("socket")
        try:
            # asyncio does it only where the listener was made with IPPROTO_TCP. Without it each
            # answer waits 40 ms for the client's delayed ACK between its head and its body.
            ours.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client = parse_socket_addr(ours.family, ours.getpeername())
            server = parse_socket_addr(ours.family, ours.getsockname())
            async with TaskGroup(self.loop) as group:
                self._task_group = group
                self.protocol = _OnlyHttp1(
                    self.app,
                    self.config,
                    self.context,
                    group,
                    ConnectionState({}),
                    False,  # noqa: FBT003 - hypercorn's positional: no TLS
                    client,
                    server,
                    self.protocol_send,
                )
                http1 = _Http1(self.protocol)
                guard = Guard(self._application, self._patience, http1, self.writer.transport)
                http1.app = _wrapped(guard)
                self.protocol.protocol = http1
                await self.idle_task.restart(group, self._idle_timeout)
                await self._read_data()
        except OSError:
            pass
        finally:
            await self._close()

    async def _read_data(self) -> None:
        """As hypercorn's, in bigger pieces; how long a client may be silent is `Guard`'s."""
        while not self.reader.at_eof():
            try:
                data = await self.reader.read(BUFFER)
            except OSError:
                break
            self.idle.begun()
            await self.protocol.handle(RawData(data))
        await self.protocol.handle(Closed())

    async def _close(self) -> None:
        """As hypercorn's, but a peer that reads no more cannot hold us."""
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSING):
                await super()._close()
        self.writer.transport.abort()


def _wrapped(application: Application) -> ASGIWrapper:
    # hypercorn types applications by TypedDicts; ours take plain mappings.
    return ASGIWrapper(application)  # type: ignore[arg-type]


class _Idle:
    """Ends a connection on which no request comes, or whose head does not come to its end."""

    def __init__(self, transport: asyncio.WriteTransport, patience: float) -> None:
        self._transport = transport
        self._patience = patience
        self._timer: asyncio.TimerHandle | None = None
        self._fresh = True

    async def restart(self, _group: object, _action: object) -> None:
        """Wait for a request from now on."""
        await self.stop()
        self._fresh = True
        self._timer = asyncio.get_running_loop().call_later(IDLE, self._transport.close)

    def begun(self) -> None:
        """Bytes have come: what is left of the head has its own time, however it drips."""
        if self._timer is not None and self._fresh:
            self._fresh = False
            self._timer.cancel()
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._patience, self._transport.close)

    async def stop(self) -> None:
        """A request has come, or the connection ends."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def end_if_idle(self) -> None:
        """End the connection now, unless a request is running."""
        if self._timer is not None:
            self._transport.close()


class _OnlyHttp1(ProtocolWrapper):
    """No HTTP/2: at half the speed for bulk, one stream that stalls would stall the others."""


class _Exchange(h11.Connection):
    """Keeps hypercorn from sending 100 Continue before the application wants the body."""

    @property
    def they_are_waiting_for_100_continue(self) -> bool:
        return False


class _Http1(H11Protocol):
    """hypercorn's HTTP/1.1 without upgrades to HTTP/2."""

    connection: h11.Connection

    def __init__(self, wrapper: ProtocolWrapper) -> None:
        super().__init__(
            wrapper.app,
            wrapper.config,
            wrapper.context,
            wrapper.task_group,
            wrapper.state,
            wrapper.ssl,
            wrapper.client,
            wrapper.server,
            wrapper.send,
        )
        self.connection = _Exchange(h11.SERVER, wrapper.config.h11_max_incomplete_size)
        self._held = b""

    async def _check_protocol(self, event: h11.Request) -> None:
        """An upgrade is an offer that a server may ignore (RFC 9110 §7.8)."""

    async def _send_h11_event(self, event: H11SendableEvent) -> None:
        """As hypercorn's, but the head waits for the first piece of the body: one packet."""
        try:
            data = self.connection.send(event) or b""
        except h11.LocalProtocolError:
            if self.connection.their_state is not h11.ERROR:
                raise
            return
        if isinstance(event, h11.Response):
            self._held = data
            return
        held, self._held = self._held, b""
        if len(data) > SMALL and held:
            await self.send(RawData(held))
            held = b""
        if held or data:
            await self.send(RawData(held + data))

    @property
    def expects(self) -> bool:
        """Whether the client waits for 100 Continue before it sends the body."""
        return bool(self.connection.client_is_waiting_for_100_continue)

    async def invite(self) -> None:
        """Send 100 Continue (RFC 9110 §10.1.1)."""
        await self._send_h11_event(h11.InformationalResponse(status_code=100, headers=[]))
