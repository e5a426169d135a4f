"""A client for tests, and what it leaves behind."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hilum.config.mounts import Web
from hilum.net.access import tls
from hilum.net.client import Accepts, Client, open_client

ANY = Accepts(("*/*",))


@asynccontextmanager
async def client(
    url: str, silence: float = 5.0, also: tuple[str, ...] = (), **settings: object
) -> AsyncIterator[Client]:
    web = Web(**{"backoff": 0.01, **settings})
    context = await tls(web)
    async with open_client(
        web, url, context, who="the server", timeout=silence, also=also
    ) as opened:
        yield opened


async def body(asked: Client, url: str, accepts: Accepts = ANY) -> bytes:
    async with asked.get(url, accepts) as answer:
        return await answer.read(10**9)


def sockets() -> int:
    """Open sockets of this process; 0 where the system does not tell."""
    folder = "/proc/self/fd"
    if not sys.platform.startswith("linux"):
        return 0
    count = 0
    for each in os.listdir(folder):  # noqa: PTH208 - quickest
        try:
            count += os.readlink(f"{folder}/{each}").startswith("socket:")  # noqa: PTH115 - as above
        except OSError:
            continue
    return count


async def settled(sockets_before: int, tasks_before: int) -> tuple[int, int]:
    """Sockets and tasks beyond those before, once the loop had its turns; no garbage collection."""
    for _ in range(100):
        left = sockets() - sockets_before, len(asyncio.all_tasks()) - tasks_before
        if left <= (0, 0) and left[1] <= 0:
            break
        await asyncio.sleep(0.01)
    return left
