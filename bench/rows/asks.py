"""How an archive is asked: the clients of the rows that read."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial

from bench import clients
from bench.access import OPEN, Access
from bench.clients import FRAME, PARTS
from bench.corpus import Corpus, uid
from bench.load import Asking, load
from bench.processes import peak, resident
from bench.row import RATE, Contestant, Contestants, Taken, Turns, Unit
from bench.site import Site
from bench.system import Ability, System, able
from bench.systems import barest
from bench.systems.hilum import DESTINATION

Asks = Callable[[Site, System], Taken]
_SETTLE = 1.0  # seconds
_SOME = 500  # studies that are asked for by their UID


def each(ask: Asks, *needed: Ability) -> Contestants:
    """Every archive that can be asked this, and the floor."""

    def contestants(site: Site) -> Turns:
        for system in site.asked(*needed):
            yield Contestant(system.name, partial(ask, site, system), system.pid)

    return contestants


def small(
    paths: Callable[[Corpus], Sequence[str]],
    accept: str,
    connections: int,
    unit: Unit,
) -> Contestants:
    """Requests on kept connections: their rate, or the median of their times.

    Args:
        paths: below the root of the service, asked in turn."""

    @contextmanager
    def opened(
        site: Site, urls: Sequence[str], access: Access = OPEN
    ) -> Iterator[Callable[[], Taken]]:
        def taken() -> Taken:
            done = asking.ask(site.extent.seconds)
            return Taken(done.rate if unit is RATE else done.p50, done.count, done.client)

        with Asking(urls, accept, connections, access) as asking:
            yield taken

    def contestant(
        name: str, pid: int | None, open_: Callable[[], AbstractContextManager[Callable[[], Taken]]]
    ) -> Contestant:
        def run() -> Taken:
            with open_() as taken:
                return taken()

        return Contestant(name, run, pid, open_)

    def contestants(site: Site) -> Turns:
        asked = paths(site.corpus)
        for system, urls in _targets(site, asked, accept):
            yield contestant(system.name, system.pid, partial(opened, site, urls, system.access))

    return contestants


def _targets(
    site: Site, paths: Sequence[str], accept: str
) -> Iterator[tuple[System, Sequence[str]]]:
    """Who is asked for that, and at which URLs; of the floor, which has ready answers, others."""
    for system in site.asked(Ability.WEB):
        if system is not site.floor:
            yield system, [system.web + path for path in paths]
        elif urls := barest.ready(system, site.ready, site.systems, paths, accept):
            yield system, urls


def hundred(_: Corpus) -> list[str]:
    """A search for the first hundred studies."""
    return ["/studies?limit=100"]


def by_uid(corpus: Corpus) -> list[str]:
    """Searches for one study each."""
    some = range(1, min(corpus.studies, _SOME) + 1)
    return [f"/studies?StudyInstanceUID={corpus.small_study(number)}" for number in some]


def metadata(corpus: Corpus) -> list[str]:
    """The metadata of the series with all slices."""
    return [f"/studies/{corpus.ct_study}/series/{corpus.ct_series}/metadata"]


def instances(corpus: Corpus) -> list[str]:
    """All slices of the CT study, one by one."""
    series = f"/studies/{corpus.ct_study}/series/{corpus.ct_series}"
    numbers = range(1, corpus.slices + 1)
    return [f"{series}/instances/{corpus.ct_instance(number)}" for number in numbers]


def rendered(corpus: Corpus) -> list[str]:
    """The slices as pictures."""
    return [f"{path}/rendered" for path in instances(corpus)]


def frames(corpus: Corpus) -> list[str]:
    """Frames of the multi-frame object, from its middle on."""
    study = corpus.frames_study
    instance = f"/studies/{study}/series/{uid(study, 'series')}/instances/{uid(study, '1')}"
    numbers = range(corpus.frames // 2 + 1, corpus.frames + 1)
    return [f"{instance}/frames/{number}" for number in numbers]


def first_frame(site: Site) -> Turns:
    """One frame, right after its object was stored; in milliseconds."""

    def ask(system: System) -> Taken:
        clients.store(system, [site.corpus.multi_frame])
        url = system.web + frames(site.corpus)[0]
        return Taken(load([url], FRAME, 1, 0, system.access).p50 * 1000)

    for system in able(site.systems, Ability.WEB, Ability.STORE):
        yield Contestant(system.name, partial(ask, system), system.pid)


def wado_study(site: Site) -> Turns:
    """The CT study by curl."""
    path = f"/studies/{site.corpus.ct_study}"

    def ask(url: str, access: Access = OPEN) -> Taken:
        return Taken(clients.curl(url, PARTS, access))

    for system, urls in _targets(site, [path], PARTS):
        asked = partial(ask, urls[0], system.access)
        yield Contestant(system.name, asked, system.pid)


def find(site: Site, at: System) -> Taken:
    """All studies by findscu."""
    return Taken(clients.run([clients.find(at)])[0], site.corpus.all_studies)


def get(site: Site, at: System) -> Taken:
    """The CT study by getscu."""
    return Taken(clients.run([clients.get(at, site.corpus.ct_study)])[0], site.corpus.slices)


def move(site: Site, at: System) -> Taken:
    """The CT study by movescu, to a storescp."""
    command = clients.move(at, site.corpus.ct_study, DESTINATION)
    return Taken(clients.run([command])[0], site.corpus.slices)


def idle(site: Site) -> Turns:
    """What each holds while nobody asks anything."""
    time.sleep(_SETTLE)
    for system in site.systems:
        yield Contestant(system.name, partial(_held, system), system.pid)


def _held(at: System) -> Taken:
    return Taken(_known(None if at.pid is None else resident(at.pid)))


def big_object(site: Site) -> Turns:
    """The most that each holds while the multi-frame object comes in and goes out."""
    for system in able(site.systems, Ability.STORE):
        yield Contestant(system.name, partial(_moved, site, system), system.pid)


def _moved(site: Site, at: System) -> Taken:
    clients.store(at, [site.corpus.multi_frame])
    study = site.corpus.frames_study
    if Ability.WEB in at.abilities:
        clients.curl(f"{at.web}/studies/{study}", PARTS, at.access)
    if Ability.GET in at.abilities:
        clients.run([clients.get(at, study)])
    return Taken(_known(None if at.pid is None else peak(at.pid)))


def _known(value: float | None) -> float:
    if value is None:
        raise clients.NotOffered("its process cannot be read")
    return value
