"""What was measured, as it is kept: results.json, and what was kept there before."""

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(slots=True)
class Samples:
    """What one contestant of one row took.

    Attributes:
        values: one of each round (or turn), in the unit of the row.
        cpu: CPU seconds of its server, of each round.
        peak: the most resident memory of its server in a round, in MB.
        count: answers in a round that the CPU seconds are of.
        client: CPU seconds of the client for each answer, where it is known.
        reason: why there are no values.
    """

    values: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    peak: float | None = None
    count: list[int] = field(default_factory=list)
    client: float | None = None
    reason: str = ""

    @property
    def median(self) -> float | None:
        """The middle of its values."""
        return statistics.median(self.values) if self.values else None

    @property
    def spread(self) -> float:
        """From the least to the greatest value, as a part of the median."""
        middle = self.median
        return (max(self.values) - min(self.values)) / middle if middle else 0.0

    @property
    def cpu_median(self) -> float | None:
        """CPU seconds of a round."""
        return statistics.median(self.cpu) if self.cpu else None

    @property
    def count_median(self) -> float:
        """Answers of a round."""
        return statistics.median(self.count) if self.count else 1


@dataclass(slots=True)
class Measured:
    """A row that was measured: contestant -> samples, and when."""

    date: str
    rounds: int
    samples: dict[str, Samples] = field(default_factory=dict)


@dataclass(slots=True)
class Results:
    """All that is known.

    Attributes:
        machine: what it was measured on.
        corpus: sizes of the corpus.
        systems: name -> version, what it does for durability, and what was seen of that.
        rows: "group: name" -> what was measured.
        guards: the same of `--guards`; rounds are starts there, each of as many turns.
        growth: the tables of `--growth`.
    """

    machine: dict[str, str] = field(default_factory=dict)
    corpus: dict[str, int] = field(default_factory=dict)
    systems: dict[str, dict[str, str]] = field(default_factory=dict)
    rows: dict[str, Measured] = field(default_factory=dict)
    guards: dict[str, Measured] = field(default_factory=dict)
    growth: dict[str, dict[str, Any]] = field(default_factory=dict)

    def merged(self, newer: "Results") -> "Results":
        """These, where `newer` has no others."""
        return Results(
            machine=newer.machine,
            corpus=newer.corpus or self.corpus,
            systems=self.systems | newer.systems,
            rows=self.rows | newer.rows,
            guards=self.guards | newer.guards,
            growth=self.growth | newer.growth,
        )


def save(results: Results, path: Path) -> None:
    """Write them as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(results), indent=1, ensure_ascii=False) + "\n", "utf-8")


def load(path: Path) -> Results:
    """What was saved; nothing where there is no file."""
    if not path.exists():
        return Results()
    kept = json.loads(path.read_text("utf-8"))
    rows, guards = (_measured(kept.pop(each, {})) for each in ("rows", "guards"))
    return Results(rows=rows, guards=guards, **kept)


def _measured(kept: dict[str, Any]) -> dict[str, Measured]:
    return {
        name: Measured(
            row["date"],
            row["rounds"],
            {who: Samples(**samples) for who, samples in row["samples"].items()},
        )
        for name, row in kept.items()
    }


def best(
    samples: dict[str, Samples], names: Sequence[str], *, more: bool
) -> tuple[str, float] | None:
    """The best of those, and its median."""
    known = [(name, value) for name in names if (value := samples[name].median) is not None]
    choose = max if more else min
    return choose(known, key=lambda pair: pair[1]) if known else None
