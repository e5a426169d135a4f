"""What runs beside something else, and ends with it."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any


@asynccontextmanager
async def beside(*works: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run some work until the block is left; what the block raises comes through as it is."""
    failed: BaseException | None = None
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(each) for each in works]
        try:
            yield
        except BaseException as error:  # noqa: BLE001 - raised below: not in a group
            failed = error
        finally:
            for task in tasks:
                task.cancel()
    if failed is not None:
        raise failed
