"""Which pages of other origins may read our answers? CORS, as browsers ask for it (Fetch §3.2)."""

import logging
import re
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hilum.config.schema import HttpSettings
from hilum.frontends.dicomweb import errors
from hilum.frontends.dicomweb.safe import ALWAYS, RawHeaders, safe

METHODS: Final = "GET, HEAD, POST, PUT, DELETE, OPTIONS"
EXPOSED: Final = (
    *("Accept-Ranges", "Allow", "Content-Encoding", "Content-Length", "Content-Location"),
    *("Content-Range", "ETag", "Link", "Location", "Preference-Applied", "Retry-After"),
    *("Warning", "WWW-Authenticate", "X-Request-ID"),
)
"""What a page may see besides the headers that every page may (Fetch §3.2.6)."""
EVERY: Final = "*"
"""The origin that stands for all of them."""

_NAMES = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+(\s*,\s*[!#$%&'*+.^_`|~0-9A-Za-z-]+)*")
_VARY = (b"vary", b"Origin")

_log = logging.getLogger(__name__)


class Cors:
    """The outermost layer: answers preflights, and adds to every other answer what it needs.

    An OPTIONS request with Origin and Access-Control-Request-Method is a preflight, whatever its
    path; it never comes further than here. What an origin that is not configured asks for is
    answered as to anybody, without a header of CORS, so that its page cannot read it; its
    preflight is refused with 403, as then whoever looks at the browser's console sees why.

    An answer is sent on as it comes. What the server itself answers, such as 408, takes its
    headers from `hilum.headers` of the scope.
    """

    def __init__(self, app: ASGIApp, settings: HttpSettings) -> None:
        self._app = app
        self._origins = frozenset(settings.cors_origins)
        self._credentials = settings.cors_credentials
        self._max_age = str(round(settings.cors_max_age)).encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if not self._origins and scope["method"] != "OPTIONS":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origin = headers.get("origin", "")
        if scope["method"] == "OPTIONS" and origin and "access-control-request-method" in headers:
            await self._preflight(headers, origin, scope, receive, send)
            return
        added = self._added(origin)
        if not added:
            await self._app(scope, receive, send)
            return
        scope["hilum.headers"] = added

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), *added]}
            await send(message)

        await self._app(scope, receive, sent)

    def _allowed(self, origin: str) -> RawHeaders:
        """What lets the pages of an origin read; nothing where it is not configured."""
        if EVERY in self._origins:
            return [(b"access-control-allow-origin", b"*")]
        if origin.lower() not in self._origins:
            return [_VARY] if self._origins else []
        allowed = [_VARY, (b"access-control-allow-origin", origin.encode("latin-1"))]
        if self._credentials:
            allowed.append((b"access-control-allow-credentials", b"true"))
        return allowed

    def _added(self, origin: str) -> RawHeaders:
        """The headers of an answer that is none to a preflight.

        Without an Origin they are the same as with one where every origin may read, and else
        say that another answer would have been given to it: for whoever caches it.
        """
        added = self._allowed(origin)
        if any(name == b"access-control-allow-origin" for name, _ in added):
            added.append((b"access-control-expose-headers", ", ".join(EXPOSED).encode()))
        return added

    async def _preflight(
        self, headers: Headers, origin: str, scope: Scope, receive: Receive, send: Send
    ) -> None:
        allowed = self._allowed(origin)
        if not any(name == b"access-control-allow-origin" for name, _ in allowed):
            _log.info("a page of an origin that is not in http.cors_origins may not ask")
            refused = errors.said(403, "this origin is not in http.cors_origins")
            refused.raw_headers.extend([*allowed, *safe(403, refused.raw_headers)])
            await refused(scope, receive, send)
            return
        asked = headers.get("access-control-request-headers", "").strip()
        if _NAMES.fullmatch(asked):
            allowed.append((b"access-control-allow-headers", asked.encode("latin-1")))
        allowed += [
            (b"access-control-allow-methods", METHODS.encode()),
            (b"access-control-max-age", self._max_age),
            (b"vary", b"Access-Control-Request-Method, Access-Control-Request-Headers"),
            *ALWAYS,
        ]
        await send({"type": "http.response.start", "status": 204, "headers": allowed})
        await send({"type": "http.response.body", "body": b""})
