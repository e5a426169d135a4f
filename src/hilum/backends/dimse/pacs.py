"""What can a PACS do for a mount? Its capabilities, over one pool of associations."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from functools import partial

from hilum.backends.dimse.asks import Asking, Replies
from hilum.backends.dimse.echo import echo
from hilum.backends.dimse.fetch import Fetcher
from hilum.backends.dimse.mover import Mover
from hilum.backends.dimse.pool import Pool
from hilum.backends.dimse.remote import NOBODY, forwarded, remote_of
from hilum.backends.dimse.store import Need, PeerStores
from hilum.config.mounts import DimseMount
from hilum.config.tls import Identity
from hilum.core.backend import Abilities, Retrieval, StoreSession, Transcodes
from hilum.core.operations import Originator
from hilum.model.identity import Ref
from hilum.model.outcome import Progress
from hilum.model.query import Query
from hilum.net.inbox import Inbox
from hilum.upper_layer.association import Association


@asynccontextmanager
async def open_pacs(
    mount: DimseMount,
    calling: str,
    inbox: Inbox,
    transcodes: Transcodes | None = None,
    own: Identity = NOBODY,
) -> AsyncIterator["Pacs"]:
    """The PACS behind `mount`; it is first called when something is asked of it.

    Args:
        mount: its settings.
        calling: our AE title, where the mount names none.
        inbox: where what it sends us after a C-MOVE arrives.
        transcodes: what takes pixels to a syntax that it accepts; None: nobody does.
        own: our certificate, where the mount has none of its own.

    Raises:
        BackendFault: a file with certificates cannot be used.
    """
    remote = remote_of(mount, calling, own)
    identity = forwarded if mount.forward_token else None
    relational = mount.relational == "auto"
    async with Pool(remote, mount.pool, relational=relational, identity=identity) as pool:
        with closing(Pacs(pool, mount, calling, inbox, transcodes)) as pacs:
            yield pacs


class Pacs:
    """A PACS spoken to by DIMSE: `Echoes`, `Asks`, `Retrieves`, `Stores` and `Sends`.

    Attributes:
        pool: its associations.
    """

    def __init__(
        self,
        pool: Pool,
        mount: DimseMount,
        calling: str,
        inbox: Inbox,
        transcodes: Transcodes | None = None,
    ) -> None:
        self.pool = pool
        self._mount = mount
        self._asking = Asking(pool, mount)
        self._fetcher = Fetcher(pool, mount, calling, inbox)
        self._mover = Mover(pool, mount)
        opens = partial(pool.opened, silence=mount.store_timeout)
        self._stores = PeerStores(pool.remote, opens, transcodes, looks=True)

    def close(self) -> None:
        """Let the PACS bring nothing any more."""
        self._fetcher.close()

    async def measure(self) -> Mapping[str, float]:
        """See `core.measures.Measures`."""
        pool = self.pool
        return {
            "hilum_pool_in_use": pool.in_use,
            "hilum_pool_idle": pool.idle,
            "hilum_pool_waiting": pool.waiting,
            "hilum_pool_size": pool.size,
        }

    async def echo(self) -> None:
        """See `core.backend.Echoes`.

        Raises:
            OutOfResources: all associations are in use.
            NotOffered: the PACS does not accept Verification.
            BackendError: it cannot be reached, or does not answer well.
        """
        async with self.pool.begun(_echoed, self._mount.query_timeout):
            pass

    async def abilities(self) -> Abilities:
        """See `core.backend.Asks`."""
        return await self._asking.abilities()

    def ask(self, query: Query, /) -> AbstractAsyncContextManager[Replies]:
        """See `core.backend.Asks`."""
        return self._asking.ask(query)

    def told(self, query: Query, /) -> Sequence[str]:
        """See `core.backend.Asks`."""
        return self._asking.told(query)

    def retrieve(self, refs: Sequence[Ref], /) -> AbstractAsyncContextManager[Retrieval]:
        """See `core.backend.Retrieves`."""
        return self._fetcher.retrieve(refs)

    def open(
        self, contexts: Sequence[Need] = (), originator: Originator | None = None, /
    ) -> AbstractAsyncContextManager[StoreSession]:
        """See `core.backend.Stores`."""
        return self._stores.open(contexts, originator)

    def send(
        self, refs: Sequence[Ref], destination: str, originator: Originator | None = None, /
    ) -> AbstractAsyncContextManager[AsyncIterator[Progress]]:
        """See `core.backend.Sends`."""
        return self._mover.send(refs, destination, originator)


@asynccontextmanager
async def _echoed(association: Association) -> AsyncIterator[None]:
    await echo(association)
    yield
