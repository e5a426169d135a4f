"""How something is awaited that must not be left in the middle, even by a cancelled task."""

import asyncio
from typing import Any

import anyio


async def outlast(future: asyncio.Future[Any]) -> asyncio.CancelledError | None:
    """Wait until `future` is done; the cancellation that came meanwhile, for the caller to raise.

    A thread cannot be stopped, and what it does to files has to be finished or undone. anyio's
    own shield holds only against anyio's cancellation, not against that of asyncio.TaskGroup.
    """
    cancelled = None
    loop = asyncio.get_running_loop()
    with anyio.CancelScope(shield=True):
        while not future.done():
            waiter: asyncio.Future[None] = loop.create_future()

            def wake(_done: object, waiter: asyncio.Future[None] = waiter) -> None:
                if not waiter.done():
                    waiter.set_result(None)

            future.add_done_callback(wake)
            try:
                await waiter
            except asyncio.CancelledError as error:
                cancelled = error
    return cancelled
