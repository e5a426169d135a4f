"""The tables of `--growth` as text: what a step costs, and whether that is more than it may be."""

from collections.abc import Iterator, Mapping
from typing import Any

from bench.growth.step import Step, Table, memory_verdict, verdict

_UNITS = ((1.0, "s", 2), (1e-3, "ms", 2), (1e-6, "µs", 1))


def growth_tables(growth: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """All tables as lines."""
    if growth:
        yield "## How cost grows"
        yield ""
        yield "Nothing may grow faster than its input, and memory not at all. A step counts as too"
        yield "much when it takes 1.5 times what the step before it and the sizes let expect. All"
        yield "transfers share 16 MB that they may hold; beside it a connection that moves"
        yield "something takes some hundred kB, and a study 1 to 2 kB for each of its instances:"
        yield "its list."
        yield ""
    for name, found in growth.items():
        table = Table(**{**found, "steps": [Step(**each) for each in found["steps"]]})
        yield f"### {name}"
        yield ""
        yield f"{table.note} ({table.date})"
        yield ""
        yield from _table(table)
        yield ""


def _table(found: Table) -> Iterator[str]:
    steps = found.steps
    questions = list(dict.fromkeys(name for each in steps for name in each.seconds))
    per = f", time per {found.per}" if found.per else ""
    heads = [found.grows, *(f"{name}{per}" for name in questions), "peak memory"]
    yield f"| {' | '.join(heads)} |"
    yield "|" + "---|" * len(heads)
    for each in steps:
        units = each.size / found.scale if found.per else 1.0
        cells = [_time(each, name, units) for name in questions]
        memory = "-" if each.peak is None else f"{each.peak:.0f} MB"
        yield f"| {' | '.join((each.label, *cells, memory))} |"
    judged = [verdict(found, name) for name in questions]
    yield f"| {' | '.join(('grows', *judged, memory_verdict(steps)))} |"


def _time(step: Step, name: str, units: float) -> str:
    if name not in step.seconds:
        return step.reasons.get(name, "-")
    seconds = step.seconds[name] / units
    for size, unit, digits in _UNITS:
        if seconds >= size or unit == "µs":
            return f"{seconds / size:.{digits}f} {unit}"
    return "-"
