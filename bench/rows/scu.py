"""The rows of the SCU: Hilum's own against DCMTK's programs, at the same server.

Hilum's is the library that the broker uses, in a process that has started already; so the time
of an echoscu, which is that of starting a program of DCMTK and a little more, is taken off theirs
where much is transferred.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from itertools import cycle

from bench import clients
from bench.floors.asking import Asker, Refused, associated
from bench.floors.ready import CT
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
from bench.site import Site
from bench.system import System
from hilum.codec.sop_class import STUDY_ROOT_FIND, STUDY_ROOT_GET

GROUP = "SCU"
DCMTK = "DCMTK"
BARE = "the same server; a bare socket that sends what is ready and reads to the end"
_TIMES = 5
_SOME = 100  # studies that are asked for
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
            took, count = site.scu.ask(kind, far, *studies[:_SOME], seconds=site.extent.seconds)
            return Taken(took * 1000, count)

        def theirs() -> Taken:
            keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={study}"]
            command = clients.dcmtk("findscu", far, "-S", *keys)
            times = [clients.run([command])[0] for _ in range(_TIMES)]
            return Taken(statistics.median(times) * 1000)

        yield Contestant(OURS, ours, far.pid)
        yield Contestant(DCMTK, theirs, far.pid)
        yield Contestant(FLOOR, partial(_bare_ones, site, far, kind), far.pid)

    return contestants


@contextmanager
def _asker(at: System, *syntaxes: str) -> Iterator[Asker]:
    """The floor: a client that sends what is ready, and reads answers to their end.

    Raises:
        ClientFailed: it did not succeed.
    """
    try:
        with associated((at.host, at.port), at.aet, *syntaxes) as asker:
            yield asker
    except (OSError, EOFError, Refused) as error:
        raise clients.ClientFailed(f"the floor: {error!r}") from error


def _bare(at: System, ask: Callable[[Asker], int], *syntaxes: str) -> Contestant:
    """The floor, on one association, that included."""

    def once() -> Taken:
        began = time.perf_counter()
        with _asker(at, *syntaxes) as asker:
            count = ask(asker)
        return Taken(time.perf_counter() - began, count)

    return Contestant(FLOOR, once, at.pid)


def _bare_ones(site: Site, far: System, kind: str) -> Taken:
    """The floor of a search for one study: the median."""
    studies = [site.corpus.small_study(at) for at in range(1, site.corpus.studies + 1)]
    times: list[float] = []
    end = time.perf_counter() + site.extent.seconds
    with ExitStack() as held:
        asker = None if kind == "new" else held.enter_context(_asker(far, STUDY_ROOT_FIND))
        for study in cycle(studies[:_SOME]):
            began = time.perf_counter()
            with nullcontext(asker) if asker else _asker(far, STUDY_ROOT_FIND) as each:
                if len(each.find(study)) != 1:
                    raise clients.ClientFailed("the study was not found")
            times.append(time.perf_counter() - began)
            if time.perf_counter() > end:
                break
    return Taken(statistics.median(times) * 1000, len(times))


def _theirs(site: Site, seconds: float) -> Taken:
    """What a program of DCMTK took, without its start."""
    started = clients.start(site.sink) if site.sink else 0.0
    return Taken(max(seconds - started, _LEAST))


def _find(site: Site) -> Turns:
    if site.far is not None:
        far = site.far
        yield Contestant(OURS, lambda: Taken(*site.scu.ask("find", far)), far.pid)
        yield Contestant(DCMTK, lambda: _theirs(site, clients.run([clients.find(far)])[0]), far.pid)
        yield _bare(far, lambda asker: len(asker.find()), STUDY_ROOT_FIND)


def _get(site: Site) -> Turns:
    if site.far is not None:
        far, study = site.far, site.corpus.ct_study
        yield Contestant(OURS, lambda: Taken(*site.scu.ask("get", far, study)), far.pid)
        yield Contestant(
            DCMTK, lambda: _theirs(site, clients.run([clients.get(far, study)])[0]), far.pid
        )
        yield _bare(far, lambda asker: asker.get(study), STUDY_ROOT_GET, CT)


def _store(site: Site) -> Turns:
    if site.sink is not None:
        sink, paths = site.sink, site.corpus.ct
        names = [str(path) for path in paths]
        yield Contestant(OURS, lambda: Taken(*site.scu.ask("store", sink, *names)), sink.pid)
        yield Contestant(DCMTK, lambda: _theirs(site, clients.store(sink, paths)), sink.pid)
        yield _bare(sink, lambda asker: asker.store(paths, site.ready), CT)


ROWS = (
    _row(
        name="find one, on an open association",
        asked="a study by its UID, median; findscu with its start and an association for each",
        unit=MILLISECONDS,
        contestants=_one("pooled"),
        floor=BARE,
    ),
    _row(
        name="find one, on a new association",
        asked="the same, with an association for each",
        unit=MILLISECONDS,
        contestants=_one("new"),
        floor=BARE,
    ),
    _row(
        name="C-FIND all studies, as SCU",
        asked="against findscu",
        unit=SECONDS,
        contestants=_find,
        targets=_longer(1.1),
        floor=BARE,
    ),
    _row(
        name="C-GET CT study, as SCU",
        asked="against getscu --ignore; both forget what comes",
        unit=SECONDS,
        contestants=_get,
        targets=_longer(0.8),
        floor=BARE,
    ),
    _row(
        name="C-STORE CT study, as SCU",
        asked="to a storescp that forgets, against storescu",
        unit=SECONDS,
        contestants=_store,
        targets=_longer(0.8),
        floor="the same server; ready PDUs by sendfile, each after the answer to the one before",
    ),
)
