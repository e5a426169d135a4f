"""How is one HTTP request kept from waiting for ever? Bounds on every wait, and drained bodies."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import suppress
from time import monotonic
from typing import Any, Protocol

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

LEAST = 500  # bytes a second; a body that comes more slowly is not waited for
DRAIN = 256 * 1024 * 1024  # bytes of a body that nobody wants any more

_log = logging.getLogger(__name__)


class Invites(Protocol):
    """Can ask a client for the body that it holds back (RFC 9110 §10.1.1)."""

    @property
    def expects(self) -> bool:
        """Whether the client waits for 100 Continue before it sends the body."""

    @property
    def has_more(self) -> bool:
        """Whether some of the body is here already."""

    @property
    def body_came(self) -> bool:
        """Whether the client has sent all of the body."""

    async def invite(self) -> None:
        """Send 100 Continue."""


class Guard:
    """Between one connection and the application: bounds every wait, and drains bodies.

    * A body that stops coming, or drips, ends as a disconnect; 408 is answered where nothing was
      yet.
    * An answer that is not read any more ends in OSError (see `http1`), and the connection is cut.
    * An answer that is complete before the body has come is held open by its last (empty)
      piece until the body was swallowed: or else the client never sees it, only a reset.
    """

    def __init__(
        self,
        application: Application,
        patience: float,
        protocol: Invites,
        transport: asyncio.WriteTransport,
    ) -> None:
        self._application = application
        self._patience = patience
        self._protocol = protocol
        self._transport = transport

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        request = _Request(self._patience, self._protocol, receive, send)
        try:
            await self._application(scope, request.receive, request.send)
        except asyncio.CancelledError:
            self._transport.abort()
            raise
        except OSError:
            _log.debug("a client went away or stopped reading")
            self._transport.abort()
        except Exception:  # noqa: BLE001 - logged and answered
            _log.exception("an HTTP request failed")
            await request.refuse(500, "internal error", scope)
        if request.timed_out:
            await request.refuse(408, "the request was not complete in time", scope)
        if not (request.body_done or self._protocol.body_came) and request.invited:
            self._transport.abort()


class _Request:
    """One request: what was received and sent so far."""

    def __init__(self, patience: float, protocol: Invites, receive: Receive, send: Send) -> None:
        self._patience = patience
        self._protocol = protocol
        self._receive = receive
        self._send = send
        self.body_done = False
        self.gone = False
        self.invited = not protocol.expects
        self.answered = False
        self.timed_out = False
        self._time = patience  # seconds for which the body may still be waited for

    async def receive(self) -> Message:
        """The next piece of the body, or word that the client is gone."""
        if self.gone or self.timed_out:
            return {"type": "http.disconnect"}
        if self.body_done or self._protocol.has_more:
            return self._noted(await self._receive())
        if not self.invited:
            self.invited = True
            if self._protocol.expects:
                await self._protocol.invite()
        began = monotonic()
        try:
            async with asyncio.timeout(min(self._patience, self._time)):
                message = await self._receive()
        except TimeoutError:
            self.timed_out = True
            return {"type": "http.disconnect"}
        self._time += len(message.get("body", b"")) / LEAST - (monotonic() - began)
        return self._noted(message)

    def _noted(self, message: Message) -> Message:
        self.gone = message["type"] == "http.disconnect"
        self.body_done = self.gone or not message.get("more_body")
        return message

    async def send(self, message: Message) -> None:
        """Send, within bounds.

        Raises:
            OSError: the client does not take it.
        """
        last = message["type"] == "http.response.body" and not message.get("more_body")
        if last and not (self.body_done or self._protocol.body_came) and self.invited:
            await self._send({**message, "more_body": True})
            await self._drain()
            message = {"type": "http.response.body", "body": b""}
        await self._send(message)
        self.answered = True

    async def _drain(self) -> None:
        swallowed = 0
        while not self.body_done and not self.timed_out and swallowed < DRAIN:
            swallowed += len((await self.receive()).get("body", b""))

    async def refuse(self, status: int, text: str, scope: Mapping[str, Any]) -> None:
        """Answer with an error, if nothing was answered yet, and close the connection.

        It has the headers besides that the application left in `hilum.headers` of the scope.
        """
        if self.answered or self.gone:
            return
        body = f'{{"error":"{text}"}}'.encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
            *scope.get("hilum.headers", ()),
        ]
        with suppress(OSError):
            await self.send({"type": "http.response.start", "status": status, "headers": headers})
            await self.send({"type": "http.response.body", "body": body})
