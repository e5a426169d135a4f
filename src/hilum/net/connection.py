"""What is one HTTP connection? It is read, and sure to end: HTTP/1.1."""

import asyncio
import logging
import socket
from contextlib import suppress

from hilum.net.blocks import Blocks
from hilum.net.elsewhere import Elsewhere
from hilum.net.guard import Application, Guard
from hilum.net.http1 import Address, Http1

IDLE = 60.0  # seconds for a request to begin, first or next
CLOSING = 5.0  # seconds for what was written to leave, once a connection is closed
BUFFER = 256 * 1024  # bytes read ahead, and at once
ALL = 8 * BUFFER  # bytes, more than ever wait to be read

_log = logging.getLogger(__name__)


class Connection:
    """One connection.

    Args:
        application: answers its requests.
        patience: seconds that a client may be silent in the middle of one.
        ending: set when the service ends: a connection then ends with its request.
        reader, writer: of it.
        elsewhere: who hands on what another worker must answer.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - what a connection is made of
        self,
        application: Application,
        patience: float,
        ending: asyncio.Event,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        elsewhere: Elsewhere | None = None,
    ) -> None:
        self.reader = reader
        self.writer = writer
        self._ending = ending
        self._application = application
        self._patience = patience
        self._elsewhere = elsewhere
        self._gone = False
        self._http1: Http1 | None = None
        self.idle = _Idle(writer.transport, patience)

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
        """Answer what comes, until one side wants no more."""
        ours = self.writer.get_extra_info("socket")
        try:
            # asyncio does it only where the listener was made with IPPROTO_TCP. Without it each
            # answer waits 40 ms for the client's delayed ACK between its head and its body.
            ours.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            addresses = _address(ours, ours.getpeername()), _address(ours, ours.getsockname())
            async with asyncio.TaskGroup() as group:
                http1 = Http1(
                    self._ending,
                    group,
                    self.writer,
                    addresses,
                    ends=self._close,
                    idle=self._busy,
                    patience=self._patience,
                )
                self._http1 = http1
                http1.app = Guard(self._application, self._patience, http1, self.writer.transport)
                if isinstance(self.reader, Blocks):
                    self.reader.left = http1.left
                self.idle.begin()
                await (self._read(http1) if self._elsewhere is None else self._read_ours(http1))
        except OSError:
            pass
        finally:
            if self._http1 is not None:
                self._http1.close()
            await self._close()

    async def _read(self, http1: Http1) -> None:
        """Hand on what comes; how long a client may be silent is `Guard`'s."""
        while not self.reader.at_eof():
            try:
                data = await self.reader.read(BUFFER)
            except OSError:
                break
            self.idle.begun()
            await http1.handle(data)
        http1.gone()

    async def _read_ours(self, http1: Http1) -> None:
        """As `_read`, but another worker gets the connection with a request of its own."""
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
            await http1.handle(data)
            data = b""
        http1.gone()

    def _busy(self, began: bool) -> None:  # noqa: FBT001 - see `Http1`
        """A request begins, or has ended."""
        if began:
            self.idle.end()
        else:
            self.idle.begin()

    async def _close(self) -> None:
        """Let what was written leave, and end; a peer that reads no more cannot hold us."""
        if self._gone:  # what ends the connection would end it for who has it now
            self.idle.end()
            return
        self.idle.end()
        with suppress(NotImplementedError, OSError, RuntimeError):  # TLS, or gone already
            self.writer.write_eof()
        with suppress(OSError, RuntimeError):  # TimeoutError is one
            async with asyncio.timeout(CLOSING):
                self.writer.close()
                await self.writer.wait_closed()
        self.writer.transport.abort()


def _address(ours: socket.socket, address: tuple[str, int]) -> Address:
    """Host and port of one end; None where it is no network's."""
    return address[:2] if ours.family in {socket.AF_INET, socket.AF_INET6} else None


class _Idle:
    """Ends a connection on which no request comes, or whose head does not come to its end."""

    def __init__(self, transport: asyncio.WriteTransport, patience: float) -> None:
        self._transport = transport
        self._patience = patience
        self._timer: asyncio.TimerHandle | None = None
        self._fresh = True

    @property
    def is_fresh(self) -> bool:
        """Whether what comes next is the beginning of a request."""
        return self._fresh and self._timer is not None

    def begin(self) -> None:
        """Wait for a request from now on."""
        self.end()
        self._fresh = True
        self._timer = asyncio.get_running_loop().call_later(IDLE, self._transport.close)

    def begun(self) -> None:
        """Bytes have come: what is left of the head has its own time, however it drips."""
        if self._timer is not None and self._fresh:
            self._fresh = False
            self._timer.cancel()
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._patience, self._transport.close)

    def end(self) -> None:
        """A request has come, or the connection ends."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def end_if_idle(self) -> None:
        """End the connection now, unless a request is running."""
        if self._timer is not None:
            self._transport.close()
