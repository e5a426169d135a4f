"""Runs the tables of growth: add one to `TABLES`."""

import datetime as dt
from argparse import Namespace
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from bench.growth import index, sizes
from bench.growth.step import Step, Table
from bench.processes import say
from bench.results import Results


@dataclass(frozen=True, slots=True)
class Growth:
    """A table to be made; see `Table`."""

    name: str
    steps: Callable[[Namespace, Path], Iterator[Step]]
    grows: str
    per: str
    note: str
    scale: float = 1.0
    noise: float = 0.05
    flat: bool = False


TABLES = (
    Growth("Searches, by rows in the index", index.steps, index.GROWS, "", index.NOTE, noise=0.001),
    Growth(
        "C-STORE of the CT study, by associations",
        sizes.associations,
        "associations",
        "",
        "The CT study in equal parts by so many storescu at once, each time into an empty archive; "
        "time in all. Most of what 64 take more is their start: the server takes an eighth more of "
        "CPU",
        flat=True,
    ),
    Growth(
        "An instance in and out, by its size",
        sizes.instance_sizes,
        "pixel data",
        "MB",
        "storescu, curl and getscu, one after another; the start of the client included",
        scale=1e6,
    ),
    Growth(
        "A study in and out, by its instances",
        sizes.study_sizes,
        "instances",
        "instance",
        "Small instances; storescu, curl and getscu with their start, metadata the median",
    ),
)


def measured(given: Namespace, work: Path, found: Results) -> None:
    """All tables with the wanted text in their name, put into `found` as they are done."""
    for each in TABLES:
        if given.growth.lower() not in each.name.lower():
            continue
        say(f"growth: {each.name}")
        today = dt.datetime.now(dt.UTC).date().isoformat()
        steps = list(each.steps(given, work))
        about = {field.name: getattr(each, field.name) for field in fields(each)}
        table = Table(**{**about, "date": today, "steps": steps})
        found.growth[each.name] = asdict(table)
