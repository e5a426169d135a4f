"""Is the client still there, of a request that takes its time? If not, the work is given up."""

import asyncio
from contextlib import AbstractAsyncContextManager
from time import monotonic
from types import TracebackType
from typing import Final, Protocol

from starlette.types import Receive, Scope

from hilum.net.body import BODY, Body

WATCH: Final = 0.05  # seconds from which on it matters that nobody waits for the answer


class Watch(Protocol):
    """Cancels what is done in its block once the client has left, and takes that for its end.

    Attributes:
        is_gone: it has left.
    """

    is_gone: bool

    async def __aenter__(self) -> None: ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool: ...

    def stop(self) -> None:
        """Look no more."""


def watching(scope: Scope, receive: Receive) -> Watch:
    """What watches over one request, in the task that answers it."""
    body: Body | None = scope.get(BODY)
    return Reading(receive) if body is None else Told(body)


class Told(AbstractAsyncContextManager[None]):
    """Is told by our own server, of a request that has no body."""

    def __init__(self, body: Body) -> None:
        self.is_gone = False
        self._body = body
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> None:
        self._began = monotonic()
        self._task = asyncio.current_task()
        self._body.tell(self._left)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        self.stop()
        if not self.is_gone or self._task is None:
            return False
        # Who ends the whole service cancels too: that goes on.
        return not self._task.uncancel() and isinstance(error, asyncio.CancelledError)

    def _left(self) -> None:
        if self._timer is not None:  # said twice
            return
        rest = self._began + WATCH - monotonic()
        self._timer = asyncio.get_running_loop().call_later(max(rest, 0), self._give_up)

    def _give_up(self) -> None:
        self.is_gone = True
        if self._task is not None:
            self._task.cancel()

    def stop(self) -> None:
        """Look no more."""
        self._body.tell(None)
        if self._timer is not None:
            self._timer.cancel()


class _Gone(Exception):
    """The client closed the connection."""


class Reading(AbstractAsyncContextManager[None]):
    """Reads the request to its end and on."""

    def __init__(self, receive: Receive) -> None:
        self.is_gone = False
        self._receive = receive
        self._group = asyncio.TaskGroup()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> None:
        await self._group.__aenter__()
        self._timer = asyncio.get_running_loop().call_later(WATCH, self._begin)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        self.stop()
        try:
            await self._group.__aexit__(kind, error, traceback)
        except* _Gone:
            self.is_gone = True
        return self.is_gone

    def _begin(self) -> None:
        self._task = self._group.create_task(self._until_gone())

    async def _until_gone(self) -> None:
        """Read until the client leaves.

        Raises:
            _Gone: it did.
        """
        while (await self._receive())["type"] != "http.disconnect":
            pass
        raise _Gone

    def stop(self) -> None:
        """Look no more."""
        self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
