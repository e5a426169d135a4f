"""The crossing: authorise an operation, find its backend, run it."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from copy import copy
from typing import TypeVar

from hilum.core import account, audit
from hilum.core import operations as ops
from hilum.core.account import Account
from hilum.core.audit import Audits, unheard
from hilum.core.backend import (
    BulkData,
    Fetches,
    Fetching,
    Found,
    Lent,
    Retrieval,
    Stores,
    StoreSession,
    Transcodes,
)
from hilum.core.caller import Acting, acting_for
from hilum.core.mounts import Mount, Mounts
from hilum.core.records import Records, Running, Tally, counts
from hilum.core.send import Progresses, passed_on, send
from hilum.core.used import UsedStores
from hilum.model.errors import HilumError, NotOffered, UnknownDestination
from hilum.model.identity import Ref
from hilum.model.principal import Principal

T = TypeVar("T")
Authorise = Callable[[ops.Operation], None]


def anyone(_operation: ops.Operation, /) -> None:
    """Let everybody do everything: who may come in was settled at the door."""


class Broker:
    """Runs operations on mounts. Knows no protocol and opens no socket.

    Attributes:
        mounts: which there are.
        transcodes: what takes pixels to a syntax that a peer or client accepts; None: nobody does.
        audits: is told of what is done, and by the doors of whom they refuse.
        records: counts what is done; None: nobody does.
        edition: how often it became another one.
    """

    def __init__(  # noqa: PLR0913 - what it works with
        self,
        mounts: Mounts,
        destinations: Mapping[str, Stores] | None = None,
        authorise: Authorise = anyone,
        transcodes: Transcodes | None = None,
        audits: Audits = unheard,
        *,
        records: Records | None = None,
    ) -> None:
        self.mounts = mounts
        self.transcodes = transcodes
        self._destinations = dict(destinations or {})
        self._authorise = authorise
        self.audits = audits
        self._records = records
        self.edition = 0

    def now(self) -> "Broker":
        """One that stays as this one is now."""
        return copy(self)

    def become(
        self, mounts: Mounts, destinations: Mapping[str, Stores], authorise: Authorise
    ) -> None:
        """Take others from now on; what runs goes on with those that it began with."""
        self.mounts = mounts
        self._destinations = dict(destinations)
        self._authorise = authorise
        self.edition += 1

    def authorise(self, operation: ops.Operation) -> None:
        """Say whether the caller may, also at a mount that is there no more, and do nothing.

        Raises:
            Refused.
        """
        self._authorise(operation)

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
        with self._running(operation) as tally, acting_for(operation.who):
            await offered(mount.echoes, operation).echo()
            return tally.seconds

    def find(self, operation: ops.Find) -> AbstractAsyncContextManager[Found]:
        """Search.

        Raises:
            Refused, UnknownMount, NotOffered: at once.
            BadQuery, BackendError: on the first or any later match.
        """
        mount = self._admit(operation)
        found = offered(mount.finds, operation).find(operation.query)
        tally = Tally(operation)
        return self._acting(tally, audit.searched(self.audits, operation, found, tally))

    def retrieve(self, operation: ops.Retrieve) -> AbstractAsyncContextManager[Retrieval]:
        """Give instances; raises like `find`."""
        mount = self._admit(operation)
        retrieval = offered(mount.retrieves, operation).retrieve(operation.refs)
        moved = Account(self.audits, Tally(operation), operation.refs)
        return self._acting(moved.tally, account.retrieved(moved, retrieval))

    def fetches(self, operation: ops.Retrieve) -> Fetches:
        """What brings instances of the mount here in the background.

        Raises:
            Refused, UnknownMount, NotOffered: at once.
        """
        return _Fetching(operation.who, offered(self._admit(operation).fetches, operation))

    def describe(
        self, operation: ops.Describe
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Give metadata; raises like `find`."""
        mount = self._admit(operation)
        describes = offered(mount.describes, operation)
        described = describes.describe(operation.ref, operation.bulk_root)
        return self._acting(Tally(operation), audit.accessed(self.audits, operation, described))

    async def version(self, operation: ops.Describe) -> str | None:
        """What names the metadata as long as they stay the same; None: nobody says.

        Raises:
            Refused, UnknownMount, BackendError.
        """
        mount = self._admit(operation)
        if mount.versions is None:
            return None
        with acting_for(operation.who, mount.uses):
            return await mount.versions.version(operation.ref)

    async def changed(self, operation: ops.Find, studies: Sequence[str]) -> Mapping[str, float]:
        """When studies were changed last; empty where nobody says.

        Raises:
            Refused, UnknownMount, BackendError.
        """
        mount = self._admit(operation)
        if mount.changes is None:
            return {}
        with mount.uses:
            return await mount.changes.changed(studies)

    def bulk(self, operation: ops.Bulk) -> AbstractAsyncContextManager[BulkData]:
        """Give one value that metadata left out; raises like `find`, and NotFound."""
        mount = self._admit(operation)
        describes = offered(mount.describes, operation)
        bulk = describes.bulk(operation.ref, operation.path)
        return self._acting(Tally(operation), audit.accessed(self.audits, operation, bulk))

    def lend(self, operation: ops.Lend) -> AbstractAsyncContextManager[Lent]:
        """Lend one instance as a file here; raises like `find`, and NotFound."""
        mount = self._admit(operation)
        lent = offered(mount.lends, operation).lend(operation.ref)
        return self._acting(Tally(operation), audit.accessed(self.audits, operation, lent))

    def store(self, operation: ops.Store) -> AbstractAsyncContextManager[StoreSession]:
        """A session that keeps instances; raises like `find`."""
        mount = self._admit(operation)
        stores = offered(mount.stores, operation)
        session = stores.open(operation.contexts, operation.originator)
        taken = Account(self.audits, Tally(operation))
        return self._acting(taken.tally, account.stored(taken, session, self._told(operation)))

    async def delete(self, operation: ops.Delete) -> int:
        """Delete, and say how many instances that were.

        Raises:
            Refused, UnknownMount, NotOffered, NotFound, OutOfResources, BackendError.
        """
        deletes = offered(self._admit(operation).deletes, operation)
        try:
            with self._running(operation) as tally, acting_for(operation.who):
                tally.count = count = await deletes.delete(operation.ref)
        except HilumError as error:
            self.audits(audit.deleted(operation, 0, str(error)))
            raise
        self.audits(audit.deleted(operation, count))
        return count

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

        moved = Account(self.audits, Tally(operation), operation.refs, operation.destination)

        def here() -> AbstractAsyncContextManager[Progresses]:
            retrieves = account.Listing(offered(mount.retrieves, operation), moved)
            if self.mounts.meant(operation.destination) in mount.itself:
                # Some serve one association at a time, and would wait for themselves.
                raise UnknownDestination("the instances are there already: it is their source")
            destination = account.Counting(self._destination(operation), moved)
            return send(retrieves, operation.refs, destination, operation.originator)

        # A far side that is asked for every destination may have a mount of the same name as ours,
        # and would send to its own.
        named = mount.passed_on is not None and operation.destination in mount.passed_on
        if mount.sends is None or not (named or (mount.passed_on is None and not is_ours)):
            sending = here()
        else:
            sending = passed_on(mount.sends, operation, here)
        return self._acting(moved.tally, account.sent(moved, sending))

    def give(self, operation: ops.Retrieve, to: Stores) -> AbstractAsyncContextManager[Progresses]:
        """Give instances to whoever asks, counting (C-GET: `to` is the same association).

        Raises:
            Refused, UnknownMount, NotOffered: at once.
            BackendError: on entering, when the source fails.
        """
        mount = self._admit(operation)
        moved = Account(self.audits, Tally(operation), operation.refs)
        retrieves = account.Listing(offered(mount.retrieves, operation), moved)
        sending = send(retrieves, operation.refs, account.Counting(to, moved))
        return self._acting(moved.tally, account.sent(moved, sending))

    def _destination(self, operation: ops.Send) -> Stores:
        name = self.mounts.meant(operation.destination)
        if name in self.mounts:
            mount = self.mounts[name]
            return UsedStores(offered(mount.stores, self._storing(operation)), mount.uses)
        try:
            return self._destinations[name]
        except KeyError:
            raise UnknownDestination("no peer or mount has this AE title") from None

    def _storing(self, operation: ops.Send) -> ops.Store:
        """What a Send to a mount of ours needs there."""
        mount = self.mounts.meant(operation.destination)
        return ops.Store(mount=mount, who=operation.who, request_id=operation.request_id)

    def _told(self, operation: ops.Operation) -> Records | None:
        """Who is told of an operation; None: nobody, as it is a part of another."""
        return self._records if counts(operation) else None

    def _acting(
        self, tally: Tally, opened: AbstractAsyncContextManager[T]
    ) -> AbstractAsyncContextManager[T]:
        """What is done for one caller, and counted."""
        records = self._told(tally.operation)
        running = None if records is None else Running(tally, records)
        uses = self.mounts[tally.operation.mount].uses
        return Acting(tally.operation.who, opened, running, uses)

    @contextmanager
    def _running(self, operation: ops.Operation) -> Iterator[Tally]:
        """The same, of what is done in the block."""
        tally = Tally(operation)
        records = self._told(operation)
        uses = self.mounts[operation.mount].uses
        if records is None:
            with uses:
                yield tally
            return
        records.began(tally)
        try:
            with uses:
                yield tally
        except BaseException as error:
            records.ended(tally, error)
            raise
        records.ended(tally, None)

    def _admit(self, operation: ops.Operation) -> Mount:
        self._authorise(operation)
        return self.mounts[operation.mount]


class _Fetching:
    """Implements `core.backend.Fetches` for one caller."""

    def __init__(self, who: Principal, fetches: Fetches) -> None:
        self._who = who
        self._fetches = fetches

    def fetch(self, refs: Sequence[Ref], /) -> Fetching:
        with acting_for(self._who):
            return self._fetches.fetch(refs)

    def fetching(self, name: str, /) -> Fetching:
        with acting_for(self._who):
            return self._fetches.fetching(name)

    def stop(self, name: str, /) -> None:
        with acting_for(self._who):
            self._fetches.stop(name)


def offered(capability: T | None, operation: ops.Operation) -> T:
    """The capability, or the error that says it is missing."""
    if capability is None:
        name = type(operation).__name__.lower()
        raise NotOffered(f"{operation.mount} does not offer {name}")
    return capability
