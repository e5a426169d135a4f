"""The rows of the broker: through Hilum, against the same question put to the peer directly."""

from collections.abc import Callable, Sequence
from functools import partial

from bench import clients
from bench.clients import JSON, PARTS
from bench.load import load
from bench.row import (
    DIRECT,
    FLOOR,
    MILLISECONDS,
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

GROUP = "broker"
RELAY = "the direct question through a process that passes bytes on and looks at none"
Asks = Callable[[Site, System], Taken]
DIMSE, WEB = 0, 1  # which of the broker's mounts
_row = partial(Row, group=GROUP)


def _crossing(direct: Asks, through: Asks, mount: int) -> Contestants:
    """Ask the peer, the broker, and the peer through a relay."""

    def contestants(site: Site) -> Turns:
        if site.far is None or site.relayed is None:
            return
        yield Contestant(DIRECT, partial(direct, site, site.far), site.far.pid)
        for mounts in site.brokers:
            broker = mounts[mount]
            yield Contestant(broker.name, partial(through, site, broker), broker.pid)
        yield Contestant(FLOOR, partial(direct, site, site.relayed))

    return contestants


def _command(made: Callable[[Site, System], Sequence[str]]) -> Asks:
    def ask(site: Site, at: System) -> Taken:
        return Taken(clients.run([made(site, at)])[0])

    return ask


def _slower(one: Asks, other: Asks) -> Asks:
    """Both, one after the other; what the slower one takes: no crossing can be quicker."""

    def ask(site: Site, at: System) -> Taken:
        return max(one(site, at), other(site, at), key=lambda taken: taken.value)

    return ask


_FIND = _command(lambda _, at: clients.find(at))
_FIND_ALL = _command(lambda _, at: clients.find(at, clients.ANSWERED))
_GET = _command(lambda site, at: clients.get(at, site.corpus.ct_study))


def _qido(site: Site, at: System) -> Taken:
    return Taken(clients.curl(f"{at.web}/studies?limit={site.corpus.all_studies + 10}", JSON))


def _wado(site: Site, at: System) -> Taken:
    return Taken(clients.curl(f"{at.web}/studies/{site.corpus.ct_study}", PARTS))


def _one_by_dimse(kind: str) -> Asks:
    """The median of searches for one study by our own SCU, on one association or on new ones."""

    def ask(site: Site, at: System) -> Taken:
        studies = [site.corpus.small_study(each) for each in _some(site)]
        took, count = site.scu.ask(kind, at, *studies, seconds=site.extent.seconds)
        return Taken(took * 1000, count)

    return ask


def _one_by_http(site: Site, at: System) -> Taken:
    """The median of searches for one study by HTTP, on one connection."""
    urls = [
        f"{at.web}/studies?StudyInstanceUID={site.corpus.small_study(each)}" for each in _some(site)
    ]
    done = load(urls, JSON, 1, site.extent.seconds)
    return Taken(done.p50 * 1000, done.count, done.client)


def _some(site: Site) -> range:
    return range(1, min(site.corpus.studies, 100) + 1)


_CROSSINGS = (
    ("C-FIND > C-FIND", "findscu", _FIND, _FIND, DIMSE),
    ("QIDO-RS > C-FIND", "curl; directly: findscu for what a QIDO-RS answer has",
     _FIND_ALL, _qido, DIMSE),
    ("QIDO-RS > QIDO-RS", "curl", _qido, _qido, WEB),
    ("C-FIND > QIDO-RS", "findscu; directly: curl", _qido, _FIND, WEB),
    ("C-GET > C-GET", "getscu", _GET, _GET, DIMSE),
    ("WADO-RS > C-GET", "curl; directly: getscu or curl, the slower",
     _slower(_GET, _wado), _wado, DIMSE),
    ("WADO-RS > WADO-RS", "curl", _wado, _wado, WEB),
    ("C-GET > WADO-RS", "getscu; directly: getscu or curl, the slower",
     _slower(_GET, _wado), _GET, WEB),
)  # fmt: skip
_ONES = (
    ("find one, QIDO-RS > C-FIND, p50", "one HTTP connection; directly: our SCU on one association",
     _one_by_dimse("pooled"), _one_by_http),
    ("find one, C-FIND > C-FIND, p50", "our own SCU on one association",
     _one_by_dimse("pooled"), _one_by_dimse("pooled")),
    ("find one, C-FIND > C-FIND, new association, p50", "our own SCU, an association for each",
     _one_by_dimse("new"), _one_by_dimse("new")),
)  # fmt: skip

ROWS = (
    *(
        _row(
            name=name,
            asked=asked,
            unit=SECONDS,
            contestants=_crossing(direct, through, mount),
            targets=(Target("longer", 1.25, DIRECT),),
            floor=RELAY,
        )
        for name, asked, direct, through, mount in _CROSSINGS
    ),
    *(
        _row(
            name=name,
            asked=asked,
            unit=MILLISECONDS,
            contestants=_crossing(direct, through, DIMSE),
            targets=(Target("added", 1.0, DIRECT),),
            floor=RELAY,
        )
        for name, asked, direct, through in _ONES
    ),
)
