"""Runs it: the good client all the time, hostile ones for most of it; tells what came out."""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.hostile.foes import CLIENTS
from bench.hostile.run import Heard, Left, hostile, listening, started
from bench.processes import say

QUIET = 0.3  # of each round, without hostile clients
SLOWER = 2.0  # times as long as usual that the good client may wait
GROWTH = 64.0  # MB of memory that may stay: caches, and the index of what was stored
SETTLE = 100.0  # seconds for what hostile clients left to run into its limits


def measured(minutes: float, names: Sequence[str], folder: Path) -> bool:
    """Do it all, and tell; whether it passed."""
    spans = _Spans()
    with started(folder) as (place, pid):
        with listening(place) as heard:
            rounds = max(1, round(minutes))
            seconds = minutes * 60 / rounds
            hostile(place, seconds * (1 - QUIET), names)  # so that what is made once is made
            _settled(pid, folder, None)
            before = Left.at(pid, folder)
            say(f"before: {before}")
            for number in range(1, rounds + 1):
                with spans.quiet():
                    time.sleep(seconds * QUIET)
                with spans.hostile():
                    came = hostile(place, seconds * (1 - QUIET), names)
                say(f"round {number} of {rounds}: {Left.at(pid, folder)}; {came}")
        after = _settled(pid, folder, before)
    return told(heard, spans, before, after)


@dataclass(slots=True)
class _Spans:
    """When was it quiet, and when not?"""

    without: list[tuple[float, float]] = field(default_factory=list)
    beside: list[tuple[float, float]] = field(default_factory=list)

    @contextmanager
    def quiet(self) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.without.append((began, time.monotonic()))

    @contextmanager
    def hostile(self) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.beside.append((began, time.monotonic()))


def _settled(pid: int, folder: Path, before: Left | None) -> Left:
    """What is left once nothing gets less, or as little as before."""
    end = time.monotonic() + SETTLE
    least, since = Left.at(pid, folder), time.monotonic()
    while time.monotonic() < end:
        time.sleep(0.5)
        now = Left.at(pid, folder)
        if before is not None and _as_before(before, now):
            return now
        if now.descriptors < least.descriptors:
            least, since = now, time.monotonic()
        if before is None and time.monotonic() - since > 10:
            return now
    return Left.at(pid, folder)


def _as_before(before: Left, now: Left) -> bool:
    return (
        now.descriptors <= before.descriptors + 2
        and now.threads <= before.threads + 2
        and now.files <= before.files + 2
        and now.memory <= before.memory + GROWTH
    )


def told(heard: Heard, spans: _Spans, before: Left, after: Left) -> bool:
    """Print what came out; whether it passed."""
    print(
        "| good client | median ms, alone | beside | times | p95 ms, alone | beside | times | n |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    fine = True
    for kind in dict.fromkeys(line[0] for line in heard.lines):
        alone, beside = heard.during(spans.without, kind), heard.during(spans.beside, kind)
        if len(alone) < 2 or len(beside) < 2:
            continue
        medians = [1000 * statistics.median(each) for each in (alone, beside)]
        tails = [1000 * statistics.quantiles(each, n=20)[18] for each in (alone, beside)]
        times = medians[1] / medians[0]
        fine = fine and times <= SLOWER
        print(
            f"| {kind} | {medians[0]:.1f} | {medians[1]:.1f} | {times:.2f} | "
            f"{tails[0]:.1f} | {tails[1]:.1f} | {tails[1] / tails[0]:.2f} | "
            f"{len(alone)} + {len(beside)} |"
        )
    print(f"\nbefore: {before}\nafter:  {after}")
    for error in heard.errors[:20]:
        print(f"error: {error}")
    clean = _as_before(before, after)
    print(
        f"errors of the good client: {len(heard.errors)}; "
        f"at most {SLOWER:g} times as long: {_yes(fine)}; as it was before: {_yes(clean)}"
    )
    return fine and clean and not heard.errors


def _yes(fine: bool) -> str:  # noqa: FBT001 - it says it
    return "yes" if fine else "NO"


def main() -> int:
    """0 where it passed."""
    parser = argparse.ArgumentParser(prog="python -m bench.hostile", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--only", action="append", default=[], metavar="NAME", choices=CLIENTS)
    parser.add_argument("--list", action="store_true", help="tell the kinds of hostile clients")
    given = parser.parse_args()
    if given.list:
        print("\n".join(CLIENTS))
        return 0
    with tempfile.TemporaryDirectory(prefix="hilum-hostile-") as work:
        return 0 if measured(given.minutes, given.only, Path(work)) else 1


if __name__ == "__main__":
    sys.exit(main())
