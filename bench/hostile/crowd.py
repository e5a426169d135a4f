"""Many well-behaved clients at once: after them, pools of threads and of connections are full."""

import asyncio

import httpx

from bench.hostile.good import Good
from bench.hostile.place import Place

COUNT = 24  # clients; more than any pool has threads
ROUNDS = 4
_PATIENCE = 300.0  # seconds that one waits: so many at once are slow


async def _crowd(place: Place) -> None:
    headers = {"Authorization": f"Bearer {place.token}"}
    async with (
        httpx.AsyncClient(
            base_url=f"{place.root}/", headers=headers, timeout=_PATIENCE, trust_env=False,
            limits=httpx.Limits(max_connections=COUNT),
        ) as http,
        asyncio.timeout(_PATIENCE),
    ):  # fmt: skip
        client = Good(place, http)
        for _ in range(ROUNDS):
            for act in (client.metadata, client.wado, client.stow):
                async with asyncio.TaskGroup() as tasks:
                    for _ in range(COUNT):
                        tasks.create_task(act())


def crowd(place: Place) -> None:
    """Let them come, and see that each gets what it asks for; the study must be there.

    Raises:
        ExceptionGroup: one did not.
    """
    asyncio.run(_crowd(place))
