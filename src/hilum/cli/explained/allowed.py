"""May a caller do what is explained? Which rule decides that."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from hilum.authorising import CannotAuthorise, open_login
from hilum.cli.explained.request import Request
from hilum.cli.scu.ending import Misuse
from hilum.config.schema import Settings
from hilum.core.policy import Decision, Policy
from hilum.frontends.dimse.identity import granted
from hilum.model.errors import HilumError
from hilum.model.principal import NOBODY, Principal, Proof, Right

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
        name: who asks: a peer, what a token says in `name_claim`, or `ANONYMOUS`.
        token: a file with a token; with a name besides, that of the peer that shows it.

    Raises:
        Misuse: it is refused.
    """
    try:
        async with open_login(settings.auth, told=lambda _operation, _decision: None) as login:
            principal = _named(name, settings)
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


def _named(name: str | None, settings: Settings) -> Principal:
    """Who that is, as far as the configuration tells."""
    if name is None or name == ANONYMOUS:
        return NOBODY
    peer = settings.peers.get(name) or next(
        (each for each in settings.peers.values() if each.aet == name), None
    )
    if peer is None:
        return Principal(name, Proof.TOKEN)
    if peer.auth == "token":
        return Principal(peer.aet, ae_title=peer.aet)
    proof = Proof.AE_TITLE if peer.auth == "ae" else Proof.PASSWORD
    return Principal(peer.aet, proof, ae_title=peer.aet, grants=(granted(peer),))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        raise Misuse(f"{path}: cannot be read as a token") from None
