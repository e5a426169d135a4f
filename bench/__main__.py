"""Runs the benchmarks: `python -m bench`, or `scripts/bench`, which sees to the environment."""

import signal
import sys
import tempfile
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from bench import durability, results
from bench.corpus import Corpus
from bench.growth import run as growth
from bench.guards import turns as guards
from bench.machine import machine, versions
from bench.measure import in_turn, key, measure
from bench.options import parse
from bench.processes import CannotStart, say
from bench.profiling import profile
from bench.report import report
from bench.results import Results
from bench.row import OURS, Row, Stage
from bench.rows.table import ROWS
from bench.site import Choice, Extent, Plan, Site, fill, prime, surroundings, warm


def chosen(only: Sequence[str]) -> list[Row]:
    """The rows that are wanted."""
    texts = [each.lower() for each in only]
    return [row for row in ROWS if not texts or any(text in key(row).lower() for text in texts)]


def measured(given: Namespace, work: Path, found: Results) -> None:
    """All rows that are wanted, put into `found` as they are measured.

    Raises:
        CannotStart: a server does not come up.
    """
    corpus = Corpus(given.corpus, given.slices, given.small, given.frames)
    say(f"the corpus is in {given.corpus}, or is made there now")
    corpus.make()
    choice = Choice(given.workers, (), given.peer, given.systems)
    plan = Plan(corpus, Extent(given.rounds, given.seconds, given.nagle), choice)
    found.corpus = _sizes(given)
    rows = chosen(given.only)
    start, read, store = ([row for row in rows if row.stage is stage] for stage in Stage)
    if given.rounds and (start or read):
        with plan.site(work) as site:
            _describe(site, found)
            measure(start, site, 1, 1, found)
            if read:
                _read(read, site, given, found)
    for number in range(1, given.rounds + 1) if store else ():
        with plan.site(work) as site:
            _describe(site, found)
            site.systems = in_turn(site.systems, number, given.rounds)
            prime(site)
            measure(store, site, number, given.rounds, found)
            if number == given.rounds:
                for name, counts in durability.seen(site).items():
                    found.systems[name]["seen"] = counts
                if given.profile:
                    profile(store, site, given.profile)
    if given.guards and choice.has(OURS):
        _guarded(rows, plan, work, given, found)


def _guarded(rows: Sequence[Row], plan: Plan, work: Path, given: Namespace, found: Results) -> None:
    """What guards cost, in servers that are started anew again and again."""
    wanted = guards.of_interest(rows)
    if not wanted:
        return
    with guards.filled(plan, work) as folder:
        for number in range(1, given.starts + 1):
            with guards.compared(plan, given.guards, folder).site(work) as site:
                _describe(site, found)
                guards.in_slices(wanted, site, number, found)
                if given.profile and number == given.starts:
                    profile(wanted, site, given.profile)


def _read(rows: Sequence[Row], site: Site, given: Namespace, found: Results) -> None:
    """The rows that read, round after round."""
    fill(site)
    with surroundings(site, given.workers):
        warm(site)
        systems = site.systems
        for number in range(1, given.rounds + 1):
            site.systems = in_turn(systems, number, given.rounds)
            measure(rows, site, number, given.rounds, found)
        if given.profile:
            profile(rows, site, given.profile)


def _sizes(given: Namespace) -> dict[str, int]:
    return {
        "slices of the CT study": given.slices,
        "small studies": given.small,
        "frames of the multi-frame object": given.frames,
    }


def _describe(site: Site, found: Results) -> None:
    known = versions()
    for each in site.systems:
        version = known.get("Hilum" if each.ours else each.name, "")
        facts = {"version": version, "durability": each.durability}
        found.systems[each.name] = found.systems.get(each.name, {}) | facts


def main() -> int:
    """Measure, keep the results and write the page; the exit code."""
    given = parse()
    signal.signal(signal.SIGTERM, _interrupted)
    if given.list:
        for row in chosen(given.only):
            print(f"{key(row):60} {row.asked}")
        return 0
    found = results.load(given.json) if given.report or given.merge else Results()
    code = 0
    if not given.report:
        newer = Results(machine())
        try:
            with tempfile.TemporaryDirectory(prefix="hilum-bench-", dir=given.work) as work:
                (measured if given.growth is None else growth.measured)(given, Path(work), newer)
        except CannotStart as error:
            say(str(error))
            code = 1
        except KeyboardInterrupt:
            say("interrupted; what was measured is kept")
            code = 130
        found = found.merged(newer)
        results.save(found, given.json)
    page = given.json.with_name("RESULTS.md")
    page.write_text(report(found, ROWS), "utf-8")
    say(f"written: {given.json.name} and {page.name}")
    return code


def _interrupted(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
