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

from bench.hostile.crowd import crowd
from bench.hostile.foes import CLIENTS
from bench.hostile.run import Heard, Left, hostile, listening, started
from bench.hostile.watch import GROWTH, SLOPE, Look, as_before, settled, slope, watching
from bench.processes import say

QUIET = 0.3  # of each round, without hostile clients
WARM = 120.0  # seconds of hostile clients before anything counts
SLOWER = 2.0  # times as long as usual that the good client may wait


@dataclass(frozen=True, slots=True)
class Held:
    """What the server held: when all was made that is made once; as quiet times ended; last."""

    before: Left
    looks: Sequence[Look]
    after: Left


def measured(minutes: float, names: Sequence[str], folder: Path) -> bool:
    """Do it all, and tell; whether it passed."""
    spans = _Spans()
    with started(folder) as (place, pid):
        with listening(place) as heard:
            rounds = max(1, round(minutes))
            seconds = minutes * 60 / rounds
            heard.wait()
            crowd(place)
            hostile(place, min(WARM, minutes * 60), names)
            before = settled(pid, folder)
            say(f"start:       {before}")
            looks = []
            with watching(pid, folder) as look:
                for number in range(1, rounds + 1):
                    with spans.quiet():
                        time.sleep(seconds * QUIET)
                    looks.append(look())
                    with spans.hostile():
                        came = hostile(place, seconds * (1 - QUIET), names)
                    say(f"round {number} of {rounds}: {came}")
        after = settled(pid, folder, before)
    return told(heard, spans, Held(before, looks, after))


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


def told(heard: Heard, spans: _Spans, held: Held) -> bool:
    """Print what came out; whether it passed."""
    fine = _timed(heard, spans)
    print(f"\nstart:  {held.before}\nend:    {held.after}")
    quiet = " ".join(f"{left.memory:.0f}" for _, left in held.looks)
    print(f"memory as each quiet time ended: {quiet} MB")
    for error in heard.errors[:20]:
        print(f"error:  {error}")
    grew = slope(held.looks)
    level = grew is None or grew <= SLOPE
    as_it_was = as_before(held.before, held.after)
    found = "not known" if grew is None else f"{grew:+.2f}"
    print(f"\nno error of the good client: {_yes(not heard.errors)} ({len(heard.errors)})")
    print(f"at most {SLOWER:g} times its usual time: {_yes(fine)}")
    print(
        f"descriptors, threads and files as at the start, memory +{GROWTH:g} MB: {_yes(as_it_was)}"
    )
    print(f"memory level, at most {SLOPE:+g} MB a minute: {_yes(level)} ({found})")
    passed = fine and as_it_was and level and not heard.errors
    print("PASSED" if passed else "FAILED")
    return passed


def _timed(heard: Heard, spans: _Spans) -> bool:
    """Print how long the good client waited; whether that is good enough."""
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
    return fine


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
