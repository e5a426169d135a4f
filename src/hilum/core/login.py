"""How does a door learn who comes, and what may be done there? The same for all doors."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from hilum.core.policy import Policy
from hilum.model.principal import Principal


class Verifies(Protocol):
    """Says whose a token is."""

    async def verified(self, token: str, /) -> Principal:
        """Who holds it.

        Raises:
            Unauthenticated: it is not good.
            BackendUnavailable: nobody can say now.
        """


class KeepsSessions(Protocol):
    """Knows browsers again that have shown a token once."""

    async def begin(self, token: str, expires: float, /) -> str:
        """Begin a session; what the browser shows from now on instead of the token.

        Args:
            token: was verified.
            expires: when the session ends, in seconds since the epoch.
        """

    async def token(self, secret: str, /) -> str | None:
        """The token of a session, which is to be verified again; None: there is no such session."""

    async def end(self, secret: str, /) -> None:
        """End a session, if there is one."""


class AsksElsewhere(Protocol):
    """Has a provider say who somebody is, who looks at it by a browser."""

    async def begin(self, back: str, /) -> tuple[str, str]:
        """Where to send the browser, and what it must keep until it comes back.

        Args:
            back: URL to which it comes back.

        Raises:
            BackendUnavailable: the provider does not answer.
        """

    async def token(self, said: Mapping[str, str], kept: str, back: str, /) -> str:
        """The token that the provider gives; it is not verified.

        Args:
            said: parameters with which the browser came back.
            kept: what it had to keep; "" for nothing.
            back: as it was.

        Raises:
            Unauthenticated: there is none for it.
            BackendUnavailable: the provider does not answer.
        """


@dataclass(frozen=True, slots=True)
class Login:
    """What a door asks.

    Attributes:
        policy: what may be done.
        tokens: whose they are; None: nobody looks at them.
        sessions: of browsers; None: there are none.
        session_life: seconds for which one lasts, if its token does.
        provider: at which browsers log in; None: there is none.
    """

    policy: Policy
    tokens: Verifies | None = None
    sessions: KeepsSessions | None = None
    session_life: float = 12 * 3600.0
    provider: AsksElsewhere | None = None

    @property
    def is_on(self) -> bool:
        """Whether who comes must prove something."""
        return self.tokens is not None


OPEN: Final = Login(Policy(anybody=True))
"""No logins: whoever reaches a door may do everything there."""
