"""What happens to every request on its way in and out: a name, a tidy path, a line in the log."""

import logging
import re
import time
from random import getrandbits

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hilum.config.schema import HttpSettings
from hilum.core import correlation
from hilum.core.correlation import Correlation, traced
from hilum.core.summary import in_words
from hilum.frontends.dicomweb import errors
from hilum.frontends.dicomweb.safe import ALWAYS, safe

_ABSOLUTE = re.compile(r"^https?://[^/]*", re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z0-9._:\-]{1,128}")
_TRACE = (b"traceparent", b"tracestate")

_log = logging.getLogger(__name__)


class Access:
    """The outermost layer of the application.

    * X-Request-ID of the client is kept if it is harmless, else one is made; it is returned.
    * `base_path` is cut off; what is not below it is 404. Slashes at the end mean nothing.
    * Its answer has what browsers must be told (`safe`).
    * One line per request; without the query, which may name patients.
    """

    def __init__(self, app: ASGIApp, settings: HttpSettings) -> None:
        self._app = app
        self._base = settings.base_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.monotonic()
        name = _name(scope)
        status, size = 0, 0

        async def sent(message: Message) -> None:
            nonlocal status, size
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = message.get("headers", [])
                own = (b"x-request-id", name.encode())
                message = {**message, "headers": [*headers, own, *safe(status, headers)]}
            else:
                size += len(message.get("body", b""))
            await send(message)

        path = _tidy(scope["path"])
        scope.setdefault("state", {})["request_id"] = name
        done = Correlation(name, told=[])
        _continue_trace(done, scope)
        scope["hilum.headers"] = [*scope.get("hilum.headers", ()), *ALWAYS]
        with correlation.within(done):
            try:
                if not self._base or path == self._base or path.startswith(self._base + "/"):
                    scope["path"] = path[len(self._base) :] or "/"
                    await self._app(scope, receive, sent)
                else:
                    await errors.said(404, "Not Found")(scope, receive, sent)
            finally:
                self._tell(scope["method"], path, status, size, began)

    def _tell(self, method: str, path: str, status: int, size: int, began: float) -> None:
        """The line of a request, and of all that was done for it."""
        about = correlation.now()
        told, about.told = about.told or (), None  # what goes on in the background tells itself
        if not _log.isEnabledFor(logging.INFO):
            return
        milliseconds = round((time.monotonic() - began) * 1000, 1)
        _log.info(
            "%s %s %s: %s, %d bytes, %.1f ms%s",
            *(about.request_id, method, _printable(path), status or "no answer", size),
            *(milliseconds, "".join(f"; {in_words(each)}" for each in told)),
            extra={
                "fields": {
                    "method": method,
                    "path": _printable(path),
                    "status": status,
                    "size": size,
                    "milliseconds": milliseconds,
                    **({"operations": told} if told else {}),
                }
            },
        )


def _name(scope: Scope) -> str:
    """The name of a request: the client's, or a new one, which need not be hard to guess."""
    for header, value in scope["headers"]:
        if header == b"x-request-id":
            given = value.decode("latin-1")
            if _NAME.fullmatch(given):
                return str(given)
            break
    return f"{getrandbits(128):032x}"


def _continue_trace(done: Correlation, scope: Scope) -> None:
    """Where the client has one (W3C Trace Context)."""
    said = {name: value for name, value in scope["headers"] if name in _TRACE}
    if said:
        parent, state = (said.get(name, b"").decode("latin-1") for name in _TRACE)
        traced(done, parent, state)


def _tidy(path: str) -> str:
    """A path without the host that a proxy's client writes before it, and spare slashes."""
    if path.startswith("/") and "//" not in path and not path.endswith("/"):
        return path
    path = _ABSOLUTE.sub("", path, count=1)  # RFC 9112 §3.2.2: "a server MUST accept" it
    return re.sub("/{2,}", "/", path).rstrip("/") or "/"


def _printable(path: str) -> str:
    """A path from outside, fit for a log line."""
    return "".join(each if each.isprintable() else "?" for each in path[:512])
