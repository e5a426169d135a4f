"""The rows of the SCU: Hilum's own against DCMTK's programs, at the same server.

Hilum's is the library that the broker uses, in a process that has started already; so the time
of an echoscu, which is that of starting a program of DCMTK and a little more, is taken off theirs
where much is transferred.
"""

import statistics
from functools import partial

from bench import clients
from bench.floors import wire
from bench.row import (
    FLOOR,
    MILLISECONDS,
    OURS,
    SECONDS,
    Contestant,
    Contestants,
    Row,
    Taken,
    Target,
    Turns,
)
from bench.rows.archive import WIRE
from bench.site import Site

GROUP = "SCU"
DCMTK = "DCMTK"
_TIMES = 5
_LEAST = 0.001  # seconds
_row = partial(Row, group=GROUP)


def _longer(times: float) -> tuple[Target, ...]:
    return (Target("longer", times, DCMTK),)


def _one(kind: str) -> Contestants:
    """A search for one study, median; DCMTK's has an association each time."""

    def contestants(site: Site) -> Turns:
        if site.far is None:
            return
        far, study = site.far, site.corpus.small_study(1)

        def ours() -> Taken:
            studies = [site.corpus.small_study(at) for at in range(1, site.corpus.studies + 1)]
            took, count = site.scu.ask(kind, far, *studies[:100], seconds=site.extent.seconds)
            return Taken(took * 1000, count)

        def theirs() -> Taken:
            keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={study}"]
            command = clients.dcmtk("findscu", far, "-S", *keys)
            times = [clients.run([command])[0] for _ in range(_TIMES)]
            return Taken(statistics.median(times) * 1000)

        yield Contestant(OURS, ours, far.pid)
        yield Contestant(DCMTK, theirs, far.pid)

    return contestants


def _theirs(site: Site, seconds: float) -> Taken:
    """What a program of DCMTK took, without its start."""
    started = clients.start(site.sink) if site.sink else 0.0
    return Taken(max(seconds - started, _LEAST))


def _find(site: Site) -> Turns:
    if site.far is not None:
        far = site.far
        yield Contestant(OURS, lambda: Taken(*site.scu.ask("find", far)), far.pid)
        yield Contestant(DCMTK, lambda: _theirs(site, clients.run([clients.find(far)])[0]), far.pid)


def _get(site: Site) -> Turns:
    if site.far is not None:
        far, study = site.far, site.corpus.ct_study
        yield Contestant(OURS, lambda: Taken(*site.scu.ask("get", far, study)), far.pid)
        yield Contestant(
            DCMTK, lambda: _theirs(site, clients.run([clients.get(far, study)])[0]), far.pid
        )
        yield Contestant(FLOOR, lambda: Taken(wire.received(site.wire)))


def _store(site: Site) -> Turns:
    if site.sink is not None:
        sink, paths = site.sink, site.corpus.ct
        names = [str(path) for path in paths]
        yield Contestant(OURS, lambda: Taken(*site.scu.ask("store", sink, *names)), sink.pid)
        yield Contestant(DCMTK, lambda: _theirs(site, clients.store(sink, paths)), sink.pid)
        yield Contestant(FLOOR, lambda: Taken(wire.received(site.wire)))


ROWS = (
    _row(
        name="find one, on an open association",
        asked="a study by its UID, median; findscu with its start and an association for each",
        unit=MILLISECONDS,
        contestants=_one("pooled"),
    ),
    _row(
        name="find one, on a new association",
        asked="the same, with an association for each",
        unit=MILLISECONDS,
        contestants=_one("new"),
    ),
    _row(
        name="C-FIND all studies, as SCU",
        asked="against findscu",
        unit=SECONDS,
        contestants=_find,
        targets=_longer(1.1),
    ),
    _row(
        name="C-GET CT study, as SCU",
        asked="against getscu --ignore; both forget what comes",
        unit=SECONDS,
        contestants=_get,
        targets=_longer(0.8),
        floor=WIRE,
    ),
    _row(
        name="C-STORE CT study, as SCU",
        asked="to a storescp that forgets, against storescu",
        unit=SECONDS,
        contestants=_store,
        targets=_longer(0.8),
        floor=WIRE,
    ),
)
