"""What tokens and TLS cost, as a table."""

from collections.abc import Iterator, Mapping, Sequence

from bench.access import Guard
from bench.guards.kept import Kept, of_speed, of_time
from bench.measure import key
from bench.results import Measured, Samples
from bench.row import OURS, Row, Unit
from bench.systems.dcmtk import STORESCP, STORESCP_TLS
from bench.systems.hilum import guarded_title

_LEAST = {Guard.AUTH: 0.95, Guard.TLS: 0.65}
"""The part of its speed that a row keeps at least."""
_INTRODUCTION = """## What tokens and TLS cost

The part of its speed that each row keeps, and how many times as much CPU time of the server each
answer takes; in brackets where that lies in 95 of 100 such runs. All servers were started anew
several times. After each start every row was measured in turns: each server a twentieth of a
second, or one time, in another order in each turn; its values are compared within the turn. "At
least" says "yes" or "below" where all of the interval does, and "open" where it does not: the row
is too noisy to tell. The time of a row is that of its client and of the disk too, CPU time is the
server's alone. DCMTK's getscu and movescu speak no TLS, and they and findscu show no token: with
tokens they come by AE title. The last column is the floor of TLS: what DCMTK's storescp keeps. Rows
that store do so with a fifth of the CT study, or a tenth of the small studies.
"""


def guards_table(rows: Sequence[Row], measured: Mapping[str, Measured]) -> Iterator[str]:
    """All of it as lines; none where nothing was measured."""
    known = [row for row in rows if key(row) in measured]
    if not known:
        return
    yield _INTRODUCTION
    heads = ["row", "starts"]
    for guard, least in _LEAST.items():
        heads += [f"{guard.value} keeps", f"at least {least * 100:.0f} %", "its CPU time"]
    yield f"| {' | '.join((*heads, 'storescp keeps'))} |"
    yield "|" + "---|" * (len(heads) + 1)
    for row in known:
        found = measured[key(row)]
        cells = [row.name, str(found.rounds)]
        for guard, least in _LEAST.items():
            cells += _cells(found, guarded_title(guard), row.unit, least)
        floor = _pair(found.samples, STORESCP, STORESCP_TLS)
        cells.append(_percent(of_speed(*floor, row.unit, found.rounds)) if floor else "-")
        yield f"| {' | '.join(cells)} |"
    yield ""


def _cells(found: Measured, guarded: str, unit: Unit, least: float) -> tuple[str, str, str]:
    pair = _pair(found.samples, OURS, guarded)
    speed = of_speed(*pair, unit, found.rounds) if pair else None
    if pair is None or speed is None:
        return "-", "-", "-"
    time = of_time(*pair, found.rounds)
    spent = f"{time.middle:.3f} ({time.low:.3f} to {time.high:.3f})" if time else "-"
    return _percent(speed), speed.judged(least), spent


def _pair(
    samples: Mapping[str, Samples], plain: str, guarded: str
) -> tuple[Samples, Samples] | None:
    if plain not in samples or guarded not in samples:
        return None
    return samples[plain], samples[guarded]


def _percent(kept: Kept | None) -> str:
    if kept is None:
        return "-"
    return f"{kept.middle * 100:.1f} % ({kept.low * 100:.1f} to {kept.high * 100:.1f})"
