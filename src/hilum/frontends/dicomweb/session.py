"""Which browser is this? Known by the cookie of a session, and asked from which page it comes.

A browser shows its cookie to us whoever asked it to. `SameSite=Strict` keeps pages of other sites
from that; other ports and names of our own host count as the same site, so that whatever changes
something must come from a page of ours.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from starlette.requests import Request

from hilum.config.schema import HttpSettings
from hilum.core.login import Login
from hilum.frontends.dicomweb.root import service_root
from hilum.model.errors import Forbidden, Unauthenticated
from hilum.model.principal import Principal, joined

READS: Final = frozenset(("GET", "HEAD", "OPTIONS"))
"""Methods that change nothing (RFC 9110 §9.2.1)."""

_PLAIN: Final = re.compile(r"[A-Za-z0-9_-]+")


async def principal(request: Request, login: Login, beside: Principal) -> Principal | None:
    """Whose the session is; None: there is none, or none any more.

    Raises:
        Forbidden: a page that is not ours would change something.
        BackendError: nobody can say now.
    """
    secret = shown(request)
    if not secret or login.sessions is None or login.tokens is None:
        return None
    token = await login.sessions.token(secret)
    if token is None:
        return None
    try:
        found = joined(await login.tokens.verified(token), beside)
    except Unauthenticated:  # it has expired, or was revoked
        return None
    if request.method not in READS:
        must_be_ours(request)
    return found


def must_be_ours(request: Request) -> None:
    """Let only pages of our own origin ask.

    Raises:
        Forbidden: it is another one, or the browser does not say.
    """
    site = request.headers.get("sec-fetch-site")
    if site is None:  # not told where there is no TLS
        ours = urlsplit(_root(request))
        origin = request.headers.get("origin", "").lower()
        if origin == f"{ours.scheme}://{ours.netloc}".lower():
            return
    elif site == "same-origin":
        return
    raise Forbidden("a browser may ask this from our own pages only; behind a proxy see public_url")


def shown(request: Request) -> str:
    """The secret that the browser shows; "" for none."""
    return _shown(request, _name(request)) if "cookie" in request.headers else ""


def _shown(request: Request, name: str) -> str:
    said = request.headers.getlist("cookie")
    found = [
        value
        for each in ";".join(said).split(";")
        for key, _, value in (each.strip().partition("="),)
        if key == name
    ]
    return found[0] if len(found) == 1 and _PLAIN.fullmatch(found[0]) else ""


def cookie(request: Request, secret: str, life: float) -> Mapping[str, str]:
    """The header that has the browser keep a secret for so many seconds, or forget it."""
    root = urlsplit(_root(request))
    secure = "; Secure" if root.scheme == "https" else ""
    said = f"{_name(request)}={secret}; Path={root.path or '/'}; Max-Age={int(life)}"
    return {"Set-Cookie": f"{said}; HttpOnly; SameSite=Strict{secure}"}


def kept(request: Request, content: bytes, life: float) -> Mapping[str, str]:
    """The header that has the browser keep something while it is with a provider.

    It comes back by a link of another site, with which it shows no cookie that is `Strict`.
    """
    text = urlsafe_b64encode(content).decode().rstrip("=")
    root = urlsplit(_root(request))
    secure = "; Secure" if root.scheme == "https" else ""
    said = f"{_name(request)}-begun={text}; Path={root.path or '/'}; Max-Age={int(life)}"
    return {"Set-Cookie": f"{said}; HttpOnly; SameSite=Lax{secure}"}


def brought(request: Request) -> bytes:
    """What the browser has kept; empty for nothing.

    Raises:
        ValueError: it is something else.
    """
    text = _shown(request, f"{_name(request)}-begun")
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _name(request: Request) -> str:
    """What the cookie is called: by our port, which browsers do not tell apart by themselves.

    The prefixes keep out those that another name of our host has set (RFC 6265bis §4.1.3).
    """
    root = urlsplit(_root(request))
    port = f"-{root.port}" if root.port else ""
    prefix = "" if root.scheme != "https" else "__Secure-" if root.path else "__Host-"
    return f"{prefix}hilum{port}"


def _root(request: Request) -> str:
    settings: HttpSettings = request.app.state.settings
    return service_root(request, settings)
