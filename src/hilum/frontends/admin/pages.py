"""How does a page of administrators become HTML? Templates, and what protects what they change."""

import hmac
import secrets
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlsplit

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response

import hilum
from hilum.codec import media_type
from hilum.codec.media_type import HTML, JSON
from hilum.codec.verdict import verdict_on
from hilum.frontends.admin.desk import Desk
from hilum.frontends.dicomweb import errors, form, session
from hilum.frontends.dicomweb.asked import accepts, request_id
from hilum.frontends.dicomweb.root import service_root
from hilum.frontends.dicomweb.who import who
from hilum.model.errors import Forbidden, HilumError, Unauthenticated

if TYPE_CHECKING:
    from jinja2 import Environment

LONGEST: Final = 3 * 1024 * 1024  # bytes of a form; a configuration, twice
_MOST: Final = 1100  # fields of a form
_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
        "base-uri 'self'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Vary": "Accept, Cookie",
}
_KEY: Final = secrets.token_bytes(32)
_UNITS: Final = ("bytes", "kB", "MB", "GB", "TB", "PB")
_THOUSAND: Final = 1000
_AGES: Final = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def desk(request: Request) -> Desk:
    """What it works with."""
    found: Desk = request.app.state.desk
    return found


async def written(request: Request) -> Mapping[str, list[str]]:
    """The fields of a form of ours.

    Raises:
        Forbidden: it comes from another page, or from one of before a restart.
        BadRequest, TooLarge: it cannot be read.
    """
    session.must_be_ours(request)
    fields = await form.fields(request, LONGEST, _MOST)
    if not hmac.compare_digest(fields.get("csrf", [""])[0].encode(), _csrf(request).encode()):
        raise Forbidden("the page is from before a restart or login: load it again")
    return fields


def _csrf(request: Request) -> str:
    """What only a page of ours can know; another one in each session, and after a restart."""
    return hmac.new(_KEY, session.shown(request).encode(), sha256).hexdigest()


async def page(request: Request, name: str, said: Mapping[str, Any], status: int = 200) -> Response:
    """A page, made of the template of that name."""
    made = await to_thread.run_sync(environment)  # imports a library, the first time
    found, at = who(request.scope), desk(request)
    base = urlsplit(service_root(request, request.app.state.settings)).path + "/"
    text = made.get_template(name).render(
        **said,
        here=name.partition(".")[0],
        base=base,
        csrf=_csrf(request),
        who=found.name if found.is_known else "",
        logins=request.app.state.login.is_on,
        version=hilum.__version__,
        aet=at.settings().server.aet,
        workers=at.settings().server.workers,
        worker=at.worker,
    )
    return Response(text, status, _HEADERS, media_type=HTML)


def back(request: Request, path: str, **said: str) -> Response:
    """Answers a form: the browser goes on to a page, which it may load again."""
    prefix = urlsplit(service_root(request, request.app.state.settings)).path
    query = "&".join(f"{name}={quote(value)}" for name, value in said.items())
    where = f"{prefix}/{path}{'?' if query else ''}{query}"
    return Response(status_code=303, headers={**_HEADERS, "Location": where})


async def failed(request: Request, error: Exception) -> Response:
    """An error, as a page where a browser asks; it is led to the login where that is missing."""
    if media_type.choose(accepts(request), (JSON, HTML)) != HTML:
        return errors.answer(error, request_id(request))
    if isinstance(error, Unauthenticated) and request.method in session.READS:
        query = f"?{request.url.query}" if request.url.query else ""
        prefix = urlsplit(service_root(request, request.app.state.settings)).path
        return back(request, "login", next=f"{prefix}{request.url.path}{query}")
    plain = errors.answer(error, request_id(request))
    known = isinstance(error, HilumError)
    text = str(error) if known and str(error) else "internal error; the log has more of it"
    status = int(verdict_on(error).http) if isinstance(error, HilumError) else 500
    answer = await page(request, "error.html", {"text": text, "status": status}, status)
    for name in ("www-authenticate", "retry-after"):
        if name in plain.headers:
            answer.headers[name] = plain.headers[name]
    return answer


@lru_cache(maxsize=1)
def environment() -> "Environment":
    """What makes pages of templates; everything that is put in is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415 - 50 ms

    made = Environment(
        loader=PackageLoader("hilum.frontends.admin"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"size": size, "ago": ago, "date": date, "took": took}
    return made


def size(count: float) -> str:
    """Bytes, for people."""
    at = 0
    while count >= _THOUSAND and at < len(_UNITS) - 1:
        count, at = count / _THOUSAND, at + 1
    return f"{count:.0f} {_UNITS[at]}" if not at else f"{count:.1f} {_UNITS[at]}"


def took(seconds: float) -> str:
    """A time, for people; the two largest parts of it."""
    left = max(round(seconds), 0)
    said: list[str] = []
    for length, unit in _AGES:
        if left >= length or (unit == "s" and not said):
            said.append(f"{left // length} {unit}")
            left %= length
    return " ".join(said[:2])


def ago(when: float) -> str:
    """How long that is since, in seconds since the epoch."""
    seconds = time.time() - when
    return "just now" if seconds < 1 else f"{took(seconds)} ago"


def date(when: float | None) -> str:
    """That moment, in UTC."""
    if when is None:
        return "never"
    return f"{datetime.fromtimestamp(when, UTC):%Y-%m-%d %H:%M} UTC"
