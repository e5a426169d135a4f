"""How does a browser log in? By a token that it shows once, on a page or in a header."""

import re
import time
from typing import Final
from urllib.parse import quote, urlsplit

import orjson
from starlette.requests import Request
from starlette.responses import Response

from hilum.codec import media_type
from hilum.codec.media_type import HTML, JSON
from hilum.codec.verdict import verdict_on
from hilum.config.schema import HttpSettings
from hilum.core.login import Login
from hilum.frontends.dicomweb import form, page, session
from hilum.frontends.dicomweb.asked import accepts
from hilum.frontends.dicomweb.root import service_root
from hilum.frontends.dicomweb.who import audited, bearer, challenge, refused, who
from hilum.model.audit import Kind
from hilum.model.errors import HilumError, NotFound, Unauthenticated
from hilum.model.principal import joined

_LONGEST: Final = 128 * 1024  # bytes of a form
_LOCAL: Final = frozenset(("localhost", "127.0.0.1", "::1"))
_UNSAFE: Final = (
    "This connection is not encrypted: whoever is on the way can read the token. Use HTTPS."
)
_POLICY: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
        "base-uri 'self'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
}


async def show(request: Request) -> Response:
    """`GET /login`: the page for a browser; else who is logged in, as JSON."""
    login: Login = request.app.state.login
    if media_type.choose(accepts(request), (JSON, HTML)) == HTML:
        return filled(request)
    found = who(request.scope)
    said = {"logins": login.is_on, "name": found.name if found.is_known else None}
    return Response(orjson.dumps(said), media_type=JSON, headers={"Vary": "Accept, Cookie"})


async def begin(request: Request) -> Response:
    """`POST /login`: a form with `token`, or a bearer token: a session begins, in a cookie.

    Raises:
        NotFound: there are no logins.
        Unauthenticated: the token of the header is not good.
        Forbidden: the form is not of our page.
    """
    login: Login = request.app.state.login
    if login.tokens is None or login.sessions is None:
        raise NotFound("there are no logins here")
    if "authorization" in request.headers:
        return Response(status_code=204, headers=await begun(request, bearer(request)))
    session.must_be_ours(request)
    token = (await form.fields(request, _LONGEST)).get("token", [""])[0].strip()
    try:
        headers = await begun(request, token)
    except HilumError as error:
        return filled(request, error)
    return Response(
        status_code=303,
        headers={**headers, "Location": following(request, request.query_params.get("next", ""))},
    )


async def end(request: Request) -> Response:
    """`POST /logout`: the session ends."""
    login: Login = request.app.state.login
    secret = session.shown(request)
    if secret and login.sessions is not None:
        await login.sessions.end(secret)
        audited(request, Kind.LOGOUT, who(request.scope))
    headers = {**session.cookie(request, "", 0), "Location": f"{_prefix(request)}/login"}
    return Response(status_code=303, headers=headers)


async def begun(request: Request, token: str) -> dict[str, str]:
    """The headers of a session that begins."""
    login: Login = request.app.state.login
    if login.tokens is None or login.sessions is None:
        raise NotFound("there are no logins here")
    beside = who(request.scope)
    try:
        found = await login.tokens.verified(token)
    except HilumError as error:
        refused(request, beside, error)
        raise
    before = session.shown(request)
    if before:
        await login.sessions.end(before)
    now = time.time()
    until = min(now + login.session_life, found.expires or float("inf"))
    secret = await login.sessions.begin(token, until)
    audited(request, Kind.LOGIN, joined(found, beside))
    return {**session.cookie(request, secret, until - now), "Cache-Control": "no-store"}


def filled(request: Request, error: HilumError | None = None) -> Response:
    """The page, which says what was wrong."""
    root = urlsplit(service_root(request, request.app.state.settings))
    found, login = who(request.scope), request.app.state.login
    unsafe = root.scheme != "https" and root.hostname not in _LOCAL
    said = {
        "error": f"{error}." if error else "",
        "open": "hidden" if login.is_on else "",
        "closed": "" if login.is_on else "hidden",
        "elsewhere": "" if login.provider is not None else "hidden",
        "known": "" if login.is_on and found.is_known else "hidden",
        "name": found.name,
        "unsafe": _UNSAFE if unsafe else "",
        "next": quote(request.query_params.get("next", "")),
    }
    text = page.filled(request, "login.html", said)
    headers = {**_POLICY, "Vary": "Accept, Cookie"}
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = challenge(error)
    status = 200 if error is None else int(verdict_on(error).http)
    return Response(text, status, headers, media_type=HTML)


def _prefix(request: Request) -> str:
    """The path of all that is ours, as the browser sees it."""
    settings: HttpSettings = request.app.state.settings
    return urlsplit(service_root(request, settings)).path


def following(request: Request, wanted: str) -> str:
    """Where the browser goes on: where it was before, of our own places only."""
    prefix = _prefix(request)
    ours = re.compile(re.escape(prefix) + r"/(?![/\\])[!-\[\]-~]*")
    return wanted if ours.fullmatch(wanted) else f"{prefix}/"
