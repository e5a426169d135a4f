"""What a row of the table is: a question, who is asked, and what the answer should be."""

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import Enum

from bench.site import Site
from bench.systems import barest

FLOOR = barest.NAME
DIRECT = "direct"
OURS = "Hilum"
_MANY = 100  # from here on a number is written without fractions
_FEW = 0.1  # below it two digits are told, wherever they stand


@dataclass(frozen=True, slots=True)
class Unit:
    """How a value is read.

    Attributes:
        name: behind the number.
        digits: behind the decimal point.
        more: more is better.
    """

    name: str
    digits: int
    more: bool = False


SECONDS = Unit("s", 3)
MILLISECONDS = Unit("ms", 2)
RATE = Unit("/s", 0, more=True)
MEGABYTES = Unit("MB", 0)


class Stage(Enum):
    """When a row is measured."""

    START = "start"
    """Once, right after the servers have come up, empty."""
    READ = "read"
    """In every round, when all of the corpus is stored."""
    STORE = "store"
    """In every round, in servers that are started empty for it; each time under new UIDs."""


@dataclass(frozen=True, slots=True)
class Taken:
    """One measurement.

    Attributes:
        value: in the unit of the row.
        count: answers that it is of.
        client: CPU seconds of the client, where it is not a process of its own.
    """

    value: float
    count: int = 1
    client: float | None = None


@dataclass(frozen=True, slots=True)
class Contestant:
    """Somebody who is measured.

    Attributes:
        run: measures once; raises `ClientFailed` or `NotOffered`.
        pid: whose CPU and memory are read meanwhile.
        opened: what `run` opens each time, to be opened once for many short measurements; None:
            there is nothing that could be kept.
    """

    name: str
    run: Callable[[], Taken]
    pid: int | None = None
    opened: Callable[[], AbstractContextManager[Callable[[], Taken]]] | None = None


Turns = Generator[Contestant, None, None]
"""Who is measured in one round, in turn; what it holds open ends with it."""
Contestants = Callable[[Site], Turns]


@dataclass(frozen=True, slots=True)
class Target:
    """What is to be reached.

    Attributes:
        kind: "faster": at least `bound` times as fast as `against`; "longer": takes at most
            `bound` times as long; "added": at most `bound` more, in the unit of the row;
            "bound": the value itself is at least (or at most, by the unit) so much.
    """

    kind: str
    bound: float
    against: str = ""

    def text(self, unit: Unit) -> str:
        """As it stands in the table."""
        return f"{'≥' if self._rises(unit) else '≤'} {self.said(unit, f'{self.bound:g}')}"

    def number(self, value: float) -> str:
        """A value of `scaled`."""
        if abs(value) >= _MANY:
            return f"{value:,.0f}"
        return f"{value:.2f}" if abs(value) >= _FEW else f"{value:.2g}"

    def said(self, unit: Unit, number: str) -> str:
        """A number, with what it is of."""
        match self.kind:
            case "faster":
                return f"{number}x {self.against}"
            case "longer":
                return f"{number}x the time of {self.against}"
            case "added":
                return f"{self.against} + {number} {unit.name}"
        return f"{number} {unit.name}"

    def scaled(self, unit: Unit, ours: float, theirs: float) -> float:
        """What is held against the bound."""
        match self.kind:
            case "faster":
                return faster(unit, ours, theirs)
            case "longer":
                return 1 / faster(unit, ours, theirs)
            case "added":
                return ours - theirs
        return ours

    def met(self, unit: Unit, ours: float, others: dict[str, float]) -> bool | None:
        """Whether it is; None where nobody knows, as the other one was not measured."""
        if self.kind != "bound" and self.against not in others:
            return None
        value = self.scaled(unit, ours, others.get(self.against, 0.0))
        return value >= self.bound if self._rises(unit) else value <= self.bound

    def _rises(self, unit: Unit) -> bool:
        return unit.more if self.kind == "bound" else self.kind == "faster"


def faster(unit: Unit, ours: float, theirs: float) -> float:
    """How many times as good ours is; above 1 it is better."""
    return ours / theirs if unit.more else theirs / ours


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row of the table.

    Attributes:
        group: the table it stands in.
        asked: what is asked, and by which client.
        contestants: who is measured.
        floor: what the floor is, where there is one.
    """

    name: str
    group: str
    asked: str
    unit: Unit
    contestants: Contestants
    targets: tuple[Target, ...] = ()
    stage: Stage = Stage.READ
    floor: str = ""
