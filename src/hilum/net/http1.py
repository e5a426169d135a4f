"""How are the requests of one connection handed on, and their answers sent? HTTP/1.1.

A request that came whole and has no body is answered at once, by whoever read it (see `plain`).
Others are read by h11 (see `exchange`), while a task of their own answers them.

What hypercorn does between it and the application (a queue, events of its own, a task that only
waits) costs more than a small answer itself, and it joins each piece of a body to its framing: a
copy of every image.
"""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from time import time
from typing import Any, Final
from urllib.parse import unquote

import h11
from hypercorn.asyncio.task_group import TaskGroup
from hypercorn.asyncio.worker_context import WorkerContext
from hypercorn.config import Config
from hypercorn.events import Event, RawData

from hilum.core.budget import LEAST, Share
from hilum.net.body import BODY, Body
from hilum.net.exchange import Exchange, Frames
from hilum.net.fair import turn
from hilum.net.guard import Application, Message
from hilum.net.lying import Lying, link_of, write
from hilum.net.pieces import Piece
from hilum.net.plain import Plain, Told
from hilum.net.tls import subject

Address = tuple[str, int] | None

SMALL: Final = 64 * 1024  # bytes; up to this the pieces of a write are joined
WRITE_HIGH: Final = 512 * 1024
"""Bytes waiting to be sent, from which on an answer waits; fewer where many are sent at once."""

_log = logging.getLogger(__name__)


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
        idle: Callable[[bool], None],
        patience: float,
    ) -> None:
        self._h11 = Exchange(config.h11_max_incomplete_size)
        self._frames: Frames = self._h11  # of the request at hand
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
        self._told = Told()
        self._is_plain = True  # h11 was told of nothing as yet
        self._body: Body | None = None
        self._room = asyncio.Event()
        self._link: socket.socket | None = None  # see `lying`
        self._head: list[Piece] = []  # of an answer, until its body begins

    # What comes

    async def handle(self, event: Event) -> None:
        """Take what was read, or word that the client is gone."""
        if not isinstance(event, RawData):
            if self._body is not None:
                self._body.leave()
            return
        data = event.data
        fresh = self._is_plain or self._h11.is_fresh
        if self._body is None and fresh and not self._transport.is_closing():
            plain = Plain.read(data, self._told)
            if plain is not None:
                await self._answer(plain)
                return
        owed = self._h11.owed if data else 0
        if owed:
            await self._put(data if len(data) <= owed else data[:owed])
            self._h11.passed(min(owed, len(data)))
            if len(data) < owed:
                return
            data = data[owed:]
        self._is_plain = False
        if data or not owed:
            self._h11.receive_data(data)
        await self._read()

    def left(self) -> None:
        """The client has gone, while nobody reads: whoever did answers a request."""
        if self._body is not None and self._frames is not self._h11:
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
        await turn()

    async def _begin(self, request: h11.Request) -> None:
        self._idle(True)  # noqa: FBT003 - see `__init__`
        headers = list(request.headers)
        if _wants_websocket(headers):
            await self._refuse(403)
            return
        scope = self._scope(request.method, request.target, request.http_version, headers)
        self._frames, self._head = self._h11, []
        self._body = Body(self._room)
        self._group.spawn(self._run, scope, self._body)

    async def _answer(self, request: Plain) -> None:
        """Answer a request whose client has nothing more to say."""
        self._idle(True)  # noqa: FBT003 - see `__init__`
        scope = self._scope(request.method, request.target, b"1.1", request.headers)
        self._frames, self._head = request, []
        self._body = scope[BODY] = Body(self._room)
        self._body.put(None)
        await self._run(scope, self._body)

    def _scope(
        self, method: bytes, target: bytes, version: bytes, headers: list[tuple[bytes, bytes]]
    ) -> dict[str, Any]:
        """What the application is told of a request."""
        path, _, query = target.partition(b"?")
        return {
            "type": "http",
            "http_version": version.decode("ascii"),
            "asgi": {"spec_version": "2.1", "version": "3.0"},
            "method": method.decode("ascii").upper(),
            "scheme": self._scheme,
            "path": unquote(path.decode("ascii")),
            "raw_path": path,
            "query_string": query,
            "root_path": self._config.root_path,
            "headers": headers,
            "client": self._client,
            "server": self._server,
            "state": {},
            "extensions": {"tls": {"client_cert_name": self._subject}} if self._subject else {},
        }

    async def _run(self, scope: dict[str, Any], body: Body) -> None:
        """One request, from its head to the end of its answer."""
        try:
            await self.app(scope, body.receive, partial(self._send, body))
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
        if self._transport.is_closing():
            return
        frames = self._frames
        if frames.is_unanswered:
            await self._refuse(500)
        elif frames.is_over and not self._context.terminated.is_set():
            if frames is self._h11:
                self._h11.start_next_cycle()
            self._frames = self._h11
            self._idle(False)  # noqa: FBT003 - see `__init__`
        else:
            await self._ends()

    # What leaves

    @property
    def expects(self) -> bool:
        """Whether the client waits for 100 Continue before it sends the body."""
        return self._frames.expects

    @property
    def has_more(self) -> bool:
        """Whether some of the body is here already."""
        return self._body is not None and self._body.has_more

    @property
    def body_came(self) -> bool:
        """Whether the client has sent all of the body."""
        return self._frames.body_came

    async def invite(self) -> None:
        """Send 100 Continue (RFC 9110 §10.1.1)."""
        if not self._transport.is_closing():
            self._write(self._h11.invitation())

    async def _send(self, body: Body, message: Message) -> None:
        """ASGI's `send`, of the request that has this body.

        Pieces leave as they are, in one write with what frames them.

        Raises:
            OSError: the client is gone, or has read nothing for `patience`.
        """
        if self._body is not body:
            return  # its answer has ended
        frames = self._frames
        if message["type"] == "http.response.start":
            headers = [*message.get("headers", ()), *_dated(self._config)]
            # It waits for the first piece of the body: one packet.
            self._head = frames.head(message["status"], headers)
            return
        pieces, self._head = self._head, []
        pieces += frames.body(message.get("body", b""))
        if not message.get("more_body"):
            pieces += frames.end()
        self._write(pieces)
        await self._drained()

    def _write(self, pieces: list[Piece]) -> None:
        """Write pieces together; those of a big write are not joined, but sent from where they are.

        Raises:
            OSError: the client is gone.
        """
        if self._transport.is_closing():
            raise ConnectionResetError("the client is gone")
        if len(pieces) > 1 and sum(map(len, pieces)) > SMALL:
            if self._link is None and any(isinstance(each, Lying) for each in pieces):
                self._link = link_of(self._transport)
            write(pieces, self._transport, self._link)
        elif pieces:
            self._transport.write(b"".join(map(bytes, pieces)))

    def close(self) -> None:
        """The connection ends, or somebody else has it."""
        if self._link is not None:
            self._link.close()
            self._link = None

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
        frames = self._frames
        if frames.is_unanswered and not self._head:
            headers = [(b"content-length", b"0"), (b"connection", b"close")]
            pieces = frames.head(status, [*headers, *_dated(self._config)]) + frames.end()
            if not self._transport.is_closing():
                self._write(pieces)
        await self._ends()


def _wants_websocket(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether another protocol is asked for that browsers would take us up on (RFC 6455 §4.1)."""
    said = {name: value for name, value in headers if name in {b"upgrade", b"connection"}}
    return (
        said.get(b"upgrade", b"").strip().lower() == b"websocket"
        and b"upgrade" in said.get(b"connection", b"").lower()
    )


_day: tuple[int, list[tuple[bytes, bytes]]] = (0, [])


def _dated(config: Config) -> list[tuple[bytes, bytes]]:
    """The headers of every answer: Date, made once a second."""
    global _day  # noqa: PLW0603 - a memory of one
    now = int(time())
    if _day[0] != now:
        _day = now, config.response_headers("h11")
    return _day[1]
