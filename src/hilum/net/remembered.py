"""Which tokens were just verified? A signature costs more than many a request it comes with."""

import time
from typing import Final

from hilum.core.believed import Believed
from hilum.core.login import Verifies
from hilum.model.principal import Principal, Proof

FRESH: Final = 30.0
"""Seconds for which a verdict holds; a key that is withdrawn is believed so much longer."""
MOST: Final = 1000  # tokens


class Remembered:
    """Verifies tokens; those that are good are remembered for a moment, each by all of its text.

    Those of our own are not: one that is revoked is good no more from the next request on.

    Args:
        tokens: verifies those that are not known.
    """

    def __init__(self, tokens: Verifies) -> None:
        self._tokens = tokens
        self._known: Believed[str, Principal] = Believed(FRESH, MOST)

    async def verified(self, token: str, /) -> Principal:
        """See `core.login.Verifies`."""
        principal = self._known.get(token)
        if principal is not None:
            if not principal.has_expired(time.time()):
                return principal
            self._known.forget(token)
        since = time.monotonic()
        principal = await self._tokens.verified(token)
        if principal.proof is Proof.TOKEN:
            self._known.put(token, principal, since)
        return principal
