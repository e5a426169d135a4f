"""Who asks, over HTTP? By a bearer token (RFC 6750), a browser's session, or a certificate.

Settled before the handler runs, so before anything of a body is read, and before anything is
looked up that was made for somebody else.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final

from starlette.requests import Request
from starlette.types import Scope

from hilum.config.schema import HttpSettings
from hilum.core.broker import Broker
from hilum.core.login import Login
from hilum.core.operations import Come
from hilum.frontends.dicomweb import session
from hilum.model.audit import Event, Kind, Outcome
from hilum.model.errors import BackendError, Forbidden, HilumError, Unauthenticated
from hilum.model.principal import NOBODY, Principal, Proof, Right, joined
from hilum.net.proxies import is_believed, is_named
from hilum.net.rates import Rates

ANY: Final = frozenset(Right) - {Right.METRICS}
"""Of a resource for whoever may do anything at all at the mount."""
NOT_LOOKED_AT: Final[frozenset[Right]] = frozenset()
"""Of a resource that is for everybody."""
EVERY: Final = "*"
"""All mounts."""

_TOKENS = 'Bearer error="invalid_token"'  # RFC 6750 §3.1


class BadToken(Unauthenticated):
    """Something was shown that is not good."""


def who(scope: Scope) -> Principal:
    """Who asks, as `settle` found out."""
    principal: Principal = scope.get("state", {}).get("who", NOBODY)
    return principal


async def settle(request: Request, needs: frozenset[Right], mounts: Sequence[str]) -> None:
    """Find out who asks, and whether they may come to a resource.

    Args:
        request: which comes; who asks is put into its scope.
        needs: rights of which one is needed.
        mounts: at one of which.

    Raises:
        Refused: they may not.
        TooMany: they ask too much.
        BackendError: it cannot be found out now.
    """
    login: Login = request.app.state.login
    beside = _beside(request)
    request.scope["state"]["who"] = beside
    if not login.is_on:
        _counted(request, beside, needs)
        return
    try:
        principal = await _shown(request, login, beside)
    except (Unauthenticated, Forbidden, BackendError) as error:
        nobody = replace(beside, proof=Proof.NOTHING, name="")
        _counted(request, nobody, needs)
        if needs or isinstance(error, Forbidden):
            refused(request, beside, error, _named(mounts))
            raise
        principal = nobody
    else:
        _counted(request, principal, needs)
    request.scope["state"]["who"] = principal
    if needs and not any(sees(request, each, needs) for each in mounts):
        request_id = request.scope["state"].get("request_id", "")
        name = _named(mounts)
        login.policy(Come(mount=name, who=principal, request_id=request_id, any_of=needs))


def _counted(request: Request, principal: Principal, needs: frozenset[Right]) -> None:
    """Count the request, but for pages and their files, which a browser asks for by the hundred.

    Raises:
        TooMany: it is one too many.
    """
    if needs or request.method not in session.READS:
        rates: Rates = request.app.state.rates
        rates.asked(principal)


def _named(mounts: Sequence[str]) -> str:
    return mounts[0] if len(mounts) == 1 else EVERY


def refused(request: Request, beside: Principal, error: HilumError, mount: str = "") -> None:
    """Tell the audit of what was shown and is not taken."""
    kind = Kind.RESTRICTED if isinstance(error, Forbidden) else Kind.LOGIN
    nobody = replace(beside, proof=Proof.NOTHING, name="")
    audited(request, kind, nobody, mount=mount, outcome=Outcome.MINOR, why=str(error))


def audited(request: Request, kind: Kind, who: Principal, **more: Any) -> None:  # noqa: ANN401 - of the event
    """Tell the audit of something that concerns who asks."""
    broker: Broker = request.app.state.broker
    request_id = request.scope["state"].get("request_id", "")
    broker.audits(Event(kind=kind, who=who, request_id=request_id, **more))


def sees(request: Request, mount: str, needs: frozenset[Right] = ANY) -> bool:
    """Whether who asks has one of those rights at a mount; for lists."""
    login: Login = request.app.state.login
    return login.policy.decide_any(who(request.scope), needs, mount).allowed


async def _shown(request: Request, login: Login, beside: Principal) -> Principal:
    """Whose the token is; without one, whose the session, else who the connection has shown.

    Raises:
        BadToken: what is shown is not good.
        Forbidden: a page that is not ours would use a session.
        BackendError: nobody can say now.
    """
    if "authorization" not in request.headers:
        return await session.principal(request, login, beside) or beside
    token = bearer(request)
    if login.tokens is None:
        return beside
    try:
        return joined(await login.tokens.verified(token), beside)
    except Unauthenticated as error:
        raise BadToken(str(error)) from None


def bearer(request: Request) -> str:
    """The token of the request's header.

    Raises:
        BadToken: it shows something else, or more.
    """
    shown = request.headers.getlist("authorization")
    scheme, _, token = shown[0].partition(" ")
    if len(shown) > 1 or scheme.lower() != "bearer" or not token.strip():
        raise BadToken("show one bearer token, and no other credentials")
    return token.strip()


def _beside(request: Request) -> Principal:
    """What the connection shows: its address, and the certificate of the client."""
    scope = request.scope
    address = scope["client"][0] if scope.get("client") else ""
    settings: HttpSettings = request.app.state.settings
    if is_believed(settings, address):
        address = _forwarded(request, settings) or address
    subject = scope.get("extensions", {}).get("tls", {}).get("client_cert_name") or ""
    proof = Proof.CERTIFICATE if subject else Proof.NOTHING
    return _shown_by(subject, proof, address)


@lru_cache(maxsize=1024)
def _shown_by(subject: str, proof: Proof, address: str) -> Principal:
    """Made once for many requests."""
    return Principal(subject, proof, address=address, certificate=subject)


def _forwarded(request: Request, settings: HttpSettings) -> str:
    """The address of whoever called the proxy before us, in that proxy's own words.

    Each proxy adds them at the end; what stands before them the client may have written itself. So
    the last one counts that is no proxy of ours.
    """
    said = _told(request)
    return next((each for each in reversed(said) if not is_named(settings, each)), said[0])


def _told(request: Request) -> list[str]:
    """The addresses that proxies have told, the nearest at the end; at least one, or ""."""
    elements = ",".join(request.headers.getlist("forwarded"))
    found = [
        value.strip().strip('"')
        for element in elements.split(",")
        for name, _, value in (each.partition("=") for each in element.split(";"))
        if name.strip().lower() == "for"
    ]
    if not found:
        found = ",".join(request.headers.getlist("x-forwarded-for")).split(",")
    return [_bare(each.strip()) for each in found]


def _bare(address: str) -> str:
    """Without a port: `192.0.2.1:80`, `[2001:db8::1]:80`."""
    if address.startswith("["):
        return address[1:].partition("]")[0]
    return address.partition(":")[0] if address.count(":") == 1 else address


def challenge(error: HilumError) -> str:
    """WWW-Authenticate: what kind of login is wanted, and whether one was shown that is bad."""
    return _TOKENS if isinstance(error, BadToken) else "Bearer"
