"""What has changed, and who shall know of it? Studies of a mount, each told once it is at rest."""

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

from hilum.model.errors import HilumError

log = logging.getLogger(__name__)

_AT_ONCE: Final = 500  # changes handed on in one go
_LONGEST: Final = 2.0  # seconds between two looks
_AGAIN: Final = 5.0  # seconds after a failure


class Change(NamedTuple):
    """A study that was stored, added to, or deleted: which, says a look at it.

    Attributes:
        study: Study Instance UID.
        at: when that was last; nanoseconds since the epoch, another one for every time.
    """

    study: str
    at: int


class TellsChanges(Protocol):
    """Remembers which studies changed, from the moment at which anybody can see that they did."""

    async def at_rest(self, since: float, most: int, /) -> Sequence[Change]:
        """Studies that changed, and have not since that time; those that did first come first.

        They stay until they are settled, also where we die.

        Args:
            since: seconds since the epoch.
            most: how many at once.

        Raises:
            BackendError: they cannot be read.
        """

    async def settle(self, changes: Sequence[Change], /) -> None:
        """Forget those changes; a study that changed again meanwhile stays.

        Raises:
            HilumError: they cannot be forgotten.
        """


class TakesChanges(Protocol):
    """Wants to know of changes: publishes them, tells subscribers of them."""

    async def take(self, mount: str, changes: Sequence[Change], /) -> None:
        """Keep, durably, what is to be done for them. The same ones may come again.

        Raises:
            HilumError: it cannot be kept; they come again.
        """


async def follow(
    mount: str, feed: TellsChanges, takers: Sequence[TakesChanges], stable_after: float
) -> None:
    """Hand every change of a mount to all takers, for ever; one process does so for a mount.

    Args:
        mount: its name.
        feed: of it.
        takers: those who want to know.
        stable_after: seconds that a study must be left alone before.
    """
    pause = min(_LONGEST, max(stable_after / 4, 0.05))
    while True:
        wait = pause
        try:
            if await _handed_on(mount, feed, takers, time.time() - stable_after):
                wait = 0.0
        except HilumError as error:
            log.error("%s: its changes cannot be handed on: %s", mount, error)  # noqa: TRY400 - one line
            wait = _AGAIN
        await asyncio.sleep(wait)


async def _handed_on(
    mount: str, feed: TellsChanges, takers: Sequence[TakesChanges], since: float
) -> bool:
    """Hand on what is at rest; whether there may be more."""
    changes = await feed.at_rest(since, _AT_ONCE)
    if not changes:
        return False
    for taker in takers:
        await taker.take(mount, changes)
    await feed.settle(changes)
    return len(changes) == _AT_ONCE
