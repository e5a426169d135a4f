"""RESULTS.md: what was measured, as tables."""

import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.growth.table import growth_tables
from bench.guards.table import guards_table
from bench.measure import key
from bench.reach import reaches
from bench.results import Measured, Results, Samples, best
from bench.row import FLOOR, MEGABYTES, OURS, RATE, Row, Unit, faster

_INTRODUCTION = """# What was measured

Made by `scripts/bench`; [README.md](README.md) says how, and how to read it. Times of one machine
mean little: read the ratios, which were taken in one run, all contestants in turn. A cell is the
median of the rounds and, in brackets, the distance from the least to the greatest as a part of it.
In the table of the archive 2.0 says that Hilum is twice as fast; in those of SCU and broker it says
that Hilum takes twice as long.
"""
_WHY = Path(__file__).with_name("misses.toml")
_RATIOS = {
    "archive": ("times as fast as the best other", "as the floor"),
    "SCU": ("time as a multiple of DCMTK's", "of the floor's"),
    "broker": ("time as a multiple of the direct one", "of the floor's"),
}
_GROUPS = {
    "archive": "## The archive: the same clients against each server",
    "SCU": "## The SCU: Hilum's own client and DCMTK's against the same server",
    "broker": "## The broker: through Hilum, and directly at the peer",
}


def report(results: Results, rows: Sequence[Row]) -> str:
    """The whole page."""
    parts = [_INTRODUCTION, *_about(results)]
    for group, title in _GROUPS.items():
        known = [row for row in rows if row.group == group and key(row) in results.rows]
        if known:
            parts += [title, "", *_table(known, results), "", *_costs(known, results), ""]
    parts += _misses(rows, results)
    parts += guards_table(rows, results.guards)
    parts += _legend([row for row in rows if key(row) in results.rows | results.guards])
    parts += growth_tables(results.growth)
    return "\n".join(parts).rstrip() + "\n"


def _about(results: Results) -> Iterator[str]:
    yield "- Machine: " + ", ".join(f"{name} {value}" for name, value in results.machine.items())
    sizes = ", ".join(f"{name} {value:,}" for name, value in results.corpus.items())
    yield f"- Corpus: {sizes}"
    dates = sorted({row.date for row in results.rows.values()})
    yield f"- Date: {' to '.join(dict.fromkeys((dates[0], dates[-1])))}" if dates else ""
    yield ""
    yield "| system | version | durability | syncs counted by strace |"
    yield "|---|---|---|---|"
    for name, facts in results.systems.items():
        cells = (facts.get(each) or "-" for each in ("version", "durability", "seen"))
        yield f"| {name} | {' | '.join(cells)} |"
    yield ""


def _names(rows: Sequence[Row], results: Results) -> list[str]:
    """All contestants: ours first, the floor last."""
    found = [name for row in rows for name in results.rows[key(row)].samples]
    order = {name: at for at, name in enumerate(dict.fromkeys(found))}
    return sorted(order, key=lambda name: (name == FLOOR, not name.startswith(OURS), order[name]))


def _table(rows: Sequence[Row], results: Results) -> Iterator[str]:
    names = _names(rows, results)
    ratios = _RATIOS[rows[0].group]
    heads = ("row", *names, ratios[0], "target", "met", ratios[1], "what the floor reaches")
    yield f"| {' | '.join(heads)} |"
    yield "|" + "---|" * len(heads)
    for row in rows:
        measured = results.rows[key(row)]
        cells = [_cell(measured.samples.get(name), row.unit) for name in names]
        verdict = (*_verdict(row, measured), _reach(row, measured))
        yield f"| {' | '.join((row.name, *cells, *verdict))} |"


def _cell(samples: Samples | None, unit: Unit) -> str:
    if samples is None:
        return ""
    if samples.median is None:
        return samples.reason.split(":", 1)[0] + _status(samples.reason)
    spread = f" ({samples.spread * 100:.0f} %)" if len(samples.values) > 1 else ""
    return f"{number(samples.median, unit)} {unit.name}{spread}"


def _status(reason: str) -> str:
    return f" ({reason.partition(': ')[2]})" if reason.startswith("not offered") else ""


def number(value: float, unit: Unit) -> str:
    """A value, with more digits where it is small."""
    small = unit.digits + 1 if value < 10 and not unit.more else unit.digits
    return f"{value:,.{1 if unit is RATE and value < 100 else small}f}"


def _verdict(row: Row, measured: Measured) -> tuple[str, str, str, str]:
    """Ratio to the best other, target, whether it is met, ratio to the floor."""
    ours = measured.samples.get(OURS)
    target = " and ".join(each.text(row.unit) for each in row.targets) or "-"
    if ours is None or ours.median is None:
        return "-", target, "no" if row.targets and ours else "-", "-"
    value = ours.median
    others = {
        name: median
        for name, samples in measured.samples.items()
        if not name.startswith(OURS) and (median := samples.median) is not None
    }
    floor = others.pop(FLOOR, None)
    found = best(measured.samples, list(others), more=row.unit.more)
    ratio = f"{_ratio(row, value, found[1])} ({found[0]})" if found else "-"
    if found and row.group != "archive":
        ratio = _ratio(row, value, found[1])
    met = [each.met(row.unit, value, others) for each in row.targets]
    known = [each for each in met if each is not None]
    verdict = "-" if not known else "yes" if all(known) else "**no**"
    against = "Orthanc"
    if found and against in others and found[0] != against:
        ratio += f", {_ratio(row, value, others[against])} ({against})"
    return ratio, target, verdict, "-" if floor is None else _ratio(row, value, floor)


def _reach(row: Row, measured: Measured) -> str:
    """How far the floor comes, of what is the target."""
    found = reaches(row, measured.samples, FLOOR)
    return " and ".join(f"{each.text}: {each.verdict}" for each in found) or "-"


def _ratio(row: Row, ours: float, theirs: float) -> str:
    ratio = faster(row.unit, ours, theirs)
    if row.group != "archive":
        ratio = 1 / ratio
    return f"{ratio:,.0f}" if ratio >= 100 else f"{ratio:.1f}" if ratio >= 10 else f"{ratio:.2f}"


def _costs(rows: Sequence[Row], results: Results) -> Iterator[str]:
    """CPU of the servers, and their memory."""
    names = [name for name in _names(rows, results) if name != FLOOR]
    yield "CPU time of the server (user and system; of one answer, where a rate is measured), and"
    yield "the most resident memory that it had meanwhile; for an SCU, those of the server it asks."
    yield ""
    yield f"| row | {' | '.join(names)} | our HTTP client |"
    yield "|" + "---|" * (len(names) + 2)
    for row in rows:
        if row.unit is MEGABYTES:
            continue
        measured = results.rows[key(row)]
        cells = [_cost(measured.samples.get(name)) for name in names]
        clients = [each.client for each in measured.samples.values() if each.client is not None]
        client = f"{min(clients) * 1000:.2f} ms an answer" if clients else ""
        yield f"| {' | '.join((row.name, *cells, client))} |"


def _cost(samples: Samples | None) -> str:
    if samples is None or samples.cpu_median is None:
        return ""
    count = samples.count_median
    spent = samples.cpu_median
    time = f"{spent / count * 1000:.2f} ms" if samples.client is not None else f"{spent:.2f} s"
    return f"{time}, {samples.peak:.0f} MB" if samples.peak is not None else time


def _misses(rows: Sequence[Row], results: Results) -> Iterator[str]:
    """Why targets are missed."""
    known = [row for row in rows if key(row) in results.rows]
    missed = [row for row in known if "no" in _verdict(row, results.rows[key(row)])[2]]
    if not missed:
        return
    why = tomllib.loads(_WHY.read_text("utf-8"))
    yield "## Where a target is missed, and why"
    yield ""
    yield "The floor is what the same client has of a server, or the same server of a client, that"
    yield "does only what cannot be left out. What it misses in every round is out of reach of all,"
    yield "on this machine, with this client and, where something is stored, with this durability;"
    yield "what it meets in every round is in reach; the rest is on the edge."
    yield ""
    yield "| row | target | Hilum | floor | why |"
    yield "|---|---|---|---|---|"
    for row in missed:
        measured = results.rows[key(row)]
        target = " and ".join(each.text(row.unit) for each in row.targets)
        ours = " and ".join(each.text for each in reaches(row, measured.samples, OURS))
        cells = (target, ours, _reach(row, measured), why.get(key(row), "-"))
        yield f"| {row.group}: {row.name} | {' | '.join(cells)} |"
    yield ""


def _legend(rows: Sequence[Row]) -> Iterator[str]:
    yield "## What is asked, and what the floor is"
    yield ""
    yield "| row | asked | floor |"
    yield "|---|---|---|"
    for row in rows:
        yield f"| {row.name} | {row.asked} | {row.floor or '-'} |"
    yield ""
