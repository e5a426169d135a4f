"""The crossing: authorise an operation, find its backend, run it."""

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import TypeVar

from hilum.core import operations as ops
from hilum.core.backend import (
    BulkData,
    Fetches,
    Found,
    Lent,
    Retrieval,
    Stores,
    StoreSession,
    Transcodes,
)
from hilum.core.mounts import Mount, Mounts
from hilum.core.send import Progresses, passed_on, send
from hilum.model.errors import NotOffered, UnknownDestination

T = TypeVar("T")
Authorise = Callable[[ops.Operation], None]


def anyone(_operation: ops.Operation, /) -> None:
    """Let everybody do everything: who may come in was settled at the door."""


class Broker:
    """Runs operations on mounts. Knows no protocol and opens no socket.

    Attributes:
        mounts: which there are.
        transcodes: what takes pixels to a syntax that a peer or client accepts; None: nobody does.
    """

    def __init__(
        self,
        mounts: Mounts,
        destinations: Mapping[str, Stores] | None = None,
        authorise: Authorise = anyone,
        transcodes: Transcodes | None = None,
    ) -> None:
        self.mounts = mounts
        self.transcodes = transcodes
        self._destinations = dict(destinations or {})
        self._authorise = authorise

    def admit(self, operation: ops.Operation) -> None:
        """Say whether the caller may, and do nothing.

        Raises:
            Refused, UnknownMount.
        """
        self._admit(operation)

    async def echo(self, operation: ops.Echo) -> float:
        """The seconds that what stands behind the mount took to say that it lives.

        Raises:
            Refused, UnknownMount, NotOffered, BackendError.
        """
        mount = self._admit(operation)
        began = time.monotonic()
        await offered(mount.echoes, operation).echo()
        return time.monotonic() - began

    def find(self, operation: ops.Find) -> AbstractAsyncContextManager[Found]:
        """Search.

        Raises:
            Refused, UnknownMount, NotOffered: at once.
            BadQuery, BackendError: on the first or any later match.
        """
        mount = self._admit(operation)
        return offered(mount.finds, operation).find(operation.query)

    def retrieve(self, operation: ops.Retrieve) -> AbstractAsyncContextManager[Retrieval]:
        """Give instances; raises like `find`."""
        mount = self._admit(operation)
        return offered(mount.retrieves, operation).retrieve(operation.refs)

    def fetches(self, operation: ops.Retrieve) -> Fetches:
        """What brings instances of the mount here in the background.

        Raises:
            Refused, UnknownMount, NotOffered: at once.
        """
        return offered(self._admit(operation).fetches, operation)

    def describe(
        self, operation: ops.Describe
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Give metadata; raises like `find`."""
        mount = self._admit(operation)
        return offered(mount.describes, operation).describe(operation.ref, operation.bulk_root)

    async def version(self, operation: ops.Describe) -> str | None:
        """What names the metadata as long as they stay the same; None: nobody says.

        Raises:
            Refused, UnknownMount, BackendError.
        """
        versions = self._admit(operation).versions
        return None if versions is None else await versions.version(operation.ref)

    def bulk(self, operation: ops.Bulk) -> AbstractAsyncContextManager[BulkData]:
        """Give one value that metadata left out; raises like `find`, and NotFound."""
        mount = self._admit(operation)
        return offered(mount.describes, operation).bulk(operation.ref, operation.path)

    def lend(self, operation: ops.Lend) -> AbstractAsyncContextManager[Lent]:
        """Lend one instance as a file here; raises like `find`, and NotFound."""
        mount = self._admit(operation)
        return offered(mount.lends, operation).lend(operation.ref)

    def store(self, operation: ops.Store) -> AbstractAsyncContextManager[StoreSession]:
        """A session that keeps instances; raises like `find`."""
        mount = self._admit(operation)
        stores = offered(mount.stores, operation)
        return stores.open(operation.contexts, operation.originator)

    async def delete(self, operation: ops.Delete) -> int:
        """Delete, and say how many instances that were.

        Raises:
            Refused, UnknownMount, NotOffered, NotFound, OutOfResources, BackendError.
        """
        mount = self._admit(operation)
        return await offered(mount.deletes, operation).delete(operation.ref)

    def send(self, operation: ops.Send) -> AbstractAsyncContextManager[Progresses]:
        """Give instances to another place, counting.

        Raises:
            Refused, UnknownMount, NotOffered, UnknownDestination: at once.
            BackendError: on entering, when the source or the destination fails.
        """
        mount = self._admit(operation)
        is_ours = self.mounts.meant(operation.destination) in self.mounts
        if is_ours:
            self._authorise(self._storing(operation))  # also where the far side brings it there

        def here() -> AbstractAsyncContextManager[Progresses]:
            retrieves = offered(mount.retrieves, operation)
            destination = self._destination(operation)
            return send(retrieves, operation.refs, destination, operation.originator)

        # A far side that is asked for every destination may have a mount of the same name as ours,
        # and would send to its own.
        named = mount.passed_on is not None and operation.destination in mount.passed_on
        if mount.sends is None or not (named or (mount.passed_on is None and not is_ours)):
            return here()
        return passed_on(mount.sends, operation, here)

    def give(self, operation: ops.Retrieve, to: Stores) -> AbstractAsyncContextManager[Progresses]:
        """Give instances to whoever asks, counting (C-GET: `to` is the same association).

        Raises:
            Refused, UnknownMount, NotOffered: at once.
            BackendError: on entering, when the source fails.
        """
        mount = self._admit(operation)
        return send(offered(mount.retrieves, operation), operation.refs, to)

    def _destination(self, operation: ops.Send) -> Stores:
        name = self.mounts.meant(operation.destination)
        if name in self.mounts:
            return offered(self.mounts[name].stores, self._storing(operation))
        try:
            return self._destinations[name]
        except KeyError:
            raise UnknownDestination("no peer or mount has this AE title") from None

    def _storing(self, operation: ops.Send) -> ops.Store:
        """What a Send to a mount of ours needs there."""
        mount = self.mounts.meant(operation.destination)
        return ops.Store(mount=mount, who=operation.who, request_id=operation.request_id)

    def _admit(self, operation: ops.Operation) -> Mount:
        self._authorise(operation)
        return self.mounts[operation.mount]


def offered(capability: T | None, operation: ops.Operation) -> T:
    """The capability, or the error that says it is missing."""
    if capability is None:
        name = type(operation).__name__.lower()
        raise NotOffered(f"{operation.mount} does not offer {name}")
    return capability
