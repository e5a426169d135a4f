"""What does an origin server do for a mount? Everything, each by the service of DICOMweb for it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from hilum.backends.dicomweb.asks import Asking
from hilum.backends.dicomweb.bulk import Fetching
from hilum.backends.dicomweb.describe import Describing
from hilum.backends.dicomweb.retrieve import Retrieving
from hilum.backends.dicomweb.sends import Passing
from hilum.backends.dicomweb.stores import Storing
from hilum.config.mounts import DicomwebMount, UrlDestination, Web
from hilum.core.backend import (
    Abilities,
    BulkData,
    Replies,
    Retrieval,
    Stores,
    StoreSession,
)
from hilum.core.operations import Originator
from hilum.model.identity import Ref
from hilum.model.outcome import Progress
from hilum.model.query import Path, Query
from hilum.net.access import tls
from hilum.net.client import Accepts, Client, open_client
from hilum.net.credentials import open_credentials

_OK = range(200, 300)
_ALIVE = frozenset({404, 405})
_ANY = frozenset(range(300, 600))
_ANYTHING = ("*/*",)


@dataclass(frozen=True, slots=True)
class Origin:
    """Implements all of `core.backend` but Finds, which `core.adapt` makes of its Asks.

    Queries, retrievals and storing have connections of their own, so that who reads slowly from
    one and waits for another does not wait for ever.
    """

    _root: Client
    _asking: Asking
    _retrieving: Retrieving
    _describing: Describing
    _fetching: Fetching
    _storing: Storing
    _passing: Passing

    async def echo(self) -> None:
        """Alive is who answers `GET /health`, or HEAD of the root, with 2xx, 404 or 405.

        Raises:
            BackendFault: our credentials are refused: a fault of configuration.
            OutOfResources, BackendError: it is not alive.
        """
        status = await self._status("GET", f"{self._root.root}/health")
        if status in _OK:
            return
        if status < 500 and status not in {401, 403, 407, 429}:  # noqa: PLR2004 - it has no such resource
            status = await self._status("HEAD", self._root.root)
        if status not in _OK and status not in _ALIVE:
            raise self._root.refused(status)

    async def _status(self, method: str, url: str) -> int:
        async with self._root.get(
            url, Accepts(_ANYTHING), expected=_ANY, retries=0, method=method
        ) as answer:
            return answer.status

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
        return self._retrieving.retrieve(refs)

    def describe(
        self, ref: Ref, bulk_root: str, /
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """See `core.backend.Describes`."""
        return self._describing.describe(ref, bulk_root)

    def bulk(self, ref: Ref, path: Path, /) -> AbstractAsyncContextManager[BulkData]:
        """See `core.backend.Describes`."""
        return self._fetching.bulk(ref, path)

    def open(
        self,
        contexts: Sequence[tuple[str, str]] = (),
        originator: Originator | None = None,
        /,
    ) -> AbstractAsyncContextManager[StoreSession]:
        """See `core.backend.Stores`."""
        return self._storing.open(contexts, originator)

    def send(
        self, refs: Sequence[Ref], destination: str, originator: Originator | None = None, /
    ) -> AbstractAsyncContextManager[AsyncIterator[Progress]]:
        """See `core.backend.Sends`."""
        return self._passing.send(refs, destination, originator)


@asynccontextmanager
async def open_origin(mount: DicomwebMount, name: str = "") -> AsyncIterator[Origin]:
    """The origin server of a mount, until the block is left; nothing is asked before it is used.

    Args:
        mount: its configuration.
        name: of the mount, for texts.

    Raises:
        BackendFault: `ca_file` cannot be read.
    """
    who = f"the origin server of mounts.{name}" if name else "the origin server"
    context = await tls(mount)
    asked, given, taken = (
        each or mount.url for each in (mount.qido_url, mount.wado_url, mount.stow_url)
    )
    every = (mount.url, asked, given, taken)
    async with AsyncExitStack() as stack:
        opening = open_credentials(mount, forward=mount.forward_token)
        ours = await stack.enter_async_context(opening)

        async def client(root: str, timeout: float) -> Client:  # noqa: ASYNC109 - of its requests
            opened = open_client(
                mount, root, context, who=who, timeout=timeout, also=every, credentials=ours
            )
            return await stack.enter_async_context(opened)

        asking = Asking(await client(asked, mount.query_timeout))
        giving = await client(given, mount.retrieve_timeout)
        describing = Describing(giving, asking)
        yield Origin(
            await client(mount.url, mount.query_timeout),
            asking,
            Retrieving(giving, asking),
            describing,
            Fetching(describing),
            Storing(await client(taken, mount.store_timeout)),
            Passing(await client(mount.url, mount.query_timeout), asking),
        )


@asynccontextmanager
async def open_url_stores(destination: UrlDestination, name: str = "") -> AsyncIterator[Stores]:
    """A place that takes STOW-RS, until the block is left; raises like `open_origin`."""
    who = f"the server of destinations.{name}" if name else "the server of the destination"
    async with open_stores(destination, destination.url, who) as stores:
        yield stores


@asynccontextmanager
async def open_stores(web: Web, root: str, who: str) -> AsyncIterator[Stores]:
    """What takes STOW-RS at `root`; raises like `open_origin`."""
    context = await tls(web)
    async with open_client(web, root, context, who=who, timeout=web.store_timeout) as client:
        yield Storing(client)
