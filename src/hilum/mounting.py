"""What stands behind each mount of the configuration: backends, opened and put together."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from hilum.backends.archive import STORES_AT_ONCE, open_archive
from hilum.backends.archive.part import Part
from hilum.backends.cache import Kept, Lingering, Straight, open_kept
from hilum.config.changes import stamps
from hilum.config.mounts import (
    AnyMount,
    ArchiveMount,
    DicomwebMount,
    DimseMount,
    FhirMount,
    Remote,
    UrlDestination,
)
from hilum.config.peers import Peer
from hilum.config.schema import Settings
from hilum.core import caller
from hilum.core.adapt import Adapted
from hilum.core.backend import Asks, Describes, Echoes, Retrieves, Stores, Transcodes
from hilum.core.described import Described
from hilum.core.found_described import FoundDescribed
from hilum.core.lasting import All, Change, Lasting, Open, StillOpen, Uses, open_lasting
from hilum.core.mounts import Mount, Mounts
from hilum.core.used import UsedRetrieves, UsedStores
from hilum.model.errors import HilumError
from hilum.net.inbox import Inbox
from hilum.net.worker import Worker

_STILL = "is in use with the former configuration: try again when that has ended, or restart"


class CannotMount(Exception):
    """What a mount needs is not to be had; the text begins with its key."""


@dataclass(frozen=True, slots=True)
class Mounted:
    """What the broker works with.

    Attributes:
        destinations: where a C-MOVE or Send may go, by name, besides the mounts.
    """

    mounts: Mounts
    destinations: dict[str, Stores]


@asynccontextmanager
async def mounted(
    settings: Settings,
    inbox: Inbox,
    worker: Worker | None = None,
    transcodes: Transcodes | None = None,
) -> AsyncIterator[Mounted]:
    """All mounts and destinations, until the block is left; arguments as of `open_mounting`.

    Raises:
        CannotMount: a folder, a lock or a file of one is not to be had.
    """
    async with open_mounting(inbox, worker, transcodes) as mounting:
        mounts = await mounting.prepared(settings)
        mounts.commit()
        yield mounts.made


@asynccontextmanager
async def open_mounting(
    inbox: Inbox, worker: Worker | None = None, transcodes: Transcodes | None = None
) -> AsyncIterator["Mounting"]:
    """What makes mounts of configurations, one after the other, until the block is left.

    Args:
        inbox: where what comes by C-MOVE arrives.
        worker: which of several processes this is; None: there is one.
        transcodes: what takes pixels to a syntax that a peer accepts; None: nobody does.
    """
    # What keeps retrievals ends before that which they come from.
    async with open_lasting() as far, open_lasting() as kept:
        yield Mounting(inbox, worker, transcodes, far, kept)


class Mounting:
    """Makes mounts. What a new configuration has as the old one had it stays open as it is."""

    def __init__(
        self,
        inbox: Inbox,
        worker: Worker | None,
        transcodes: Transcodes | None,
        far: Lasting,
        kept: Lasting,
    ) -> None:
        self.inbox = inbox
        self.worker = worker
        self.transcodes = transcodes
        self._far = far
        self._kept = kept

    async def prepared(self, settings: Settings, worker: Worker | None = None) -> "PreparedMounts":
        """The mounts of a configuration, open; they count once they are committed.

        Args:
            settings: the configuration.
            worker: this one, as it is then; None: as ever.

        Raises:
            CannotMount: a folder, a lock or a file of one is not to be had.
        """
        far, kept = self._far.change(), self._kept.change()
        making = _Making(settings, self, worker or self.worker, far, kept)
        try:
            return PreparedMounts(await making.all(), making)
        except BaseException:
            await making.drop()
            raise


class PreparedMounts:
    """Mounts that are open. Either `commit` or `drop` ends it.

    Attributes:
        made: they, and destinations.
    """

    def __init__(self, made: Mounted, making: "_Making") -> None:
        self.made = made
        self._making = making

    def commit(self) -> None:
        """They are what is wanted; what they do not need ends as soon as nobody uses it."""
        self._making.commit()

    async def drop(self) -> None:
        """Close what they alone need."""
        await self._making.drop()


class _Making:
    """Opens what is not open yet."""

    def __init__(
        self, settings: Settings, of: Mounting, worker: Worker | None, far: Change, kept: Change
    ) -> None:
        self._settings = settings
        self._inbox = of.inbox
        self._worker = worker
        self._transcodes = of.transcodes
        self._far = far
        self._kept = kept
        self._then: list[Callable[[], None]] = []

    def commit(self) -> None:
        for each in self._then:
            each()
        self._kept.commit()
        self._far.commit()

    async def drop(self) -> None:
        await self._kept.drop()
        await self._far.drop()

    async def all(self) -> Mounted:
        settings = self._settings
        mounts: dict[str, Mount] = {}
        for name, mount in settings.mounts.items():
            where = f": {settings.folder(name)}" if isinstance(mount, ArchiveMount) else ""
            with _told(f"mounts.{name}{where}"):
                mounts[name] = await self._mount(name, mount)
        own = settings.server.aet
        destinations: dict[str, Stores] = {}
        for name, peer in settings.peers.items():
            with _told(f"peers.{name}"):
                destinations[peer.aet] = _peer(settings, peer, self._transcodes)
        for name, destination in settings.destinations.items():
            with _told(f"destinations.{name}"):
                key = (name, destination, stamps(destination))
                opened = await self._far.have(key, partial(_url, destination, name))
                destinations[name] = UsedStores(opened.value, opened.uses)
        return Mounted(Mounts(mounts, settings.default_mount, own), destinations)

    async def _mount(self, name: str, mount: AnyMount) -> Mount:
        match mount:
            case ArchiveMount():
                return await self._archive(name, mount)
            case DimseMount():
                return await self._pacs(name, mount)
            case DicomwebMount():
                return await self._origin(name, mount)
            case FhirMount():
                return await self._index(name, mount)

    def _is_here(self, name: str) -> bool:
        return self._worker is None or self._worker.serves(name)

    async def _archive(self, name: str, mount: ArchiveMount) -> Mount:
        worker, folder = self._worker, self._settings.folder(name)
        part = None if worker is None else Part(worker.number, worker.workers)
        key = (name, folder, mount.durability, mount.duplicates, mount.is_followed)
        opened = await self._far.have(
            key, partial(open_archive, mount, folder, name, part), alone=folder
        )
        archive = opened.value
        return Mount(
            name=name,
            backend=mount.backend,
            echoes=archive,
            finds=archive,
            retrieves=archive,
            describes=archive,
            lends=archive,
            versions=archive,
            changes=archive,
            feed=archive if mount.is_followed else None,
            stores=archive,
            deletes=archive if mount.delete else None,
            stores_at_once=STORES_AT_ONCE,
            measures=(archive.amount,),
            fetches=Straight(archive, "" if worker is None else worker.mark),
            uses=opened.uses,
        )

    async def _pacs(self, name: str, mount: DimseMount) -> Mount:
        from hilum.backends.dimse.pacs import open_pacs  # noqa: PLC0415

        settings = self._settings
        calling = mount.calling or settings.server.aet
        own = settings.tls if mount.tls and mount.certificate is None else None
        opened = await self._far.have(
            (name, _made_of(mount), calling, own, stamps(mount, own)),
            partial(open_pacs, mount, calling, self._inbox, self._transcodes, settings.tls),
        )
        pacs = opened.value
        if not self._is_here(name):
            away = _away(name, mount, pacs, opened.uses)
            return replace(away, behind=frozenset((mount.aet, *mount.senders)))
        far, kept = await self._kept_for(name, mount, pacs, opened.uses)
        # Its metadata is read from the instances.
        described: Describes = Described(Lingering(kept.look_through))
        asks_first = mount.metadata == "find"
        if asks_first and far.finds is not None:
            described = FoundDescribed(far.finds, described, kept.holds)
        return replace(
            far,
            stores=pacs,
            describes=described,
            describes_moves=not asks_first,
            behind=frozenset((mount.aet, *mount.senders)),
            itself=frozenset(_same(settings, mount)),
            sends=pacs if mount.destinations else None,
            passed_on=frozenset(mount.destinations),
            measures=(pacs, kept),
        )

    async def _origin(self, name: str, mount: DicomwebMount) -> Mount:
        from hilum.backends.dicomweb import open_origin  # noqa: PLC0415

        opened = await self._far.have(
            (name, _made_of(mount), stamps(mount)), partial(open_origin, mount, name)
        )
        origin = opened.value
        if not self._is_here(name):
            return _away(name, mount, origin, opened.uses)
        far, kept = await self._kept_for(name, mount, origin, opened.uses)
        return replace(
            far,
            stores=origin,
            describes=Described(Lingering(kept.look_through), origin, kept.holds),
            sends=origin if mount.send else None,
            passed_on=None if mount.send else frozenset(),
        )

    async def _index(self, name: str, mount: FhirMount) -> Mount:
        from hilum.backends.fhir import open_index  # noqa: PLC0415

        opened = await self._far.have(
            (name, _made_of(mount), stamps(mount)), partial(open_index, mount, name)
        )
        index = opened.value
        if not self._is_here(name):
            return Mount(name=name, backend=mount.backend, echoes=index, uses=opened.uses)
        far, kept = await self._kept_for(name, mount, index, opened.uses)
        return replace(far, describes=Described(Lingering(kept.look_through), index, kept.holds))

    async def _kept_for(
        self,
        name: str,
        mount: DimseMount | DicomwebMount | FhirMount,
        far: "_Far",
        uses: Uses,
    ) -> tuple[Mount, Kept]:
        """A mount on a system elsewhere, and what all of its retrievals go through.

        That stays the same as long as there is the mount, with what it has in the air, its jobs
        and its cache; only where it retrieves from changes.
        """
        whose = caller.whose if mount.forward_token else caller.everybodys
        retrieves = UsedRetrieves(far, uses)
        folder = self._settings.spool(name)
        opening = partial(open_kept, name, mount, retrieves, folder, whose)
        opened: Open[Kept] = await self._kept.have(folder, opening, alone=folder)
        kept = opened.value
        self._then.append(partial(kept.become, mount, retrieves, whose))
        made = Mount(
            name=name,
            backend=mount.backend,
            echoes=far,
            finds=Adapted(far, mount.walk_limit),
            retrieves=kept,
            lends=kept,
            asks=far,
            fetches=kept,
            wait=mount.wait,
            retry_after=mount.retry_after,
            measures=(kept,),
            uses=All((uses, opened.uses)),
        )
        return made, kept


# What speaks to systems elsewhere is imported by those who have some: it carries httpx, and takes
# 8 MB and a tenth of a second in all.


def _peer(settings: Settings, peer: Peer, transcodes: Transcodes | None) -> Stores:
    from hilum.backends.dimse.remote import remote  # noqa: PLC0415
    from hilum.backends.dimse.store import PeerStores  # noqa: PLC0415

    return PeerStores(remote(peer, settings.server.aet, settings.tls), transcodes=transcodes)


def _url(settings: UrlDestination, name: str) -> AbstractAsyncContextManager[Stores]:
    from hilum.backends.dicomweb import open_url_stores  # noqa: PLC0415

    return open_url_stores(settings, name)


def _made_of(mount: Remote) -> Remote:
    """What of its settings the connections to a far system are made of: a new one for another."""
    return mount.model_copy(update=dict.fromkeys((*Remote.model_fields, "backend")))


@contextmanager
def _told(where: str) -> Iterator[None]:
    """What is not to be had, by its setting."""
    try:
        yield
    except StillOpen:
        raise CannotMount(f"{where}: {_STILL}") from None
    except HilumError as error:
        raise CannotMount(f"{where}: {error}") from error


def _away(name: str, mount: DimseMount | DicomwebMount, far: "_Takes", uses: Uses) -> Mount:
    """One that is at home in another worker: here things can only be sent to it."""
    return Mount(name=name, backend=mount.backend, echoes=far, stores=far, uses=uses)


def _same(settings: Settings, mount: DimseMount) -> Iterator[str]:
    """The destinations that are the PACS of a mount: this and other mounts, and peers."""
    place = mount.aet, mount.host, mount.port
    for name, other in settings.mounts.items():
        if isinstance(other, DimseMount) and (other.aet, other.host, other.port) == place:
            yield name
    for peer in settings.peers.values():
        if (peer.aet, peer.host, peer.port) == place and peer.aet not in settings.mounts:
            yield peer.aet


class _Takes(Echoes, Stores, Protocol):
    """What things can be sent to."""


class _Far(Asks, Echoes, Retrieves, Protocol):
    """What every system elsewhere offers."""
