"""How does an HTTP request come to the worker that must answer it? With its whole connection.

A connection may carry requests for several mounts, one after the other. It goes to where the next
one belongs, between two requests, with what was read of it. Nothing is relayed.
"""

import asyncio
import json
import logging
import os
import socket
from collections.abc import MutableMapping
from typing import Any, Final, cast

from hilum.net.guard import Application, Receive, Send
from hilum.net.homes import Homes
from hilum.net.letters import Letters

log = logging.getLogger(__name__)

LONGEST: Final = 64 * 1024  # bytes of a request line
_TEXT: Final = json.dumps({"error": "the worker that must answer this is not here: come again"})
_BODY: Final = _TEXT.encode()
_AGAIN: Final = 1  # seconds
_REFUSED: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: %d\r\n"
    b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (_AGAIN, len(_BODY), _BODY)
)


class Elsewhere:
    """Sees at the beginning of each request to whom it belongs.

    Args:
        homes: who must answer what.
        number: of this worker.
        letters: to the others.
    """

    def __init__(self, homes: Homes, number: int, letters: Letters) -> None:
        self._homes = homes
        self._number = number
        self._letters = letters

    def is_incomplete(self, data: bytes) -> bool:
        """Whether more must come of a request before anybody can say whose it is."""
        return b"\n" not in data.lstrip(b"\r\n") and len(data) < LONGEST

    async def went(self, data: bytes, transport: asyncio.WriteTransport) -> bool:
        """Whether another has the connection now; then it is closed here.

        Args:
            data: all that was read of the request.
            transport: of the connection.
        """
        words = data.lstrip(b"\r\n").partition(b"\n")[0].split(None, 2)
        home = self._homes.of_path(words[1].decode("latin-1")) if len(words) > 1 else None
        if home is None or home == self._number:
            return False
        if transport.is_closing():
            return True
        cast("asyncio.ReadTransport", transport).pause_reading()  # what comes now is read there
        try:
            with socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno())) as ours:
                await self._letters.send(home, "http", ours, data)
        except OSError as error:
            log.warning("a request could not be handed on: %s", error.strerror or error)
            transport.write(_REFUSED)
            transport.close()
        else:
            transport.abort()
        return True

    def only_here(self, application: Application) -> Application:
        """The application, but for requests that came here all the same, such as pipelined ones."""

        async def guarded(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
            path = bytes(scope.get("raw_path", b"")).decode("latin-1")
            home = self._homes.of_path(path) if scope["type"] == "http" else None
            if home is None or home == self._number:
                await application(scope, receive, send)
                return
            headers = [
                (b"content-type", b"application/json"),
                (b"content-length", b"%d" % len(_BODY)),
                (b"retry-after", b"%d" % _AGAIN),
                (b"connection", b"close"),
            ]
            await send({"type": "http.response.start", "status": 503, "headers": headers})
            await send({"type": "http.response.body", "body": _BODY})

        return guarded
