"""Runs the rows: every contestant in turn, round after round, so that all see the same machine."""

import datetime as dt
import os
import time
from collections.abc import Sequence
from contextlib import closing, suppress

from bench.clients import ClientFailed, NotOffered
from bench.processes import cpu_seconds, peak, reset_peak, say
from bench.results import Measured, Results, Samples
from bench.row import Contestant, Row, Stage
from bench.site import Site
from bench.system import System

_REASON = 300  # characters of what went wrong that are kept


def key(row: Row) -> str:
    """What a row is called in results.json and by `--only`."""
    return f"{row.group}: {row.name}"


def in_turn(systems: Sequence[System], number: int, rounds: int) -> list[System]:
    """In whose turn they are asked in the round of that number: each comes early, and late.

    A machine is not the same at the beginning and at the end of a row: disks that are written to
    slow down, and so does a virtual machine that was busy for a while.
    """
    first = (number - 1) * len(systems) // rounds
    return [*systems[first:], *systems[:first]]


def measure(rows: Sequence[Row], site: Site, number: int, rounds: int, results: Results) -> None:
    """Measure all of these rows, in the round of that number."""
    site.number = number
    for row in rows:
        _round(row, site, number, rounds, results)


def _round(row: Row, site: Site, number: int, rounds: int, results: Results) -> None:
    today = dt.datetime.now(dt.UTC).date().isoformat()
    measured = results.rows.setdefault(key(row), Measured(today, rounds))
    told = []
    with closing(row.contestants(site)) as contestants:
        for each in contestants:
            samples = measured.samples.setdefault(each.name, Samples())
            if not samples.reason:
                sample(row, each, samples)
            shown = samples.reason or f"{samples.values[-1]:.{row.unit.digits}f} {row.unit.name}"
            told.append(f"{each.name} {shown[:60]}")
    say(f"[{number}/{rounds}] {key(row)}: {'; '.join(told) or 'nobody to ask'}")


def sample(row: Row, each: Contestant, samples: Samples) -> None:
    """Measure one contestant once; who does not succeed has a reason from then on."""
    if row.stage is Stage.STORE:
        _settle()
    if each.pid is not None:
        reset_peak(each.pid)
    before = None if each.pid is None else cpu_seconds(each.pid)
    try:
        taken = each.run()
    except (NotOffered, ClientFailed) as error:
        kind = "not offered" if isinstance(error, NotOffered) else "failed"
        samples.reason = f"{kind}: {' '.join(str(error).split())[:_REASON]}"
        return
    samples.values.append(taken.value)
    samples.count.append(taken.count)
    samples.client = taken.client if taken.client is not None else samples.client
    if each.pid is not None:
        after, most = cpu_seconds(each.pid), peak(each.pid)
        if before is not None and after is not None:
            samples.cpu.append(after - before)
        if most is not None:
            samples.peak = max(samples.peak or 0.0, most)


def _settle() -> None:
    """Let the disk have what others wrote before: who comes next shall not wait for it."""
    with suppress(AttributeError):
        os.sync()
    time.sleep(0.05)
