"""A broker within this process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from hilum.app import Listening, serve
from hilum.config.mounts import ArchiveMount
from hilum.config.schema import DimseSettings, HttpSettings, Peer, ServerSettings, Settings


@asynccontextmanager
async def served(folder: Path, peers: dict[str, Peer] | None = None) -> AsyncIterator[Settings]:
    """The settings of a running broker, with the ports that it got."""
    settings = Settings(
        server=ServerSettings(data=folder / "data"),
        dimse=DimseSettings(port=0, accept_unknown_callers=True),
        http=HttpSettings(port=0),
        mounts={"ARCHIVE": ArchiveMount(default=True)},
        peers=peers or {},
    )
    stop = asyncio.Event()
    ready: asyncio.Future[Listening] = asyncio.get_running_loop().create_future()
    async with asyncio.TaskGroup() as group:
        group.create_task(serve(settings, ready.set_result, stop))
        doors = (await ready).doors
        dimse = settings.dimse.model_copy(update={"port": doors["dimse"][1]})
        http = settings.http.model_copy(update={"port": doors["http"][1]})
        try:
            yield settings.model_copy(update={"dimse": dimse, "http": http})
        finally:
            stop.set()
