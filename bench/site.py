"""Everything that runs while rows are measured: the servers, and the floors beside them."""

import sys
import time
import urllib.error
import urllib.request
import zlib
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
from bench.systems import dcmtk, hilum, orthanc

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
        wire: port of the floor of a transfer, see `floors.wire`.
        answers: port of the floor of an HTTP answer, see `floors.answers`.
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
    wire: int = 0
    answers: int = 0
    salt: Iterator[int] = field(default_factory=lambda: count(time.time_ns() // 10**7))

    @property
    def ours(self) -> list[System]:
        """Those of the archives that are Hilum."""
        return [each for each in self.systems if each.ours]

    def answer(self, path: str, accept: str) -> str:
        """A URL at which the floor gives what an archive answers to this; "" if none does."""
        if not self.answers:
            return ""
        folder = self.work / "answers"
        name = f"{zlib.crc32(f'{accept} {path}'.encode()):08x}"
        if not (folder / name).exists():
            content = next(
                filter(None, (_fetched(each, path, accept) for each in self.systems)), None
            )
            if content is None:
                return ""
            (folder / name).write_bytes(content)
        return f"http://127.0.0.1:{self.answers}/{name}"


def _fetched(system: System, path: str, accept: str) -> bytes | None:
    if not system.web:
        return None
    request = urllib.request.Request(system.web + path, headers={"Accept": accept})  # noqa: S310 - ours
    try:
        with urllib.request.urlopen(request) as answer:  # noqa: S310 - as above
            return bytes(answer.read()) if answer.status == 200 else None
    except urllib.error.URLError:
        return None


def warm(site: Site) -> None:
    """Move the CT study once by every way: what a process needs only at first is not measured."""
    study = site.corpus.ct_study
    mounts = [mount for mounts in site.brokers for mount in mounts]
    for system in (*able(site.systems, Ability.GET), *mounts):
        with suppress(clients.ClientFailed, clients.NotOffered):
            clients.run([clients.get(system, study)])
        if Ability.WEB in system.abilities:
            with suppress(clients.ClientFailed, clients.NotOffered):
                clients.curl(f"{system.web}/studies/{study}", clients.PARTS, system.access)
    with suppress(clients.ClientFailed):
        if site.far is not None:
            site.scu.ask("get", site.far, study)
        if site.sink is not None:
            site.scu.ask("store", site.sink, *map(str, site.corpus.ct))


def prime(site: Site) -> None:
    """Store a few instances, as the first ones wait for what a server starts only then."""
    with copies(site.corpus.ct[:5], next(site.salt), site.work) as made:
        for system in able(site.systems, Ability.STORE):
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
        systems = [*stack.enter_context(together(starting)), *choice.given]
        scu = stack.enter_context(Scu())
        yield Site(corpus=corpus, work=work, extent=extent, systems=systems, sink=sink, scu=scu)


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
    """The broker in front of the first peer that has it all, and the floors."""
    whole = frozenset({Ability.FIND, Ability.GET, Ability.WEB})
    peers = [each for each in site.systems if not each.ours and whole <= each.abilities]
    site.far = next(iter(peers), None)
    answers = site.work / "answers"
    answers.mkdir()
    site.answers, site.wire = free_port(), free_port()
    floors = [
        _floor("answers", site.answers, answers),
        _floor("wire", site.wire, *site.corpus.ct),
    ]
    brokers = []
    if site.far is not None:
        far, dimse, web = site.far, free_port(), free_port()
        address, _, path = far.web.split("//")[1].partition("/")
        host, _, port = address.partition(":")
        floors += [
            _floor("relay", dimse, far.host, far.port),
            _floor("relay", web, host, port or 80),
        ]
        root = f"http://127.0.0.1:{web}/{path}"
        site.relayed = System(name="relay", port=dimse, aet=far.aet, web=root)
        brokers = [hilum.broker(site.work / f"broker{each}", far, each) for each in workers]
    with together(floors), together(brokers) as site.brokers:
        yield


def _floor(name: str, port: int, *arguments: object) -> AbstractContextManager[int]:
    command = [sys.executable, "-m", f"bench.floors.{name}", *map(str, (port, *arguments))]
    return server(command, (port,), cwd=ROOT)
