"""Which worker answers? Where a mount stands for a system elsewhere, one: there it is at home.

Its associations and their limits, what it has in the air, its cache, its jobs and the C-MOVEs that
wait for arrivals are of one process, and so is everything that depends on them. An archive is
served by all workers; only what is asked about its Sends and jobs goes to one.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import unquote

from hilum.config.mounts import DimseMount
from hilum.config.schema import Settings
from hilum.net.places import Places

_TARGET = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/]*")
"""What a proxy's client writes before a path (RFC 9112 §3.2.2)."""
_MOUNT = re.compile(r"/(?:dicomweb|fhir|aets/(?P<aet>[^/]+))(?P<rest>/.*)?")
_JOB = re.compile(r"/jobs/[0-9a-f]+-(?P<worker>[0-9]+)")


class Homes:
    """The homes of all mounts.

    Attributes:
        all: the home of each mount.

    Args:
        settings: which mounts there are.
        workers: how many there are; they are numbered from 0.
        former: homes that mounts had with another configuration, which they keep.
    """

    def __init__(
        self, settings: Settings, workers: int, former: Mapping[str, int] | None = None
    ) -> None:
        self._workers = workers
        self._default = settings.default_mount
        self._own = settings.server.aet
        self._base = settings.http.base_path
        self._archives = frozenset(settings.archives)
        self._pacs = {
            name: mount for name, mount in settings.mounts.items() if isinstance(mount, DimseMount)
        }
        self._places = {name: Places(mount.host) for name, mount in self._pacs.items()}
        self.all = self._settled(settings, former or {})

    def _settled(self, settings: Settings, former: Mapping[str, int]) -> dict[str, int]:
        """Where there are the fewest; those that share an AE title of ours live together."""
        homes: dict[str, int] = {}
        taken = [0] * self._workers
        archives = [[name] for name in settings.archives]
        groups = [*_joined({name: self._titles(name) for name in settings.mounts}), *archives]
        for is_new in (False, True):
            for group in groups:
                had = [former[name] for name in group if name in former]
                if bool(had) is is_new:
                    continue
                number = had[0] if had else taken.index(min(taken))
                taken[number] += 1
                homes |= dict.fromkeys(group, number)
        return homes

    def after(self, settings: Settings) -> "Homes":
        """Those of another configuration, in which each mount stays where it is at home."""
        return Homes(settings, self._workers, self.all)

    def moved(self, after: "Homes") -> list[str]:
        """The mounts that have another home then, as they share an AE title with others."""
        return [name for name, home in self.all.items() if after.all.get(name, home) != home]

    def become(self, other: "Homes") -> None:
        """Have the homes of another configuration from now on."""
        self.__dict__.update(other.__dict__)

    def _titles(self, name: str) -> frozenset[str]:
        """AE titles of ours by which what belongs to a system elsewhere may come."""
        if name in self._archives:
            return frozenset()
        own = {name, self._own} if name == self._default else {name}
        return frozenset(own | set(self._receivers(name)))

    def _receivers(self, name: str) -> tuple[str, ...]:
        mount = self._pacs.get(name)
        return (mount.receivers or (self._own,)) if mount is not None else ()

    def of(self, mount: str) -> int:
        """The home of a mount."""
        return self.all[mount]

    def serves(self, mount: str, worker: int) -> bool:
        """Whether a worker has what stands behind a mount."""
        return mount in self._archives or self.all[mount] == worker

    def of_path(self, target: str) -> int | None:
        """The worker that must answer a request for that path; None: any can."""
        path = _TARGET.sub("", target.partition("?")[0], count=1)
        path = re.sub("/{2,}", "/", path)
        if not path.startswith(self._base):
            return None
        found = _MOUNT.fullmatch(path[len(self._base) :])
        if found is None:
            return None
        mount = self._default if found["aet"] is None else unquote(found["aet"])
        if mount is None or mount not in self.all:
            return None
        rest = found["rest"] or ""
        if mount not in self._archives or "/send-requests/" in rest:
            return self.all[mount]
        job = _JOB.match(rest)
        return int(job["worker"]) % self._workers if job else None

    async def of_caller(
        self, called: str, calling: str, address: str, busy: Callable[[int], bool]
    ) -> int | None:
        """The worker that must have an association; None: any can.

        What is called as a receiver goes where the C-MOVEs to that one wait, when it comes from
        their PACS; from somebody else only while one waits, as an archive may have that name too.

        Args:
            called: AE title.
            calling: AE title.
            address: where it comes from.
            busy: whether a C-MOVE of that worker may be waiting now.
        """
        mount = called
        if called == self._own and called not in self.all and self._default is not None:
            mount = self._default
        if mount in self.all and mount not in self._archives:
            return self.all[mount]
        waiting = [name for name in self._pacs if called in self._receivers(name)]
        if not waiting:
            return None
        home = self.all[waiting[0]]  # they live together
        if mount not in self._archives or busy(home):
            return home
        for name in waiting:
            pacs = self._pacs[name]
            if calling in (pacs.aet, *pacs.senders):
                return home
            await self._places[name].refresh()
            if address in self._places[name]:
                return home
        return None


def _joined(titles: dict[str, frozenset[str]]) -> Iterable[list[str]]:
    """The names, those together that have a title in common; those without titles are left out."""
    groups: list[tuple[set[str], list[str]]] = []
    for name, own in titles.items():
        if not own:
            continue
        taken, names = set(own), [name]
        for group in [each for each in groups if each[0] & own]:
            groups.remove(group)
            taken |= group[0]
            names = [*group[1], *names]
        groups.append((taken, names))
    return [names for _, names in groups]
