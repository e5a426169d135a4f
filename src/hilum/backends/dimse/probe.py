"""What is a peer like? Learnt by harmless experiments, one after another, each with a deadline.

Nothing is stored or changed at the peer; queries name one study wherever they can, are left after
some answers where they cannot, and one small instance is retrieved and thrown away.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final

from hilum.backends.dimse.findings import Finding, Known
from hilum.backends.dimse.trial.doors import doors, reach
from hilum.backends.dimse.trial.fetching import fetching
from hilum.backends.dimse.trial.keys import keys, lists
from hilum.backends.dimse.trial.levels import instances, patients, relational, series
from hilum.backends.dimse.trial.limits import cancel, cap
from hilum.backends.dimse.trial.moving import Door, moving
from hilum.backends.dimse.trial.sample import sample
from hilum.backends.dimse.trial.text import text
from hilum.model.errors import HilumError
from hilum.upper_layer.requestor import Remote
from hilum.upper_layer.standing import Timeouts

DEADLINE: Final = 20.0  # seconds for each experiment
_GRACE = 1.0  # seconds beyond that, in which the association's own timers tell more


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is to be tried.

    Attributes:
        deadline: seconds for each experiment.
        retrieves: whether an instance is retrieved.
        door: where we can be sent to; None: no C-MOVE is tried.
    """

    deadline: float = DEADLINE
    retrieves: bool = True
    door: Door | None = None


Trial = Callable[[Known], Awaitable[None]]


async def probe(to: Remote, wishes: Wishes, heard: Callable[[Finding], None]) -> Known:
    """Try everything; what fails is told as a finding, and the next thing is tried.

    Args:
        to: the peer.
        wishes: what is to be tried.
        heard: called with each finding.

    Raises:
        BackendError: there is no association with the peer at all.
    """
    limits = Timeouts(acse=wishes.deadline, message=wishes.deadline, idle=to.timeouts.idle)
    connect = min(to.connect_timeout, wishes.deadline)
    known = Known(replace(to, timeouts=limits, connect_timeout=connect), wishes.deadline, heard)
    await reach(known)
    await _tried(known, "contexts", "contexts", doors)
    await _tried(known, "studies", "studies", sample)
    if known.study is not None:
        await _tried(known, "charset", "text", _at_once(text))
        await _tried(known, "series_level", "SERIES level", series)
        if known.series is not None:
            await _tried(known, "image_level", "IMAGE level", instances)
        await _tried(known, "relational", "relational queries", relational)
        await _tried(known, "patient_level", "PATIENT level", patients)
        await _tried(known, "keys_ignored", "matching keys", keys)
        await _tried(known, "modality_lists", "ModalitiesInStudy lists", lists)
        await _tried(known, "cap", "most answers", cap)
        await _tried(known, "cancel", "C-CANCEL", cancel)
    if wishes.retrieves:
        await _retrieved(known, wishes.door)
    return known


async def _retrieved(known: Known, door: Door | None) -> None:
    await _tried(known, "get", "C-GET of one instance", fetching)
    title = "C-MOVE of one instance"
    if door is None:
        text = "not tried: name with --receiver an AE title that the peer knows as this machine"
        known.tell("move", title, None, text)
        return

    async def move(known: Known) -> None:
        await moving(known, door)

    await _tried(known, "move", title, move)


async def _tried(known: Known, name: str, title: str, trial: Trial) -> None:
    """One experiment; what keeps it from an answer is the finding."""
    try:
        async with asyncio.timeout(known.deadline + _GRACE):
            await trial(known)
    except TimeoutError:
        known.tell(name, title, None, f"not known: it took longer than {known.deadline:g} s")
    except HilumError as error:
        known.tell(name, title, None, f"not known: {error}")


def _at_once(look: Callable[[Known], None]) -> Trial:
    """What asks nothing more of the peer."""

    async def trial(known: Known) -> None:
        look(known)

    return trial
