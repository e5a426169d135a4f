"""Which file comes next? It is read while the one before it is stored."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from anyio import CapacityLimiter

from hilum.cli.intake.files import Filed, Unreadable, opened

Found = tuple[Path, Filed | Unreadable]
"""A file, and what is in it, or why it is not taken."""


class Ahead(AsyncIterator[Found]):
    """The files, one after another; to be entered. What is given is open until the next one is.

    Args:
        paths: of the files; one more is taken than is given.
        limiter: how many threads read at the same time.
    """

    def __init__(self, paths: AsyncIterator[Path], limiter: CapacityLimiter) -> None:
        self._paths = paths
        self._limiter = limiter
        self._group = asyncio.TaskGroup()
        self._current = AsyncExitStack()
        self._next: asyncio.Task[tuple[Found, AsyncExitStack] | None] | None = None

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._current.aclose()
        if self._next is not None:
            self._next.cancel()
        await self._group.__aexit__(None, None, None)
        if self._next is not None and not self._next.cancelled() and (last := self._next.result()):
            await last[1].aclose()

    async def __anext__(self) -> Found:
        """The next one."""
        await self._current.aclose()
        reading, self._next = self._next or self._group.create_task(self._read()), None
        read = await reading
        if read is None:
            raise StopAsyncIteration
        found, self._current = read
        self._next = self._group.create_task(self._read())
        return found

    async def _read(self) -> tuple[Found, AsyncExitStack] | None:
        path = await anext(self._paths, None)
        if path is None:
            return None
        stack = AsyncExitStack()
        try:
            return (path, await stack.enter_async_context(opened(path, self._limiter))), stack
        except Unreadable as error:
            return (path, error), stack
