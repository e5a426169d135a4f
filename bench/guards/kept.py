"""What is kept with a guard? The middle of what several starts of the servers say, and how sure.

Each start says one thing, the median of its turns. The middle of the starts is their geometric
mean, as these are ratios, and the interval that of Student's t for it: it knows of what differs
from start to start as well as of what differs from second to second.
"""

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import exp, log, sqrt

from bench.results import Samples
from bench.row import Unit, faster

_T = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179)
"""Of Student's t the quantile 0.975, of 1 degree of freedom and more; beyond the last, the last."""
FEWEST = 3
"""Starts; fewer say nothing of how sure one may be."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A ratio of a server with a guard to the one without.

    Attributes:
        middle: of what the starts say.
        low, high: between them it is, in 95 of 100 such runs; with fewer than `FEWEST` starts the
            least and the greatest.
        starts: how many.
    """

    middle: float
    low: float
    high: float
    starts: int

    def judged(self, least: float) -> str:
        """ "yes" or "below", where the whole interval says so."""
        if self.starts < FEWEST:
            return "too few starts"
        return "yes" if self.low >= least else "**below**" if self.high < least else "open"


def of_speed(plain: Samples, guarded: Samples, unit: Unit, starts: int) -> Kept | None:
    """The part of the speed that is kept; None: not measured."""

    def kept(without: float, with_it: float) -> float:
        return faster(unit, with_it, without)

    return _middle(plain.values, guarded.values, kept, starts)


def of_time(plain: Samples, guarded: Samples, starts: int) -> Kept | None:
    """How many times as much CPU time of the server an answer takes."""

    def more(without: float, with_it: float) -> float:
        return with_it / without

    return _middle(_spent(plain), _spent(guarded), more, starts)


def _spent(samples: Samples) -> list[float]:
    return [spent / count for spent, count in zip(samples.cpu, samples.count, strict=False)]


def _middle(
    plain: Sequence[float],
    guarded: Sequence[float],
    ratio: Callable[[float, float], float],
    starts: int,
) -> Kept | None:
    """Of as many values of each in every start; None where somebody failed."""
    if not plain or len(plain) != len(guarded) or len(plain) % starts or 0 in (*plain, *guarded):
        return None
    ratios = [ratio(*each) for each in zip(plain, guarded, strict=True)]
    turns = len(ratios) // starts
    said = [statistics.median(ratios[at : at + turns]) for at in range(0, len(ratios), turns)]
    return _of_starts(said)


def _of_starts(said: Iterable[float]) -> Kept:
    logs = [log(each) for each in said]
    middle = statistics.fmean(logs)
    if len(logs) < FEWEST:
        return Kept(exp(middle), exp(min(logs)), exp(max(logs)), len(logs))
    t = _T[min(len(logs) - 1, len(_T)) - 1]
    off = t * statistics.stdev(logs) / sqrt(len(logs))
    return Kept(exp(middle), exp(middle - off), exp(middle + off), len(logs))
