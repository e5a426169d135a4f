"""May a caller do what is explained? Which rule decides that."""

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hilum.authorising import CannotAuthorise, open_login
from hilum.cli.explained.request import Request
from hilum.cli.scu.ending import Misuse
from hilum.config.schema import Settings
from hilum.core.policy import Decision, Policy
from hilum.frontends.dimse.identity import granted
from hilum.model.errors import HilumError
from hilum.model.principal import NOBODY, Principal, Proof, Right

if TYPE_CHECKING:
    from hilum.state.tokens import Tokens

ANONYMOUS = "anonymous"
_RIGHTS = {
    "mount": Right.ECHO,
    "find": Right.QUERY,
    "retrieve": Right.RETRIEVE,
    "describe": Right.RETRIEVE,
    "bulk": Right.RETRIEVE,
    "lend": Right.RETRIEVE,
    "delete": Right.DELETE,
    "job": Right.RETRIEVE,
    "store": Right.STORE,
    "send": Right.SEND,
    "sending": Right.SEND,
}


async def allowed(
    request: Request, settings: Settings, name: str | None, token: Path | None
) -> list[str]:
    """What decides for that caller, one line for each right that is needed.

    Args:
        request: which is explained.
        settings: what the rules are.
        name: who asks: a peer, who has a token that we issued, the subject of a certificate, what
            a token says in `name_claim`, or `ANONYMOUS`.
        token: a file with a token; with a name besides, that of the peer that shows it.

    Raises:
        Misuse: it is refused.
    """
    try:
        async with (
            _issued(settings) as issued,
            open_login(settings.auth, issued, lambda _operation, _decision: None) as login,
        ):
            principal = await _named(name, settings, issued)
            if token is not None and login.tokens is not None:
                shown = await login.tokens.verified(_read(token))
                principal = replace(shown, ae_title=principal.ae_title)
            return list(_decided(request, settings, principal, login.policy))
    except (CannotAuthorise, HilumError) as error:
        raise Misuse(str(error)) from None


def _decided(
    request: Request, settings: Settings, principal: Principal, policy: Policy
) -> Iterator[str]:
    needed = [(_RIGHTS[request.operation], request.mount)]
    if request.operation == "send" and request.destination in settings.mounts:
        needed.append((Right.STORE, request.destination))
    for right, mount in needed:
        decision: Decision = policy.decide(principal, right, mount)
        said = f"{principal.name or ANONYMOUS} may {'' if decision.allowed else 'not '}{right}"
        line = f"{said} on {mount}: {decision.by}"
        if not decision.allowed:
            raise Misuse(line)
        yield line


@asynccontextmanager
async def _issued(settings: Settings) -> AsyncIterator["Tokens | None"]:
    """Our own tokens, if there ever was one."""
    if not settings.auth.enabled or not settings.state.is_dir():
        yield None
        return
    from hilum.state.state import open_beside  # noqa: PLC0415 - most explain without

    async with open_beside(settings.state) as state:
        yield state.tokens


async def _named(name: str | None, settings: Settings, issued: "Tokens | None") -> Principal:
    """Who that is, as far as the configuration and our own tokens tell."""
    if name is None or name == ANONYMOUS:
        return NOBODY
    peer = settings.peers.get(name) or next(
        (each for each in settings.peers.values() if each.aet == name), None
    )
    if peer is None:
        return await _shown(name, issued)
    if peer.auth == "token":
        return Principal(peer.aet, ae_title=peer.aet)
    proof = Proof.AE_TITLE if peer.auth == "ae" else Proof.PASSWORD
    return Principal(peer.aet, proof, ae_title=peer.aet, grants=(granted(peer),))


async def _shown(name: str, issued: "Tokens | None") -> Principal:
    """Who shows a token, or a certificate: only the subject of one has an equals sign in it."""
    now = time.time()
    ours = [] if issued is None else await issued.every()
    grants = tuple(each.grant for each in ours if each.name == name and each.is_good(now))
    if grants:
        return Principal(name, Proof.ISSUED, grants=grants)
    if "=" in name:
        return Principal(name, Proof.CERTIFICATE, certificate=name)
    return Principal(name, Proof.TOKEN)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        raise Misuse(f"{path}: cannot be read as a token") from None
