"""Who may do what, made of the configuration: how tokens are verified, and the one policy."""

import ipaddress
import logging
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from hilum.config.auth import AuthSettings, RuleSettings
from hilum.config.changes import stamps
from hilum.core.audit import Audits
from hilum.core.lasting import Change, Lasting, Open, Uses, open_lasting
from hilum.core.login import OPEN, AsksElsewhere, KeepsSessions, Login, Verifies
from hilum.core.operations import Operation
from hilum.core.policy import Decision, Policy, Rule, Told, needs
from hilum.model.audit import Event, Kind, Outcome
from hilum.model.principal import Grant, Principal, Right

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
            kind=Kind.RESTRICTED if is_known else Kind.LOGIN,
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


class Logins:
    """Makes logins of configurations, one after the other. See `open_logins`."""

    def __init__(
        self,
        lasting: Lasting,
        issued: "Issued | None" = None,
        told: Told = noted,
        sessions: KeepsSessions | None = None,
    ) -> None:
        self._lasting = lasting
        self._opens = partial(open_login, issued=issued, told=told, sessions=sessions)

    async def prepared(self, settings: AuthSettings) -> "PreparedLogin":
        """The login of a configuration; that which there is, where nothing has changed.

        Raises:
            CannotAuthorise: as `open_login`.
        """
        change = self._lasting.change()
        key = settings, stamps(settings)
        opened: Open[Login] = await change.have(key, partial(self._opens, settings))
        return PreparedLogin(_in_use(opened.value, opened.uses), change)


@dataclass(frozen=True, slots=True)
class PreparedLogin:
    """A login that is open. Either `commit` or `drop` ends it."""

    made: Login
    change: Change

    def commit(self) -> None:
        """It is what is wanted; the one before ends when nobody asks it any more."""
        self.change.commit()

    async def drop(self) -> None:
        """It is not wanted."""
        await self.change.drop()


@asynccontextmanager
async def open_logins(
    issued: "Issued | None" = None, told: Told = noted, sessions: KeepsSessions | None = None
) -> AsyncIterator[Logins]:
    """What makes logins, until the block is left; arguments as of `open_login`."""
    async with open_lasting() as lasting:
        yield Logins(lasting, issued, told, sessions)


def _in_use(login: Login, uses: Uses) -> Login:
    """The same, whose keys and provider stay open as long as somebody is being verified."""
    tokens, provider = login.tokens, login.provider
    return replace(
        login,
        tokens=None if tokens is None else _UsedTokens(tokens, uses),
        provider=None if provider is None else _UsedProvider(provider, uses),
    )


@dataclass(frozen=True, slots=True)
class _UsedTokens:
    """Implements `core.login.Verifies`."""

    tokens: Verifies
    uses: Uses

    async def verified(self, token: str, /) -> Principal:
        with self.uses:
            return await self.tokens.verified(token)


@dataclass(frozen=True, slots=True)
class _UsedProvider:
    """Implements `core.login.AsksElsewhere`."""

    provider: AsksElsewhere
    uses: Uses

    async def begin(self, back: str, /) -> tuple[str, str]:
        with self.uses:
            return await self.provider.begin(back)

    async def token(self, said: Mapping[str, str], kept: str, back: str, /) -> str:
        with self.uses:
            return await self.provider.token(said, kept, back)
