"""A service that sends in the background, in this process or one of its own.

    python -m tests.frontends.dicomweb.sending FOLDER PORT DESTINATION_PORT

serves the archive ONE in FOLDER, default mount, with the peer SINK at DESTINATION_PORT; it says
READY once it listens.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from hilum.backends.archive import open_archive
from hilum.backends.dimse.remote import remote
from hilum.backends.dimse.store import PeerStores
from hilum.config.mounts import ArchiveMount
from hilum.config.schema import HttpSettings, Peer
from hilum.core.backend import Stores
from hilum.core.broker import Authorise, Broker, anyone
from hilum.core.jobs import BackgroundSends, open_sends
from hilum.core.mounts import Mount, Mounts
from hilum.frontends.dicomweb.app import application
from hilum.net.http import serve
from hilum.state.state import open_state

MOUNT = "ONE"


def mount(name: str, backend: object) -> Mount:
    return Mount(
        name=name,
        backend="test",
        echoes=backend,
        finds=backend,
        retrieves=backend,
        describes=backend,
        stores=backend,
    )


def sink(port: int) -> PeerStores:
    return PeerStores(remote(Peer(aet="SINK", host="127.0.0.1", port=port), "HILUM"))


@dataclass(frozen=True)
class Service:
    """Attributes: client: for its URLs."""

    client: httpx.AsyncClient
    broker: Broker
    sends: BackgroundSends
    root: str


@asynccontextmanager
async def service(  # noqa: PLR0913 - a service has that many sides
    mounts: Mapping[str, Mount],
    state: Path,
    destinations: Mapping[str, Stores] | None = None,
    *,
    port: int = 0,
    at_once: int = 4,
    authorise: Authorise = anyone,
    ready: Callable[[], object] = lambda: None,
) -> AsyncIterator[Service]:
    """The DICOMweb door on a real port, with Sends recorded in `state`."""
    broker = Broker(Mounts(mounts, next(iter(mounts))), destinations, authorise)
    settings = HttpSettings(port=port, graceful_shutdown=2.0)
    bound: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()

    def started(_host: str, number: int) -> None:
        bound.set_result(number)
        ready()

    async with (
        open_state(state) as kept,
        open_sends(broker, kept.sends, at_once=at_once) as sends,
        asyncio.TaskGroup() as group,
    ):
        app = application(broker, settings, sends)
        group.create_task(serve(app, settings, started=started, stop=stop))
        try:
            root = f"http://127.0.0.1:{await bound}"
            async with httpx.AsyncClient(base_url=root, timeout=20) as client:
                yield Service(client, broker, sends, root)
        finally:
            stop.set()


async def main(folder: Path, port: int, destination: int) -> None:
    async with (
        open_archive(ArchiveMount(), folder / "archive", MOUNT) as archive,
        service(
            {MOUNT: mount(MOUNT, archive)},
            folder / "state",
            {"SINK": sink(destination)},
            port=port,
            ready=lambda: os.write(1, b"READY\n"),
        ),
    ):
        await asyncio.Event().wait()


if __name__ == "__main__":
    where, port, destination = sys.argv[1:]
    asyncio.run(main(Path(where), int(port), int(destination)))
