"""Somebody for C-MOVE to send to: a peer of the configuration, played by us while it is away."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from hilum.config.peers import Peer
from hilum.config.schema import DimseSettings, ServerSettings, Settings
from hilum.core.backend import StoreSession
from hilum.core.broker import Broker
from hilum.core.mounts import Mount, Mounts
from hilum.core.operations import Originator
from hilum.frontends.dimse.server import serve
from hilum.model.instance import Instance
from hilum.model.outcome import Stored


@dataclass(frozen=True, slots=True)
class Basket:
    """Takes instances, and keeps them in memory.

    Attributes:
        got: SOP Instance UID -> encoded data set.
    """

    got: dict[str, bytes] = field(default_factory=dict)

    @asynccontextmanager
    async def open(
        self,
        _contexts: Sequence[tuple[str, str]] = (),
        _originator: Originator | None = None,
        /,
    ) -> AsyncIterator[StoreSession]:
        """Itself."""
        yield self

    async def store(self, instance: Instance, /) -> Stored:
        """Keep one."""
        pieces = [chunk async for chunk in instance.chunks]
        self.got[instance.sop_instance_uid] = b"".join(pieces)
        return Stored(
            sop_class_uid=instance.sop_class_uid, sop_instance_uid=instance.sop_instance_uid
        )


@asynccontextmanager
async def receiver(peers: Sequence[Peer]) -> AsyncIterator[tuple[str, Basket] | None]:
    """The AE title of a peer, and what is sent to it; None where none can be played.

    Args:
        peers: the first of them whose address is ours and whose port is free is played.
    """
    peer = None
    for each in peers:
        if await _is_free(each):
            peer = each
            break
    if peer is None:
        yield None
        return
    basket, stop, listening = Basket(), asyncio.Event(), asyncio.Event()
    mount = Mount(name=peer.aet, backend="basket", stores=basket)
    settings = Settings(
        server=ServerSettings(aet=peer.aet),
        dimse=DimseSettings(
            bind=peer.host, port=peer.port, accept_unknown_callers=True, graceful_shutdown=1.0
        ),
    )
    failed: Exception | None = None
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(
            serve(
                Broker(Mounts({peer.aet: mount}, peer.aet)),
                settings,
                started=lambda _host, _port: listening.set(),
                stop=stop,
            )
        )
        await listening.wait()
        try:
            yield peer.aet, basket
        except Exception as error:  # noqa: BLE001 - raised again, when the group is gone
            failed = error
        finally:
            stop.set()
    if failed is not None:
        raise failed


async def _is_free(peer: Peer) -> bool:
    """Whether we can listen where the peer would."""
    try:
        server = await asyncio.get_running_loop().create_server(
            asyncio.Protocol, peer.host, peer.port
        )
    except OSError:
        return False
    server.close()  # at once; who connected meanwhile is not waited for
    return True
