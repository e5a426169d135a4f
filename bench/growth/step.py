"""What a table of growth is made of, and how it is judged."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

_MORE = 1.5  # times as much as its size says is too much
_ROOM = 32.0  # MB by which memory may differ without growing


@dataclass(frozen=True, slots=True)
class Step:
    """One size.

    Attributes:
        size: of what grows.
        label: how it is written.
        seconds: of each question, in all.
        peak: the most resident memory of the server, in MB.
        reasons: question -> why it has no time.
    """

    size: float
    label: str
    seconds: Mapping[str, float]
    peak: float | None = None
    reasons: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Table:
    """How the cost of some questions grows.

    Attributes:
        grows: what the sizes are of.
        per: the unit in which time is told: "instance", "MB"; "" for time in all.
        scale: sizes in one of that unit.
        note: what was done.
        noise: seconds below which a step says nothing of growth.
        flat: the work is the same in every step, and so should be the time.
    """

    name: str
    grows: str
    per: str
    note: str
    date: str
    steps: Sequence[Step]
    scale: float = 1.0
    noise: float = 0.05
    flat: bool = False


def verdict(table: Table, question: str) -> str:
    """Whether the time of a question grows faster than what it is asked of."""
    known = [
        (each.size, each.seconds[question]) for each in table.steps if question in each.seconds
    ]
    known = [(size, seconds) for size, seconds in known if seconds > 0]
    if len(known) < 2:
        return "-"
    worst = max(
        later / max(earlier, table.noise) / (1.0 if table.flat else more / less)
        for (less, earlier), (more, later) in pairwise(known)
    )
    if worst <= _MORE:
        return "does not grow" if table.flat else "no faster than its input"
    return "**grows**" if table.flat else "**faster than its input**"


def memory_verdict(steps: Sequence[Step]) -> str:
    """Whether memory grows with the size."""
    known = [each.peak for each in steps if each.peak is not None]
    if len(known) < 2:
        return "-"
    grown = known[-1] - min(known)
    return f"**grows by {grown:.0f} MB**" if grown > _ROOM else "does not grow"
