"""What is one HTTP connection? hypercorn's, but HTTP/1.1 only, and sure to end."""

import asyncio
import logging
import socket
from contextlib import suppress

from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.asyncio.task_group import TaskGroup
from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.asyncio.worker_context import WorkerContext
from hypercorn.config import Config
from hypercorn.events import Closed, RawData
from hypercorn.utils import parse_socket_addr

from hilum.net import fair
from hilum.net.blocks import Blocks
from hilum.net.elsewhere import Elsewhere
from hilum.net.guard import Application, Guard
from hilum.net.http1 import Http1

IDLE = 60.0  # seconds for a request to begin, first or next
CLOSING = 5.0  # seconds for what was written to leave, once a connection is closed
BUFFER = 256 * 1024  # bytes read ahead, and at once
ALL = 8 * BUFFER  # bytes, more than ever wait to be read

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
        elsewhere: Elsewhere | None = None,
    ) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(_wrapped(application), loop, config, context, {}, reader, writer)
        self._application = application
        self._patience = patience
        self._elsewhere = elsewhere
        self._gone = False
        self._http1: Http1 | None = None
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
            if isinstance(self.reader, Blocks):
                self.reader.close()

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
                http1 = Http1(
                    self.config,
                    self.context,
                    group,
                    self.writer,
                    (client, server),
                    ends=self._close,
                    idle=self._busy,
                    patience=self._patience,
                )
                guard = Guard(self._application, self._patience, http1, self.writer.transport)
                http1.app = lambda *request: fair.in_turn(guard, *request)
                self._http1 = http1
                if isinstance(self.reader, Blocks):
                    self.reader.left = http1.left
                # Its interface is hypercorn's.
                self.protocol = http1  # type: ignore[assignment]
                self.idle.begin()
                await (self._read_data() if self._elsewhere is None else self._read_ours())
        except OSError:
            pass
        finally:
            if self._http1 is not None:
                self._http1.close()
            await self._close()

    async def _read_data(self) -> None:
        """As hypercorn's, in bigger pieces; how long a client may be silent is `Guard`'s."""
        while not self.reader.at_eof():
            try:
                data = await self.reader.read(BUFFER)
            except OSError:
                break
            self.idle.begun()
            await fair.turn()
            await self.protocol.handle(RawData(data))
        await self.protocol.handle(Closed())

    async def _read_ours(self) -> None:
        """As `_read_data`, but another worker gets the connection with a request of its own."""
        assert self._elsewhere is not None  # noqa: S101 - see `run`
        data = b""
        while not self.reader.at_eof():
            begun = bool(data)
            try:
                data += await self.reader.read(ALL)
            except OSError:
                break
            begins = begun or self.idle.is_fresh
            if begins and not self.reader.at_eof() and self._elsewhere.is_incomplete(data):
                self.idle.begun()
                continue
            if begins and await self._elsewhere.went(data, self.writer.transport):
                self._gone = True
                return
            self.idle.begun()
            await fair.turn()
            await self.protocol.handle(RawData(data))
            data = b""
        await self.protocol.handle(Closed())

    def _busy(self, began: bool) -> None:  # noqa: FBT001 - see `Http1`
        """A request begins, or has ended."""
        if began:
            self.idle.end()
        else:
            self.idle.begin()

    async def _close(self) -> None:
        """As hypercorn's, but a peer that reads no more cannot hold us."""
        self.idle.close()
        if self._gone:  # what ends the connection would end it for who has it now
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSING):
                await super()._close()
        self.writer.transport.abort()


def _wrapped(application: Application) -> ASGIWrapper:
    # hypercorn types applications by TypedDicts; ours take plain mappings.
    return ASGIWrapper(application)  # type: ignore[arg-type]


class _Idle:
    """Ends a connection on which no request comes, or whose head does not come to its end.

    Its timer goes on through many requests, and looks when it rings: to set one for each costs
    more than reading its head.
    """

    def __init__(self, transport: asyncio.WriteTransport, patience: float) -> None:
        self._transport = transport
        self._patience = patience
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._rings = 0.0  # by the clock of the loop
        self._until = 0.0  # likewise; 0: nothing is waited for
        self._fresh = True

    @property
    def is_fresh(self) -> bool:
        """Whether what comes next is the beginning of a request."""
        return self._fresh and self._until > 0

    def begin(self) -> None:
        """Wait for a request from now on."""
        self._fresh = True
        self._wait(IDLE)

    def begun(self) -> None:
        """Bytes have come: what is left of the head has its own time, however it drips."""
        if self._until and self._fresh:
            self._fresh = False
            self._wait(self._patience)

    def _wait(self, seconds: float) -> None:
        self._until = until = self._loop.time() + seconds
        if self._timer is None or until < self._rings:
            self._ring_at(until)

    def _ring_at(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._rings = when
        self._timer = self._loop.call_at(when, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if not self._until:
            return
        if self._loop.time() < self._until:
            self._ring_at(self._until)
        else:
            self._transport.close()

    def end(self) -> None:
        """A request has come."""
        self._until = 0.0

    def close(self) -> None:
        """The connection ends."""
        self._until = 0.0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def stop(self) -> None:
        """As hypercorn calls it."""
        self.close()

    def end_if_idle(self) -> None:
        """End the connection now, unless a request is running."""
        if self._until:
            self._transport.close()
