"""What stands behind each mount of the configuration: backends, opened and put together."""

from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Protocol

from hilum.backends.archive import STORES_AT_ONCE, open_archive
from hilum.backends.archive.part import Part
from hilum.backends.cache import Kept, Lingering, Straight, open_kept
from hilum.config.mounts import (
    AnyMount,
    ArchiveMount,
    DicomwebMount,
    DimseMount,
    FhirMount,
    UrlDestination,
)
from hilum.config.peers import Peer
from hilum.config.schema import Settings
from hilum.core import caller
from hilum.core.adapt import Adapted
from hilum.core.backend import Asks, Describes, Echoes, Retrieves, Stores, Transcodes
from hilum.core.described import Described
from hilum.core.found_described import FoundDescribed
from hilum.core.mounts import Mount, Mounts
from hilum.model.errors import HilumError
from hilum.net.inbox import Inbox
from hilum.net.worker import Worker


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
    """All mounts and destinations, until the block is left.

    Args:
        settings: which there are.
        inbox: where what comes by C-MOVE arrives.
        worker: which of several processes this is; None: there is one.
        transcodes: what takes pixels to a syntax that a peer accepts; None: nobody does.

    Raises:
        CannotMount: a folder, a lock or a file of one is not to be had.
    """
    async with AsyncExitStack() as stack:
        mounts: dict[str, Mount] = {}
        for name, mount in settings.mounts.items():
            try:
                mounts[name] = await _mount(settings, name, mount, inbox, stack, worker, transcodes)
            except HilumError as error:
                where = f": {settings.folder(name)}" if isinstance(mount, ArchiveMount) else ""
                raise CannotMount(f"mounts.{name}{where}: {error}") from error
        own = settings.server.aet
        destinations: dict[str, Stores] = {}
        for name, peer in settings.peers.items():
            try:
                destinations[peer.aet] = _peer(settings, peer, transcodes)
            except HilumError as error:
                raise CannotMount(f"peers.{name}: {error}") from error
        for name, destination in settings.destinations.items():
            destinations[name] = await _url(name, destination, stack)
        yield Mounted(Mounts(mounts, settings.default_mount, own), destinations)


# What speaks to systems elsewhere is imported by those who have some: it carries httpx, and takes
# 8 MB and a tenth of a second in all.


def _peer(settings: Settings, peer: Peer, transcodes: Transcodes | None) -> Stores:
    from hilum.backends.dimse.remote import remote  # noqa: PLC0415
    from hilum.backends.dimse.store import PeerStores  # noqa: PLC0415

    return PeerStores(remote(peer, settings.server.aet, settings.tls), transcodes=transcodes)


async def _url(name: str, settings: UrlDestination, stack: AsyncExitStack) -> Stores:
    from hilum.backends.dicomweb import open_url_stores  # noqa: PLC0415

    return await stack.enter_async_context(open_url_stores(settings, name))


async def _mount(  # noqa: PLR0913, PLR0917 - called in one place
    settings: Settings,
    name: str,
    mount: AnyMount,
    inbox: Inbox,
    stack: AsyncExitStack,
    worker: Worker | None,
    transcodes: Transcodes | None,
) -> Mount:
    here = worker is None or worker.serves(name)
    match mount:
        case ArchiveMount():
            return await _archive(settings, name, mount, stack, worker)
        case DimseMount():
            return await _pacs(settings, name, mount, inbox, stack, transcodes, here=here)
        case DicomwebMount():
            return await _origin(settings, name, mount, stack, here=here)
        case FhirMount():
            return await _index(settings, name, mount, stack, here=here)


def _away(name: str, backend: str, far: "_Takes", behind: Iterable[str] = ()) -> Mount:
    """One that is at home in another worker: here things can only be sent to it."""
    return Mount(name=name, backend=backend, echoes=far, stores=far, behind=frozenset(behind))


async def _archive(
    settings: Settings,
    name: str,
    mount: ArchiveMount,
    stack: AsyncExitStack,
    worker: Worker | None,
) -> Mount:
    part = None if worker is None else Part(worker.number, worker.workers)
    opening = open_archive(mount, settings.folder(name), name, part)
    archive = await stack.enter_async_context(opening)
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
    )


async def _pacs(  # noqa: PLR0913, PLR0917 - called in one place
    settings: Settings,
    name: str,
    mount: DimseMount,
    inbox: Inbox,
    stack: AsyncExitStack,
    transcodes: Transcodes | None,
    *,
    here: bool,
) -> Mount:
    from hilum.backends.dimse.pacs import open_pacs  # noqa: PLC0415

    calling = mount.calling or settings.server.aet
    opening = open_pacs(mount, calling, inbox, transcodes, settings.tls)
    pacs = await stack.enter_async_context(opening)
    if not here:
        return _away(name, mount.backend, pacs, (mount.aet, *mount.senders))
    far, kept = await _far(settings, name, mount, pacs, stack)
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


def _same(settings: Settings, mount: DimseMount) -> Iterator[str]:
    """The destinations that are the PACS of a mount: this and other mounts, and peers."""
    place = mount.aet, mount.host, mount.port
    for name, other in settings.mounts.items():
        if isinstance(other, DimseMount) and (other.aet, other.host, other.port) == place:
            yield name
    for peer in settings.peers.values():
        if (peer.aet, peer.host, peer.port) == place and peer.aet not in settings.mounts:
            yield peer.aet


async def _origin(
    settings: Settings, name: str, mount: DicomwebMount, stack: AsyncExitStack, *, here: bool
) -> Mount:
    from hilum.backends.dicomweb import open_origin  # noqa: PLC0415

    origin = await stack.enter_async_context(open_origin(mount, name))
    if not here:
        return _away(name, mount.backend, origin)
    far, kept = await _far(settings, name, mount, origin, stack)
    return replace(
        far,
        stores=origin,
        describes=Described(Lingering(kept.look_through), origin, kept.holds),
        sends=origin if mount.send else None,
        passed_on=None if mount.send else frozenset(),
    )


async def _index(
    settings: Settings, name: str, mount: FhirMount, stack: AsyncExitStack, *, here: bool
) -> Mount:
    from hilum.backends.fhir import open_index  # noqa: PLC0415

    index = await stack.enter_async_context(open_index(mount, name))
    if not here:
        return Mount(name=name, backend=mount.backend, echoes=index)
    far, kept = await _far(settings, name, mount, index, stack)
    return replace(far, describes=Described(Lingering(kept.look_through), index, kept.holds))


class _Takes(Echoes, Stores, Protocol):
    """What things can be sent to."""


class _Far(Asks, Echoes, Retrieves, Protocol):
    """What every system elsewhere offers."""


async def _far(
    settings: Settings,
    name: str,
    mount: DimseMount | DicomwebMount | FhirMount,
    far: _Far,
    stack: AsyncExitStack,
) -> tuple[Mount, Kept]:
    """A mount on a system elsewhere, and what all of its retrievals go through."""
    whose = caller.whose if mount.forward_token else caller.everybodys
    opening = open_kept(name, mount, far, settings.spool(name), whose)
    kept = await stack.enter_async_context(opening)
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
    )
    return made, kept
