"""Where `hilum store` puts the files: the peer, by contexts planned from what they hold."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from anyio import CapacityLimiter

from hilum.backends.dimse.store import Need, PeerStores
from hilum.cli.intake.files import Unreadable, below, opened
from hilum.core.backend import StoreSession
from hilum.core.operations import Originator
from hilum.model.errors import BackendTimeout, BackendUnavailable, BadDataset, HilumError
from hilum.model.instance import Instance
from hilum.model.outcome import Stored

PATIENCE = 3  # instances in a row that find no peer, after which no more are tried


async def needs(paths: Sequence[Path], stop: asyncio.Event) -> list[Need]:
    """SOP Class and Transfer Syntax of every instance at and below `paths`, each pair once.

    Files that cannot be read are passed over here: sending them says what is wrong.
    """
    found: dict[Need, None] = {}
    limiter = CapacityLimiter(1)
    for path in below(paths):
        if stop.is_set():
            break
        try:
            async with opened(path, limiter) as instance:
                if instance.sop_class_uid:
                    found[instance.sop_class_uid, instance.transfer_syntax_uid] = None
        except Unreadable:
            continue
    return list(found)


@dataclass(slots=True)
class Sending:
    """The peer as a place to store.

    Attributes:
        stop: set when the peer is gone for good, so that no more is tried.
        gone: why.
    """

    peer: PeerStores
    needs: Sequence[Need]
    stop: asyncio.Event
    gone: HilumError | None = None
    _missed: int = 0

    @asynccontextmanager
    async def open(
        self, _contexts: Sequence[Need] = (), _originator: Originator | None = None, /
    ) -> AsyncIterator[StoreSession]:
        """A session with the planned contexts.

        Raises:
            BackendError: the peer cannot be reached or refuses.
        """
        async with self.peer.open(self.needs) as session:
            yield _Session(self, session)

    def heard(self, stored: Stored) -> None:
        """Take note of how one went."""
        if not isinstance(stored.failure, BackendUnavailable | BackendTimeout):
            self._missed = 0
            return
        self._missed += 1
        if self._missed >= PATIENCE:
            self.gone = stored.failure
            self.stop.set()


@dataclass(frozen=True, slots=True)
class _Session:
    sending: Sending
    session: StoreSession

    async def store(self, instance: Instance, /) -> Stored:
        if not instance.sop_class_uid or not instance.sop_instance_uid:
            raise BadDataset("has no SOP Class UID or no SOP Instance UID")
        stored = await self.session.store(instance)
        self.sending.heard(stored)
        return stored
