"""How are the requests of one connection handed on, and their answers framed? HTTP/1.1 with h11.

What hypercorn does between it and the application (a queue, events of its own, a task that only
waits) costs more than a small answer itself, and it joins each piece of a body to its framing: a
copy of every image.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from time import time
from typing import Final
from urllib.parse import unquote

import h11
from h11._readers import ContentLengthReader  # to go past it: see `_Exchange.passed`
from hypercorn.asyncio.task_group import TaskGroup
from hypercorn.asyncio.worker_context import WorkerContext
from hypercorn.config import Config
from hypercorn.events import Event, RawData

from hilum.core.budget import LEAST, Share
from hilum.net.body import Body
from hilum.net.guard import Application, Message
from hilum.net.pieces import Pieces
from hilum.net.tls import subject

Address = tuple[str, int] | None

SMALL: Final = 64 * 1024  # bytes; up to this the pieces of a write are joined
WRITE_HIGH: Final = 512 * 1024
"""Bytes waiting to be sent, from which on an answer waits; fewer where many are sent at once."""
_BODILESS: Final = frozenset({204, 304})  # RFC 9110 §6.4.1

_log = logging.getLogger(__name__)


class _Exchange(h11.Connection):
    """Keeps h11 from asking for 100 Continue before the application wants the body."""

    @property
    def they_are_waiting_for_100_continue(self) -> bool:
        return False

    @property
    def owed(self) -> int:
        """Bytes of a body of known length that are still to come, if what comes next is of it."""
        if self.their_state is not h11.SEND_BODY or self.client_is_waiting_for_100_continue:
            return 0
        if not isinstance(self._reader, ContentLengthReader) or self.trailing_data[0]:
            return 0
        return self._reader._remaining  # noqa: SLF001 - see `passed`

    def passed(self, count: int) -> None:
        """Count so many bytes of the body as read: h11 would copy each of them three times."""
        assert isinstance(self._reader, ContentLengthReader)  # noqa: S101 - see `owed`
        self._reader._remaining -= count  # noqa: SLF001 - h11 has no other way


class Http1:
    """The requests of one connection, one after another; the interface of hypercorn's protocols.

    Attributes:
        app: what answers them; set before the first comes.

    Args:
        config: hypercorn's.
        context: says when the service ends.
        group: the tasks of this connection.
        writer: of the connection.
        ends: closes the connection, once what was written has left.
        idle: told when a request begins (True) and when it has ended (False).
        patience: seconds that a client may leave an answer unread.
    """

    app: Application

    def __init__(  # noqa: PLR0913 - what a connection is made of
        self,
        config: Config,
        context: WorkerContext,
        group: TaskGroup,
        writer: asyncio.StreamWriter,
        addresses: tuple[Address, Address],
        *,
        ends: Callable[[], Awaitable[None]],
        idle: Callable[[bool], Awaitable[None]],
        patience: float,
    ) -> None:
        self._h11 = _Exchange(h11.SERVER, config.h11_max_incomplete_size)
        self._config = config
        self._context = context
        self._group = group
        self._writer = writer
        self._transport = writer.transport
        self._high = WRITE_HIGH
        self._transport.set_write_buffer_limits(high=WRITE_HIGH)
        self._client, self._server = addresses
        self._scheme = "http" if writer.get_extra_info("sslcontext") is None else "https"
        self._subject = subject(writer.get_extra_info("certificate"))
        self._ends = ends
        self._idle = idle
        self._patience = patience
        self._body: Body | None = None
        self._room = asyncio.Event()
        self._head: list[bytes] = []  # of an answer, until its body begins
        self._has_body = True  # the answer at hand
        self._is_head = False  # the request at hand

    # What comes

    async def handle(self, event: Event) -> None:
        """Take what was read, or word that the client is gone."""
        if isinstance(event, RawData):
            data = event.data
            owed = self._h11.owed if data else 0
            if owed:
                await self._put(data if len(data) <= owed else data[:owed])
                self._h11.passed(min(owed, len(data)))
                if len(data) < owed:
                    return
                data = data[owed:]
            if data or not owed:
                self._h11.receive_data(data)
            await self._read()
        elif self._body is not None:
            self._body.leave()

    async def _read(self) -> None:
        """Hand on what has come, until more is needed."""
        while True:
            try:
                event = self._h11.next_event()
            except h11.RemoteProtocolError as error:
                await self._refuse(error.error_status_hint)
                return
            if isinstance(event, h11.Request):
                await self._begin(event)
            elif event is h11.PAUSED:  # the next request is here already
                if self._body is None:
                    return  # it is never begun: the connection ends
                await self._made_room()
            elif isinstance(event, h11.Data):
                await self._put(event.data)
            elif isinstance(event, h11.EndOfMessage):
                if self._body is not None:
                    self._body.put(None)
            else:
                return

    async def _put(self, data: bytes | bytearray) -> None:
        """Hand on a piece of the body, if anybody wants it."""
        while self._body is not None and not self._body.put(data):
            await self._made_room()

    async def _made_room(self) -> None:
        self._room.clear()
        await self._room.wait()

    async def _begin(self, request: h11.Request) -> None:
        await self._idle(True)  # noqa: FBT003 - see `__init__`
        if _wants_websocket(request):
            await self._refuse(403)
            return
        path, _, query = request.target.partition(b"?")
        method = request.method.decode("ascii").upper()
        scope = {
            "type": "http",
            "http_version": request.http_version.decode("ascii"),
            "asgi": {"spec_version": "2.1", "version": "3.0"},
            "method": method,
            "scheme": self._scheme,
            "path": unquote(path.decode("ascii")),
            "raw_path": path,
            "query_string": query,
            "root_path": self._config.root_path,
            "headers": list(request.headers),
            "client": self._client,
            "server": self._server,
            "state": {},
            "extensions": {"tls": {"client_cert_name": self._subject}} if self._subject else {},
        }
        self._is_head, self._head = method == "HEAD", []
        self._body = Body(self._room)
        self._group.spawn(self._run, scope, self._body)

    async def _run(self, scope: Mapping[str, object], body: Body) -> None:
        """One request, from its head to the end of its answer."""
        try:
            await self.app(dict(scope), body.receive, partial(self._send, body))
        except Exception:  # noqa: BLE001 - logged; the connection ends
            _log.exception("an HTTP request failed")
        finally:
            await self._ended()

    async def _ended(self) -> None:
        """Make room for the next request, or end the connection."""
        if self._body is not None:
            self._body.close()
        self._body = None
        self._room.set()
        state = self._h11
        if self._transport.is_closing():
            return
        if state.our_state is h11.SEND_RESPONSE and state.their_state is not h11.ERROR:
            await self._refuse(500)  # it was not answered
        elif (
            state.our_state is h11.DONE
            and state.their_state is h11.DONE
            and not self._context.terminated.is_set()
        ):
            state.start_next_cycle()
            await self._idle(False)  # noqa: FBT003 - see `__init__`
        else:
            await self._ends()

    # What leaves

    @property
    def expects(self) -> bool:
        """Whether the client waits for 100 Continue before it sends the body."""
        return bool(self._h11.client_is_waiting_for_100_continue)

    @property
    def has_more(self) -> bool:
        """Whether some of the body is here already."""
        return self._body is not None and self._body.has_more

    @property
    def body_came(self) -> bool:
        """Whether the client has sent all of the body."""
        return self._h11.their_state is h11.DONE

    async def invite(self) -> None:
        """Send 100 Continue (RFC 9110 §10.1.1)."""
        if not self._transport.is_closing():
            self._write(self._framed(h11.InformationalResponse(status_code=100, headers=[])))

    async def _send(self, body: Body, message: Message) -> None:
        """ASGI's `send`, of the request that has this body.

        Pieces leave as they are, in one write with what frames them.

        Raises:
            OSError: the client is gone, or has read nothing for `patience`.
        """
        if self._body is not body:
            return  # its answer has ended
        if message["type"] == "http.response.start":
            self._has_body = not self._is_head and message["status"] not in _BODILESS
            headers = [*message.get("headers", ()), *_dated(self._config)]
            # It waits for the first piece of the body: one packet.
            self._head = self._framed(h11.Response(status_code=message["status"], headers=headers))
            return
        pieces, self._head = self._head, []
        data = message.get("body", b"")
        if data and self._has_body:
            for each in self._framed(h11.Data(data=data)):  # h11 asks for no more than its length
                pieces += each.pieces if isinstance(each, Pieces) else (each,)
        if not message.get("more_body"):
            pieces += self._framed(h11.EndOfMessage())
        self._write(pieces)
        await self._drained()

    def _framed(self, event: h11.Event) -> list[bytes]:
        """The bytes of an event; none where the client broke the protocol meanwhile."""
        try:
            return self._h11.send_with_data_passthrough(event) or []
        except h11.LocalProtocolError:
            if self._h11.their_state is not h11.ERROR:
                raise
            return []

    def _write(self, pieces: list[bytes]) -> None:
        """Write pieces together; those of a big write are not joined, but sent from where they are.

        Raises:
            OSError: the client is gone.
        """
        if self._transport.is_closing():
            raise ConnectionResetError("the client is gone")
        if len(pieces) > 1 and sum(map(len, pieces)) > SMALL:
            self._transport.writelines(pieces)
        elif pieces:
            self._transport.write(b"".join(pieces))

    async def _drained(self) -> None:
        """Wait until the client has read enough.

        Raises:
            OSError: it does not.
        """
        waiting = self._transport.get_write_buffer_size()
        if waiting <= LEAST:
            return
        high = min(WRITE_HIGH, Share().room)
        if waiting <= high:
            return
        if high != self._high:
            self._high = high
            self._transport.set_write_buffer_limits(high=high)
        try:
            async with asyncio.timeout(self._patience):
                await self._writer.drain()
        except TimeoutError:
            raise ConnectionAbortedError("the client does not read its answer") from None

    async def _refuse(self, status: int) -> None:
        """Answer with a status only, if nothing was answered yet, and end the connection."""
        if self._h11.our_state in {h11.IDLE, h11.SEND_RESPONSE} and not self._head:
            headers = [(b"content-length", b"0"), (b"connection", b"close")]
            headers += _dated(self._config)
            pieces = self._framed(h11.Response(status_code=status, headers=headers))
            pieces += self._framed(h11.EndOfMessage())
            if not self._transport.is_closing():
                self._write(pieces)
        await self._ends()


def _wants_websocket(request: h11.Request) -> bool:
    """Whether another protocol is asked for that browsers would take us up on (RFC 6455 §4.1)."""
    headers = {
        name: value for name, value in request.headers if name in {b"upgrade", b"connection"}
    }
    return (
        headers.get(b"upgrade", b"").strip().lower() == b"websocket"
        and b"upgrade" in headers.get(b"connection", b"").lower()
    )


_day: tuple[int, list[tuple[bytes, bytes]]] = (0, [])


def _dated(config: Config) -> list[tuple[bytes, bytes]]:
    """The headers of every answer: Date, made once a second."""
    global _day  # noqa: PLW0603 - a memory of one
    now = int(time())
    if _day[0] != now:
        _day = now, config.response_headers("h11")
    return _day[1]
