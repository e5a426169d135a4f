"""Everything that runs while rows are measured: the servers, and the floors beside them."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from bench import clients
from bench.access import Guard
from bench.copies import copies
from bench.corpus import Corpus
from bench.folders import linked, passing
from bench.processes import free_port, say, server, together
from bench.scu import Scu
from bench.system import Ability, System, able
from bench.systems import barest, dcmtk, hilum, orthanc

ROOT = Path(__file__).parents[1]
Starting = AbstractContextManager[System]


@dataclass(frozen=True, slots=True)
class Extent:
    """How long it all may take.

    Attributes:
        rounds: of every row.
        seconds: that small requests are asked for.
        nagle: instances that a client with Nagle's delay sends.
    """

    rounds: int = 3
    seconds: float = 1.5
    nagle: int = 40


@dataclass(slots=True)
class Site:
    """What rows work with.

    Attributes:
        work: a folder for what is made meanwhile, on the disk that the servers use.
        systems: archives.
        scu: our own SCU.
        sink: a Storage SCP that forgets.
        far: what the broker stands in front of, and our SCU asks.
        brokers: Hilum's mounts on it: the one that speaks DIMSE, the one that speaks DICOMweb.
        relayed: `far`, through a process that only passes bytes on.
        floor: the barest server.
        number: of the round.
        salt: makes new UIDs, other ones in each run.
    """

    corpus: Corpus
    work: Path
    extent: Extent
    systems: list[System]
    scu: Scu
    sink: System | None = None
    far: System | None = None
    brokers: list[tuple[System, System]] = field(default_factory=list)
    relayed: System | None = None
    floor: System | None = None
    number: int = 0
    salt: Iterator[int] = field(default_factory=lambda: count(time.time_ns() // 10**7))

    @property
    def ours(self) -> list[System]:
        """Those of the archives that are Hilum."""
        return [each for each in self.systems if each.ours]

    @property
    def ready(self) -> Path:
        """The folder of the floor."""
        return self.work / "floor"

    def asked(self, *needed: Ability) -> list[System]:
        """Who can be asked all of that, in turn; the floor comes early in a round, and late."""
        found = able(self.systems, *needed)
        if self.floor is not None:
            found.insert(self.number % (len(found) + 1), self.floor)
        return found


def warm(site: Site) -> None:
    """Move the CT study once by every way: what a process needs only at first is not measured."""
    study = site.corpus.ct_study
    mounts = [mount for mounts in site.brokers for mount in mounts]
    for system in (*site.asked(Ability.GET), *mounts):
        with suppress(clients.ClientFailed, clients.NotOffered):
            clients.run([clients.get(system, study)])
        if Ability.WEB in system.abilities and system is not site.floor:
            with suppress(clients.ClientFailed, clients.NotOffered):
                clients.curl(f"{system.web}/studies/{study}", clients.PARTS, system.access)
    with suppress(clients.ClientFailed):
        if site.far is not None:
            site.scu.ask("get", site.far, study)
        if site.sink is not None:
            site.scu.ask("store", site.sink, *map(str, site.corpus.ct))
            if site.floor is not None:
                clients.run([clients.move(site.floor, study, hilum.DESTINATION)])


def prime(site: Site) -> None:
    """Store a few instances, as the first ones wait for what a server starts only then."""
    with copies(site.corpus.ct[:5], next(site.salt), site.work) as made:
        for system in site.asked(Ability.STORE):
            with suppress(clients.ClientFailed):
                clients.store(system, made)


@dataclass(frozen=True, slots=True)
class Choice:
    """Which archives are measured.

    Attributes:
        workers: processes of Hilum; one archive for each number.
        guards: of Hilum with one process; one more archive for each.
        given: archives that are running already.
        names: names, or beginnings of names, of those that are started; none: all.
        filled: folder of a Hilum that has ended, whose instances each of ours begins with.
    """

    workers: Sequence[int] = (1,)
    guards: Sequence[Guard] = ()
    given: Sequence[System] = ()
    names: Sequence[str] = ()
    filled: Path | None = None

    def has(self, name: str) -> bool:
        """Whether this one is started."""
        return not self.names or any(name.lower().startswith(each.lower()) for each in self.names)


@contextmanager
def archives(corpus: Corpus, work: Path, extent: Extent, choice: Choice) -> Iterator[Site]:
    """All archives that can be had, empty but for those that were running already."""
    has, missing = choice.has, [orthanc.MISSING, dcmtk.MISSING]
    with ExitStack() as stack:
        sink = None if dcmtk.MISSING else stack.enter_context(dcmtk.sink())
        port = sink.port if sink else free_port()

        def ours(name: str, workers: int = 1, guard: Guard | None = None) -> Starting:
            folder = work / name
            if choice.filled is not None:
                linked(choice.filled / "data" / "archive", folder / "data" / "archive")
            return hilum.archive(folder, port, workers, guard=guard)

        starting: list[Starting] = []
        if has(hilum.NAME):
            starting += [ours(f"hilum{number}", number) for number in choice.workers]
            starting += [ours(f"hilum-{guard.value}", guard=guard) for guard in choice.guards]
        if not orthanc.MISSING and has(orthanc.NAME):
            starting.append(orthanc.archive(work / "orthanc", port))
        if not dcmtk.MISSING and has(dcmtk.STORESCP):
            starting.append(dcmtk.storescp(work / "storescp"))
            if Guard.TLS in choice.guards:
                starting.append(dcmtk.storescp(work / "storescp-tls", tls=True))
        if not dcmtk.MISSING and has(dcmtk.DCMQRSCP):
            starting.append(dcmtk.dcmqrscp(work / "dcmqrscp", port))
        for each in filter(None, missing):
            say(f"{each}. Its columns stay empty.")
        scu = stack.enter_context(Scu())
        site = Site(corpus=corpus, work=work, extent=extent, systems=[], sink=sink, scu=scu)
        starting.append(barest.floor(site.ready, corpus.ct[0].parent, port))
        *systems, site.floor = stack.enter_context(together(starting))
        site.systems = [*systems, *choice.given]
        yield site


@dataclass(frozen=True, slots=True)
class Plan:
    """What is started, each time anew: what was stored before is gone."""

    corpus: Corpus
    extent: Extent
    choice: Choice

    @contextmanager
    def site(self, work: Path) -> Iterator[Site]:
        """All archives, empty."""
        with (
            passing(work) as folder,
            archives(self.corpus, folder, self.extent, self.choice) as site,
        ):
            yield site


def fill(site: Site) -> None:
    """Store the corpus in every archive that can be asked for it; who fails is asked nothing."""
    corpus = site.corpus
    for system in able(site.systems, Ability.FIND):
        parts = [corpus.ct, corpus.mr, [corpus.multi_frame]]
        if Ability.MANY in system.abilities:
            parts.append(corpus.small)
        try:
            took = sum(clients.store(system, paths) for paths in parts)
        except clients.ClientFailed as error:
            say(f"{system.name} does not take the corpus: {error}")
            site.systems.remove(system)
        else:
            say(f"{system.name} has the corpus, after {took:.1f} s")


@contextmanager
def surroundings(site: Site, workers: Sequence[int]) -> Iterator[None]:
    """The broker in front of the first peer that has it all, with a relay beside it."""
    if site.floor is not None and (can := able(site.systems, Ability.FIND, Ability.MANY)):
        barest.find_as(can[0], site.ready)
    whole = frozenset({Ability.FIND, Ability.GET, Ability.WEB})
    peers = [each for each in site.systems if not each.ours and whole <= each.abilities]
    site.far = next(iter(peers), None)
    relays, brokers = [], []
    if site.far is not None:
        far, dimse, web = site.far, free_port(), free_port()
        address, _, path = far.web.split("//")[1].partition("/")
        host, _, port = address.partition(":")
        relays = [_relay(dimse, far.host, far.port), _relay(web, host, port or 80)]
        root = f"http://127.0.0.1:{web}/{path}"
        site.relayed = System(name="relay", port=dimse, aet=far.aet, web=root)
        brokers = [hilum.broker(site.work / f"broker{each}", far, each) for each in workers]
    with together(relays), together(brokers) as site.brokers:
        yield


def _relay(port: int, host: str, far: object) -> AbstractContextManager[int]:
    command = [sys.executable, "-m", "bench.floors.relay", str(port), host, str(far)]
    return server(command, (port,), cwd=ROOT)
