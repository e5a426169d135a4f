"""Stores by STOW-RS at a broker that runs here, one request for each instance (PS3.18 §10.5)."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from hilum.backends.dicomweb.origin import open_stores
from hilum.config.mounts import Web
from hilum.core.backend import StoreSession
from hilum.core.operations import Originator
from hilum.model.errors import BackendTimeout, BackendUnavailable
from hilum.model.instance import Instance
from hilum.model.outcome import Stored


class WebStores:
    """A mount of a running broker, by its URL (`http://127.0.0.1:8080/aets/ARCHIVE`)."""

    def __init__(self, root: str, web: Web | None = None) -> None:
        self._root = root
        self._web = web or Web()

    @asynccontextmanager
    async def open(
        self,
        contexts: Sequence[tuple[str, str]] = (),
        originator: Originator | None = None,
        /,
    ) -> AsyncIterator[StoreSession]:
        """A session with connections of its own."""
        async with (
            open_stores(self._web, self._root, "the running broker") as stores,
            stores.open(contexts, originator) as session,
        ):
            yield _Session(session)


class _Session:
    """One that ends with the broker: no file of an import is to blame for that."""

    def __init__(self, session: StoreSession) -> None:
        self._session = session

    async def store(self, instance: Instance, /) -> Stored:
        """One request.

        Raises:
            BackendError: the broker is gone.
        """
        stored = await self._session.store(instance)
        if isinstance(stored.failure, BackendUnavailable | BackendTimeout):
            raise stored.failure
        return stored
