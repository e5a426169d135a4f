"""How are the systems that we stand for? Asked while somebody looks, and remembered for a while.

A page does not wait for a system that is down: it shows what is known, and the next one has more.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from hilum.core.single import as_it_was
from hilum.model.errors import HilumError, NotOffered

PATIENCE: Final = 10.0  # seconds that one may take to say that it lives
_WAIT: Final = 1.0  # seconds that a page waits for those that are asked

log = logging.getLogger(__name__)

Echo = Callable[[], Awaitable[float]]
"""Asks one; the seconds that it took. Raises HilumError."""


@dataclass(frozen=True, slots=True)
class Seen:
    """How one was.

    Attributes:
        state: "healthy", "unhealthy", "unknown" (it cannot be asked), or "asked" for the first
            time, right now.
        when: in seconds since the epoch.
        milliseconds: that it took to answer.
        why: what is wrong.
    """

    state: str
    when: float = field(default_factory=time.time)
    milliseconds: float = 0.0
    why: str = ""


class Health:
    """What is known of each, by its name. They can be asked within `asking`."""

    def __init__(self) -> None:
        self._group: asyncio.TaskGroup | None = None
        self._seen: dict[str, Seen] = {}
        self._asking: dict[str, asyncio.Task[None]] = {}

    @asynccontextmanager
    async def asking(self) -> AsyncIterator[None]:
        """Ask in the background, until the block is left."""
        with as_it_was():
            async with asyncio.TaskGroup() as self._group:
                try:
                    yield
                finally:
                    for each in self._asking.values():
                        each.cancel()

    async def look(self, echoes: Mapping[str, Echo], fresh: float) -> Mapping[str, Seen]:
        """How they are, or were not longer than `fresh` seconds ago; others are asked again."""
        now = time.time()
        asked = [
            self._ask(name, echo)
            for name, echo in echoes.items()
            if name not in self._seen or now - self._seen[name].when > fresh
        ]
        if asked:
            await asyncio.wait(asked, timeout=_WAIT)
        return {name: self._seen.get(name, Seen("asked")) for name in echoes}

    async def ask(self, name: str, echo: Echo) -> Seen:
        """How one is now."""
        await asyncio.wait([self._ask(name, echo)])
        return self._seen[name]

    def known(self, name: str) -> Seen | None:
        """What is known of one."""
        return self._seen.get(name)

    def _ask(self, name: str, echo: Echo) -> asyncio.Task[None]:
        task = self._asking.get(name)
        if task is None:
            assert self._group is not None  # noqa: S101 - see `asking`
            task = self._asking[name] = self._group.create_task(self._asked(name, echo))
            task.add_done_callback(lambda _: self._asking.pop(name, None))
        return task

    async def _asked(self, name: str, echo: Echo) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                seen = Seen("healthy", milliseconds=round(await echo() * 1000, 1))
        except TimeoutError:
            seen = Seen("unhealthy", why=f"no answer within {PATIENCE:g} s")
        except NotOffered:
            seen = Seen("unknown")
        except HilumError as error:
            seen = Seen("unhealthy", why=str(error))
        except Exception:  # nobody who looks may end the service
            log.exception("%s cannot be asked", name)
            seen = Seen("unhealthy", why="an unexpected fault; the log has more of it")
        self._seen[name] = seen
