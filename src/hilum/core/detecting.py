"""What has changed at a system that tells nobody? It is asked for its recent studies, for ever."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from hashlib import blake2b
from typing import Protocol

from hilum.core.changes import Change, TakesChanges
from hilum.model.errors import HilumError

log = logging.getLogger(__name__)

LOOKED = ""
"""In the place of a study: that it was looked at before."""


class Remembers(Protocol):
    """Keeps what was seen last."""

    async def seen(self, mount: str, /) -> Mapping[str, str]:
        """What was said of each study.

        Raises:
            BackendFault: it cannot be read.
        """

    async def see(self, mount: str, found: Mapping[str, str], gone: Sequence[str], /) -> None:
        """Remember what is said of some now, and forget others.

        Raises:
            BackendFault: it cannot be kept.
        """


Looks = Callable[[], Awaitable[tuple[Mapping[str, bytes], bool]]]
"""Gives what is said of each recent study now, and whether there are more than it gives."""


async def detect(
    mount: str, looks: Looks, remembers: Remembers, takers: Sequence[TakesChanges], every: float
) -> None:
    """Hand what has changed to all takers, for ever; one process does so for a mount.

    Args:
        mount: its name.
        looks: asks it.
        remembers: what it said last, also after a restart.
        takers: those who want to know.
        every: seconds between two looks.
    """
    while True:
        try:
            await look(mount, looks, remembers, takers)
        except HilumError as error:
            log.error("%s: it cannot be found out what has changed: %s", mount, error)  # noqa: TRY400 - one line
        except Exception:  # whatever a far side answers, the others are told of theirs
            log.exception("%s: it cannot be found out what has changed", mount)
        await asyncio.sleep(every)


async def look(
    mount: str, looks: Looks, remembers: Remembers, takers: Sequence[TakesChanges]
) -> None:
    """Look once. What is there at the first look of all is not told: it has not changed."""
    found, is_cut = await looks()
    if is_cut:
        log.warning("%s: it has more recent studies than are looked at", mount)
    now = {study: blake2b(said, digest_size=16).hexdigest() for study, said in found.items()}
    seen = await remembers.seen(mount)
    new = {study: digest for study, digest in now.items() if seen.get(study) != digest}
    gone = [] if is_cut else [each for each in seen if each not in now and each != LOOKED]
    if LOOKED in seen:
        at = time.time_ns()
        changes = [Change(study, at + number) for number, study in enumerate(new)]
        for taker in takers if changes else ():
            await taker.take(mount, changes)
    else:
        new[LOOKED] = ""
    if new or gone:
        await remembers.see(mount, new, gone)
