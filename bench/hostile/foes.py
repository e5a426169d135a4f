"""All hostile clients at once, each kind again and again.

    python -m bench.hostile.foes PLACE SECONDS [NAME ...]

says at its end, in one line of JSON, how often each kind came.
"""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

from bench.hostile import dimse, http
from bench.hostile.place import Place

Client = Callable[[Place], Awaitable[None]]
PAUSE = 0.05  # seconds between two of one kind
CLIENTS: Mapping[str, Client] = {
    f"{door} {each.__name__.replace('_', ' ')}": each
    for door, clients in (("DIMSE", dimse.CLIENTS), ("HTTP", http.CLIENTS))
    for each in clients
}


async def _again(place: Place, name: str, came: Counter[str]) -> None:
    while True:
        with suppress(OSError, EOFError, asyncio.LimitOverrunError):
            await CLIENTS[name](place)
        came[name] += 1
        await asyncio.sleep(PAUSE)


async def run(place: Place, seconds: float, names: list[str]) -> Counter[str]:
    """Be hostile for so long; how often each kind came."""
    came: Counter[str] = Counter()
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds), asyncio.TaskGroup() as tasks:
            for name in names or CLIENTS:
                tasks.create_task(_again(place, name, came))
    return came


if __name__ == "__main__":
    told, seconds, *chosen = sys.argv[1:]
    print(json.dumps(asyncio.run(run(Place.understood(told), float(seconds), chosen))))
