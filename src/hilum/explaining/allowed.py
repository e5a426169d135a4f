"""May a caller do what is explained? Which rule decides that."""

import time
from collections.abc import Iterator, Sequence
from typing import Protocol

from hilum.config.schema import Settings
from hilum.core.policy import Policy
from hilum.explaining.request import Request
from hilum.explaining.served import ADMIN
from hilum.frontends.dimse.identity import granted
from hilum.model.errors import Forbidden
from hilum.model.issued import IssuedToken
from hilum.model.principal import NOBODY, Principal, Proof, Right

ANONYMOUS = "anonymous"


class Issued(Protocol):
    """Knows the tokens that we issued."""

    async def every(self) -> Sequence[IssuedToken]:
        """All there ever were."""


def allowed(
    request: Request, settings: Settings, principal: Principal, policy: Policy
) -> list[str]:
    """What decides for that caller, one line for each right that is needed.

    Args:
        request: which is explained.
        settings: what the rules are.
        principal: who asks.
        policy: made of the rules.

    Raises:
        Forbidden: it is refused.
    """
    return list(_decided(request, settings, principal, policy))


def _decided(
    request: Request, settings: Settings, principal: Principal, policy: Policy
) -> Iterator[str]:
    name = principal.name or ANONYMOUS
    if not request.needs:
        yield f"{name} may do that: it is for everybody"
        return
    needed = [(request.needs, request.mount)]
    if request.operation == "send" and request.destination in settings.mounts:
        needed.append((frozenset((Right.STORE,)), request.destination))
    for rights, mount in needed:
        yield _of_one(name, principal, policy, rights, _places(request, mount, settings))


def _places(request: Request, mount: str, settings: Settings) -> Sequence[str]:
    """The mounts at one of which a right is enough."""
    if mount:
        return [mount]
    return ["*"] if request.door == ADMIN else [*settings.mounts]


def _of_one(
    name: str,
    principal: Principal,
    policy: Policy,
    rights: frozenset[Right],
    mounts: Sequence[str],
) -> str:
    """By what the caller has one of the rights at one of the mounts.

    Raises:
        Forbidden: by none.
    """
    refused = ""
    for mount in mounts:
        for right in sorted(rights):
            decision = policy.decide(principal, right, mount)
            where = "every mount" if mount == "*" else mount
            if decision.allowed:
                return f"{name} may {right} on {where}: {decision.by}"
            wanted = "anything" if len(rights) > 2 else " or ".join(sorted(rights))  # noqa: PLR2004 - a list
            refused = refused or f"{name} may not {wanted} on {where}: {decision.by}"
    raise Forbidden(refused or f"{name} may not: there is no mount")


async def named(name: str, settings: Settings, issued: Issued | None) -> Principal:
    """Who that is, as far as the configuration and our own tokens tell.

    Args:
        name: a peer, who has a token that we issued, the subject of a certificate, what a token
            says in `name_claim`, or `ANONYMOUS`.
        settings: where peers are.
        issued: our own tokens, where there are some.
    """
    if name in {"", ANONYMOUS}:
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


async def _shown(name: str, issued: Issued | None) -> Principal:
    """Who shows a token, or a certificate: only the subject of one has an equals sign in it."""
    now = time.time()
    ours = [] if issued is None else await issued.every()
    grants = tuple(each.grant for each in ours if each.name == name and each.is_good(now))
    if grants:
        return Principal(name, Proof.ISSUED, grants=grants)
    if "=" in name:
        return Principal(name, Proof.CERTIFICATE, certificate=name)
    return Principal(name, Proof.TOKEN)
