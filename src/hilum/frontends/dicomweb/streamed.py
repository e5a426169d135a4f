"""How does an answer leave that is still being made? Within the block that its source opened."""

import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from hilum.frontends.dicomweb import errors
from hilum.frontends.dicomweb.asked import request_id
from hilum.frontends.dicomweb.leaving import Watch, watching
from hilum.model.errors import HilumError, Vanished
from hilum.net.pieces import Piece, Pieces, Some

_log = logging.getLogger(__name__)

Headers = list[tuple[str, str]]

_BODILESS = frozenset({204, 304})  # RFC 9110 §8.6: nothing is said of a length


@dataclass(frozen=True, slots=True)
class Answer:
    """A status line, headers, and a body that is there or still to come.

    Attributes:
        body: whole, in pieces, or still to come.
        length: bytes in the body, where it is still to come and that is known.
    """

    status: int
    headers: Headers
    body: bytes | list[Piece] | Pieces | AsyncGenerator[Some, None]
    length: int | None = None


class Streamed(Response):
    """Opens an answer's source, sends it, and closes the source: all in one task.

    What fails before the first byte chooses the status, once it has failed twice where the file
    of an instance was replaced meanwhile; what fails later cuts the answer off,
    so that nobody takes it for whole. A client that leaves cancels the work at once.
    """

    def __init__(
        self,
        request: Request,
        opened: Callable[[], AbstractAsyncContextManager[Answer]],
        failed: Callable[[Exception, str], Response] = errors.answer,
    ) -> None:
        # Not starlette's: it would make headers, of which none is sent.
        self._opened = opened
        self._failed = failed
        self._request_id = request_id(request)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer; never raises but when cancelled from outside."""
        failed: Response | None = None
        watch = watching(scope, receive)
        async with watch:
            failed = await self._answer(scope, send, watch)
        if watch.is_gone:
            _log.info("request %s: the client went away", self._request_id)
        if failed is not None:
            await failed(scope, receive, send)

    async def _answer(
        self, scope: Scope, send: Send, watch: Watch, *, again: bool = True
    ) -> Response | None:
        """Send the answer; gives what to answer instead when nothing has left yet."""
        begun = False
        try:
            async with self._opened() as answer:
                begun = True
                await _send(answer, scope, send, watch)
        except OSError:
            # From `send`: the sources raise HilumErrors only.
            _log.info("request %s: the client stopped reading", self._request_id)
        except HilumError as error:
            if not begun and again and isinstance(error, Vanished):
                return await self._answer(scope, send, watch, again=False)
            if not begun:
                return self._failed(error, self._request_id)
            _log.warning("request %s: answer cut off: %s", self._request_id, error)
        except Exception as error:  # noqa: BLE001 - logged; the client gets a 500 or a cut
            if not begun:
                return self._failed(error, self._request_id)
            _log.exception("request %s: answer cut off", self._request_id)
        return None


class Unanswered(Response):
    """No answer at all: the client is gone, or the server's own 408 stands for it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send nothing."""


async def _send(answer: Answer, scope: Scope, send: Send, watch: Watch) -> None:
    body = Pieces(answer.body) if isinstance(answer.body, list) else answer.body
    length = answer.length if isinstance(body, AsyncGenerator) else len(body)
    headers = [(name.lower().encode(), value.encode()) for name, value in answer.headers]
    if length is not None and answer.status not in _BODILESS:
        headers.append((b"content-length", str(length).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    if not isinstance(body, AsyncGenerator):
        # It may have to wait for the rest of the request, which is the watcher's to read until
        # here.
        watch.stop()
        await send({"type": "http.response.body", "body": body})
        return
    async with aclosing(body):
        try:
            if scope["method"] != "HEAD":
                async for chunk in body:
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
        finally:
            watch.stop()  # what is open is closed in peace
    await send({"type": "http.response.body", "body": b""})
