"""What does a FHIR server do for a mount? It finds; what it finds is had by DICOMweb."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from hilum.backends.fhir.asks import Asking
from hilum.backends.fhir.pages import Pages
from hilum.backends.fhir.places import Places
from hilum.backends.fhir.retrieve import Retrieving
from hilum.backends.fhir.roots import Clients, Origin, Roots
from hilum.config.mounts import FhirMount
from hilum.core import caller
from hilum.core.adapt import Adapted
from hilum.core.backend import Abilities, BulkData, Replies, Retrieval
from hilum.core.fhir.systems import systems
from hilum.model.identity import Ref
from hilum.model.query import Path, Query
from hilum.net.access import origin_of, tls
from hilum.net.client import Accepts, Client, open_client
from hilum.net.credentials import open_credentials

_OK = range(200, 300)
_ABSENT = frozenset({404, 405, 501})
_ANY = frozenset(range(300, 600))
_KINDS = ("application/fhir+json", "*/*")


@dataclass(frozen=True, slots=True)
class Index:
    """Implements `core.backend`'s Echoes, Asks, Retrieves and Describes."""

    _client: Client
    _asking: Asking
    _retrieving: Retrieving

    async def echo(self) -> None:
        """Alive is who answers `GET /metadata`, or where it has none a search, with 2xx.

        Raises:
            BackendFault: our credentials are refused: a fault of configuration.
            OutOfResources, BackendError: it is not alive.
        """
        status = await self._status("/metadata")
        if status in _ABSENT:
            status = await self._status("/ImagingStudy?_summary=count")
        if status not in _OK:
            raise self._client.refused(status)

    async def _status(self, resource: str) -> int:
        url = self._client.root + resource
        async with self._client.get(url, Accepts(_KINDS), expected=_ANY, retries=0) as answer:
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
        return self._retrieving.describe(ref, bulk_root)

    def bulk(self, ref: Ref, path: Path, /) -> AbstractAsyncContextManager[BulkData]:
        """See `core.backend.Describes`."""
        return self._retrieving.bulk(ref, path)


@asynccontextmanager
async def open_index(mount: FhirMount, name: str = "") -> AsyncIterator[Index]:
    """The FHIR server of a mount, until the block is left; nothing is asked before it is used.

    Args:
        mount: its configuration.
        name: of the mount, for texts.

    Raises:
        BackendFault: a file with certificates cannot be read.
    """
    who = f"the FHIR server of mounts.{name}" if name else "the FHIR server"
    web = who.replace("FHIR", "DICOMweb")
    async with AsyncExitStack() as stack:
        opening = open_credentials(mount, forward=mount.forward_token)
        ours = await stack.enter_async_context(opening)
        context = await tls(mount)

        async def client(root: str, timeout: float, of: str = web) -> Client:  # noqa: ASYNC109 - of its requests
            opened = open_client(mount, root, context, who=of, timeout=timeout, credentials=ours)
            return await stack.enter_async_context(opened)

        server = await client(mount.url, mount.query_timeout, who)
        known = await _others(mount, web, stack)
        known[origin_of(mount.url)] = Clients(
            await client(mount.url, mount.query_timeout),
            await client(mount.url, mount.retrieve_timeout),
        )
        pages = Pages(server)
        whose = caller.whose if mount.forward_token else caller.everybodys
        places = Places(pages, Roots(known, who, mount.walk_limit), whose)
        asking = Asking(pages, places, systems(mount.fhir), mount.walk_limit)
        finds = Adapted(asking, mount.walk_limit)
        yield Index(server, asking, Retrieving(places, finds))


async def _others(mount: FhirMount, who: str, stack: AsyncExitStack) -> dict[Origin, Clients]:
    """Clients of the other hosts that Endpoints may lead to, with credentials of their own."""
    web = mount.endpoints
    if not web.hosts:
        return {}
    context = await tls(web)
    theirs = await stack.enter_async_context(open_credentials(web))

    async def client(root: str, timeout: float) -> Client:  # noqa: ASYNC109 - as above
        opened = open_client(web, root, context, who=who, timeout=timeout, credentials=theirs)
        return await stack.enter_async_context(opened)

    return {
        origin_of(each): Clients(
            await client(each, mount.query_timeout), await client(each, mount.retrieve_timeout)
        )
        for each in web.hosts
    }
