"""Is a target in reach of anybody? Not if the floor misses it too."""

from collections.abc import Mapping
from dataclasses import dataclass

from bench.results import Samples
from bench.row import Row, Target

IN, OUT, EDGE = "in reach", "out of reach", "on the edge"


@dataclass(frozen=True, slots=True)
class Reach:
    """How far somebody comes, of what is the target of a row.

    Attributes:
        text: the least and the most of all rounds.
        met: in which of them the target is.
    """

    text: str
    met: frozenset[bool | None]

    @property
    def verdict(self) -> str:
        """What that says of the target, if it is a floor's."""
        return EDGE if len(self.met) > 1 else IN if True in self.met else OUT


def reaches(row: Row, samples: Mapping[str, Samples], name: str) -> list[Reach]:
    """What the one of that name reaches, of each target of the row; [] where nobody knows."""
    values = samples[name].values if name in samples else []
    pairs = [(target, _rounds(target, samples, values)) for target in row.targets]
    return [_reach(row, target, rounds) for target, rounds in pairs if rounds]


def _reach(row: Row, target: Target, rounds: list[tuple[float, float]]) -> Reach:
    scaled = [target.scaled(row.unit, value, other) for value, other in rounds]
    least, most = (target.number(each) for each in (min(scaled), max(scaled)))
    text = target.said(row.unit, least if least == most else f"{least} to {most}")
    met = [target.met(row.unit, value, {target.against: other}) for value, other in rounds]
    return Reach(text, frozenset(met))


def _rounds(
    target: Target, samples: Mapping[str, Samples], values: list[float]
) -> list[tuple[float, float]]:
    """Of each round, its value, and that of the one that the target names."""
    if not target.against:
        return [(value, 0.0) for value in values]
    others = samples.get(target.against)
    return list(zip(values, others.values, strict=False)) if others else []
