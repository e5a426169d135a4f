"""How does a browser log in at the organisation's provider? It is sent there, and comes back."""

from typing import Final

import orjson
from starlette.requests import Request
from starlette.responses import Response

from hilum.core.login import AsksElsewhere, Login
from hilum.frontends.dicomweb import login_page, session
from hilum.frontends.dicomweb.root import service_root
from hilum.frontends.dicomweb.who import who
from hilum.model.errors import HilumError, NotFound, Unauthenticated
from hilum.net.rates import Rates

PATIENCE: Final = 600.0  # seconds that somebody may take to log in there
_BACK: Final = "/login/code"


async def begin(request: Request) -> Response:
    """`GET /login/provider`: to the provider; what it must bring back is in a cookie.

    Raises:
        NotFound: none is configured.
    """
    provider = _provider(request)
    url, kept = await provider.begin(_back(request))
    said = orjson.dumps([kept, request.query_params.get("next", "")])
    headers = session.kept(request, said, PATIENCE)
    return Response(status_code=303, headers={**headers, "Location": url})


async def end(request: Request) -> Response:
    """`GET /login/code`: back from the provider, with a code for a token; a session begins."""
    provider = _provider(request)
    try:
        kept, following = _brought(request)
        token = await provider.token(dict(request.query_params), kept, _back(request))
        headers = await login_page.begun(request, token)
    except HilumError as error:
        return login_page.filled(request, error)
    there = login_page.following(request, following)
    return Response(status_code=303, headers={**headers, "Location": there})


def _brought(request: Request) -> tuple[str, str]:
    """What the browser had to keep, and where it goes on.

    Raises:
        Unauthenticated: that is not what we gave it.
    """
    try:
        kept, following = orjson.loads(session.brought(request) or b'["", ""]')
    except (ValueError, TypeError):
        kept = following = None
    if not isinstance(kept, str) or not isinstance(following, str):
        raise Unauthenticated("this browser did not begin to log in here")
    return kept, following


def _provider(request: Request) -> AsksElsewhere:
    """The provider, which may be asked now.

    Raises:
        NotFound: none is configured.
        TooMany: this caller asks too much.
    """
    login: Login = request.app.state.login
    if login.provider is None:
        raise NotFound("no provider of logins is configured (auth.browser)")
    rates: Rates = request.app.state.rates
    rates.asked(who(request.scope))
    return login.provider


def _back(request: Request) -> str:
    """Where the provider sends the browser back to; it must know this URL."""
    return service_root(request, request.app.state.settings) + _BACK
