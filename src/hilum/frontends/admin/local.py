"""Does a browser ask for a page of ours? Where there is no login, nothing else would tell.

A page of anywhere may have a browser on this machine ask at a port of it, also under a name of its
own that it points to here (DNS rebinding). So who asks must use a name of ours, and what changes
something must come from our own pages; who is no browser does not say from where it comes.
"""

import ipaddress
from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from hilum.config.schema import HttpSettings
from hilum.frontends.dicomweb import errors
from hilum.frontends.dicomweb.session import READS, must_be_ours
from hilum.model.errors import Forbidden

_ASKED_BY_PAGES = ("origin", "sec-fetch-site")


class Local:
    """A layer of the application. With logins it asks for nothing: pages elsewhere have none."""

    def __init__(self, app: ASGIApp, settings: HttpSettings, *, has_login: bool) -> None:
        self._app = app
        self._names = _names(settings)
        self._has_login = has_login

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "http" and not self._has_login:
            request = Request(scope)
            try:
                self._look(request)
            except Forbidden as error:
                await errors.said(403, str(error))(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _look(self, request: Request) -> None:
        name = _host(request.headers.get("host", ""))
        if name not in self._names and not _is_here(name):
            raise Forbidden("ask by localhost or an address of this machine; see admin.public_url")
        if request.method not in READS and any(map(request.headers.get, _ASKED_BY_PAGES)):
            must_be_ours(request)


def _names(settings: HttpSettings) -> Sequence[str]:
    public = urlsplit(settings.public_url or "").hostname
    return [each for each in ("localhost", settings.bind.lower(), public) if each]


def _host(header: str) -> str:
    """Without the port."""
    try:
        return (urlsplit(f"//{header}").hostname or "").lower()
    except ValueError:
        return ""


def _is_here(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
