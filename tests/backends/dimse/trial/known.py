"""What is known of a quirky PACS after some experiments."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager

from tests.contract.made import Made, made
from tests.quirky import HOST, Make, Pacs, Quirks, quirky

from hilum.backends.dimse.findings import Finding, Known
from hilum.backends.dimse.probe import Trial
from hilum.backends.dimse.trial.doors import doors
from hilum.backends.dimse.trial.levels import instances, series
from hilum.backends.dimse.trial.sample import sample
from hilum.upper_layer.requestor import Remote
from hilum.upper_layer.standing import Timeouts

DEADLINE = 2.0  # seconds
HELD = [
    made(number, 1, slice_, PatientName=f"Doe^{number}", StudyDate=f"2020{number:02}15")
    for number in range(1, 13)
    for slice_ in (1, 2)
]
KNOWN: Sequence[Trial] = (doors, sample, series, instances)
"""What is tried before most other things."""


def blank(pacs: Pacs, deadline: float = DEADLINE) -> Known:
    """Nothing is known yet."""
    limits = Timeouts(acse=deadline, message=deadline)
    to = Remote(host=HOST, port=pacs.port, calling="TESTER", called=pacs.aet, timeouts=limits)
    return Known(to, deadline, lambda _: None)


@asynccontextmanager
async def knowing(
    quirks: Quirks | None = None,
    trials: Iterable[Trial] = KNOWN,
    held: Sequence[Made] = HELD,
    make: Make = Make.OWN,
) -> AsyncIterator[tuple[Known, Pacs]]:
    """What the experiments found out."""
    with quirky(held, quirks, make=make) as pacs:
        known = blank(pacs)
        for each in trials:
            await each(known)
        yield known, pacs


def found(known: Known, name: str) -> Finding:
    """The finding of that name."""
    return next(each for each in known.findings if each.name == name)
