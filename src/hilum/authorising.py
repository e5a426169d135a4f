"""Who may do what, made of the configuration: how tokens are verified, and the one policy."""

import ipaddress
import logging
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from hilum.config.auth import AuthSettings, RuleSettings
from hilum.core.audit import Audits
from hilum.core.login import OPEN, KeepsSessions, Login
from hilum.core.operations import Operation
from hilum.core.policy import Decision, Policy, Rule, Told, needs
from hilum.model.audit import Event, Kind, Outcome
from hilum.model.principal import Grant, Right

if TYPE_CHECKING:
    from hilum.net.tokens import Issued

_log = logging.getLogger(__name__)


class CannotAuthorise(Exception):
    """A key of the configuration is not to be had; the text begins with its setting."""


def noted(operation: Operation, decision: Decision) -> None:
    """One line in the log for a decision against."""
    who = operation.who
    _log.info(
        "%s: %s from %s %s",
        operation.request_id,
        who.name or "nobody",
        who.address or "somewhere",
        _against(operation, decision),
    )


def audited(audits: Audits) -> Told:
    """One line in the log, and one in the audit."""

    def told(operation: Operation, decision: Decision) -> None:
        noted(operation, decision)
        who = operation.who
        is_known = who.is_known and not who.has_expired(time.time())
        event = Event(
            kind=Kind.DENIED if is_known else Kind.LOGIN,
            who=who,
            mount=operation.mount,
            request_id=operation.request_id,
            outcome=Outcome.MINOR,
            why=_against(operation, decision),
        )
        audits(event)

    return told


def _against(operation: Operation, decision: Decision) -> str:
    rights = " or ".join(sorted(needs(operation)))
    return f"may not {rights} on {operation.mount}: {decision.by}"


def policy(settings: AuthSettings, told: Told = noted) -> Policy:
    """What may be done, by whom."""
    if not settings.enabled:
        return OPEN.policy
    rights = frozenset(Right(each) for each in settings.anonymous)
    return Policy(
        [_rule(name, each) for name, each in settings.rules.items()],
        Grant(rights) if rights else None,
        told,
    )


def _rule(name: str, settings: RuleSettings) -> Rule:
    return Rule(
        name=name,
        grant=Grant(frozenset(map(Right, settings.may)), frozenset(settings.mounts)),
        names=settings.names,
        claims={claim: frozenset(values) for claim, values in settings.claims.items()},
        ae_titles=frozenset(settings.ae_titles),
        certificates=settings.certificates,
        networks=tuple(map(ipaddress.ip_network, settings.networks)),
    )


@asynccontextmanager
async def open_login(
    settings: AuthSettings,
    issued: "Issued | None" = None,
    told: Told = noted,
    sessions: KeepsSessions | None = None,
) -> AsyncIterator[Login]:
    """What every door asks, until the block is left.

    Args:
        settings: whether there are logins, and what they allow.
        issued: knows our own tokens; None: there are none.
        told: is told of each decision against.
        sessions: of browsers that log in; None: they cannot.

    Raises:
        CannotAuthorise: the key that verifies tokens cannot be used.
    """
    if not settings.enabled:
        yield OPEN
        return
    # Only now: these carry httpx and PyJWT, 6 MB that few installations on one machine need.
    from hilum.net.keys import CannotVerify, open_keys  # noqa: PLC0415
    from hilum.net.openid import open_provider  # noqa: PLC0415
    from hilum.net.remembered import Remembered  # noqa: PLC0415
    from hilum.net.tokens import Tokens  # noqa: PLC0415

    async with AsyncExitStack() as stack:
        keys = None
        if settings.token.is_set:
            try:
                keys = await stack.enter_async_context(open_keys(settings.token))
            except CannotVerify as error:
                raise CannotAuthorise(str(error)) from error
        provider = None
        if settings.browser is not None:
            opening = open_provider(settings.token, settings.browser)
            provider = await stack.enter_async_context(opening)
        tokens = Remembered(Tokens(settings.token, keys, issued))
        yield Login(policy(settings, told), tokens, sessions, settings.session, provider)
