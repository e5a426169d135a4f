"""How does a door learn who comes, and what may be done there? The same for all doors."""

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


@dataclass(frozen=True, slots=True)
class Login:
    """What a door asks.

    Attributes:
        policy: what may be done.
        tokens: whose they are; None: nobody looks at them.
    """

    policy: Policy
    tokens: Verifies | None = None

    @property
    def is_on(self) -> bool:
        """Whether who comes must prove something."""
        return self.tokens is not None


OPEN: Final = Login(Policy(anybody=True))
"""No logins: whoever reaches a door may do everything there."""
