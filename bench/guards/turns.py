"""Measures servers with a guard and the one without, a short slice of each in turn.

A machine that others use, or a virtual one, is another one from second to second: only what was
measured next to each other is compared. And a server is another one each time it is started: where
its memory happens to lie makes two alike differ by some hundredths. So they are started several
times, and what each start says counts once.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from itertools import cycle, permutations
from pathlib import Path

from bench.access import Guard
from bench.folders import passing
from bench.measure import key, sample
from bench.processes import say
from bench.results import Measured, Results, Samples
from bench.row import FLOOR, OURS, Contestant, Row, Stage
from bench.site import Choice, Plan, Site, archives, fill
from bench.system import System
from bench.systems.dcmtk import STORESCP

_SLICE = 0.05  # seconds that small requests are asked for
_SLICES, _ONCE, _STORES = 10, 3, 2
"""Turns of a start: of small requests, of what is asked as a whole, of what is stored."""
_NAGLE = 10  # instances that a client with Nagle's delay sends


def of_interest(rows: Sequence[Row]) -> list[Row]:
    """Those that say something of a guard: what an archive is asked more than once."""
    return [row for row in rows if row.group == "archive" and row.stage is not Stage.START]


@contextmanager
def filled(plan: Plan, work: Path) -> Iterator[Path]:
    """The folder of a server that had the corpus, and has ended."""
    choice = Choice(names=[OURS])
    with passing(work) as folder:
        with archives(plan.corpus, folder, plan.extent, choice) as site:
            fill(site)
        yield folder / "hilum1"


def compared(plan: Plan, guards: Sequence[Guard], folder: Path) -> Plan:
    """The servers that are compared, filled; small requests are asked for a moment only."""
    seconds, nagle = min(plan.extent.seconds, _SLICE), min(plan.extent.nagle, _NAGLE)
    extent = replace(plan.extent, seconds=seconds, nagle=nagle)
    names = [name for name in (OURS, STORESCP) if plan.choice.has(name)]
    return Plan(plan.corpus, extent, Choice(guards=guards, names=names, filled=folder))


def smaller(site: Site) -> Site:
    """It stores a fifth of the slices, or a tenth of the studies, so that there are more turns.

    That makes an association or a request, and the token that comes with each, cost so many times
    as much of it as in the main table.
    """
    slices = max(site.corpus.slices // 5, 3)
    studies = max(site.corpus.studies // 10, 6)
    return replace(site, corpus=replace(site.corpus, slices=slices, studies=studies))


def orders(systems: Sequence[System]) -> Iterator[list[System]]:
    """In whose turn they are asked, another one each time: ours next to each other."""
    ours = [each for each in systems if each.ours]
    others = [each for each in systems if not each.ours]
    return ([*one, *others] for one in cycle(permutations(ours)))


def in_slices(rows: Sequence[Row], site: Site, number: int, results: Results) -> None:
    """Measure all of these rows, in the start of that number."""
    today = dt.datetime.now(dt.UTC).date().isoformat()
    for stage, place in ((Stage.READ, site), (Stage.STORE, smaller(site))):
        for row in rows:
            if row.stage is stage:
                measured = results.guards.setdefault(key(row), Measured(today, 0))
                measured.rounds += 1
                _measure(row, place, measured.samples)
                say(f"guards [{number}] {key(row)}")


def _measure(row: Row, site: Site, samples: dict[str, Samples]) -> None:
    order = orders(site.systems)
    with ExitStack() as stack:
        site.systems = next(order)
        kept = _kept(row, site, stack)
        turns = _STORES if row.stage is Stage.STORE else _SLICES if kept else _ONCE
        # What a server does only at first is not measured.
        for _ in range(_SLICES // 3 if kept else 1):
            _turn(row, site, kept, {})
        for _ in range(turns):
            site.systems = next(order)
            _turn(row, site, kept, samples)


def _kept(row: Row, site: Site, stack: ExitStack) -> dict[str, Contestant]:
    """Contestants by name, with their connections open, where they have any."""
    with closing(row.contestants(site)) as contestants:
        return {
            each.name: replace(each, run=stack.enter_context(each.opened()))
            for each in contestants
            if each.opened is not None
        }


def _turn(
    row: Row, site: Site, kept: Mapping[str, Contestant], samples: dict[str, Samples]
) -> None:
    if kept:
        found = (kept[system.name] for system in site.systems if system.name in kept)
        return _each(row, found, samples)
    with closing(row.contestants(site)) as contestants:
        return _each(row, contestants, samples)


def _each(row: Row, contestants: Iterable[Contestant], samples: dict[str, Samples]) -> None:
    for each in contestants:
        if each.name == FLOOR:
            continue
        own = samples.setdefault(each.name, Samples())
        if not own.reason:
            sample(row, each, own)
