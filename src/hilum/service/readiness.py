"""Is what is ours in order? Databases, room on disks, queues; what is elsewhere does not matter."""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

import anyio.to_thread

from hilum.config import units
from hilum.config.schema import Settings
from hilum.core.mounts import Mount
from hilum.core.readiness import Finding
from hilum.model.errors import HilumError

PATIENCE: Final = 5.0  # seconds that a database may take
FRESH: Final = 1.0  # seconds for which what was found is told again

Waits = Callable[[], float]
"""Seconds for which the oldest thing of a queue waits."""
Archives = Callable[[], Iterable[Mount]]
Answers = Callable[[], Awaitable[object]]
"""Returns when a database answers.

Raises:
    HilumError: it does not.
"""


class Readiness:
    """Looks, but not more often than is worth it: anybody may ask.

    Args:
        settings: how much room there must be, and how long something may wait.
        archives: gives the mounts that keep instances here.
        database: of the state; None: there is none.
        waits: of the queue; None: there is none.
    """

    def __init__(
        self,
        settings: Settings,
        archives: Archives,
        database: Answers | None = None,
        waits: Waits | None = None,
    ) -> None:
        self._settings = settings
        self._archives = archives
        self._database = database
        self._waits = waits
        self._looking = asyncio.Lock()
        self._found: Sequence[Finding] = ()
        self._until = 0.0

    def become(self, settings: Settings) -> None:
        """Hold to other limits from now on."""
        self._settings = settings

    async def __call__(self) -> Sequence[Finding]:
        """See `core.readiness.Inspects`."""
        async with self._looking:
            if time.monotonic() >= self._until:
                self._found = [each async for each in self._look()]
                self._until = time.monotonic() + FRESH
            return self._found

    async def _look(self) -> AsyncIterator[Finding]:
        for mount in self._archives():
            if mount.echoes is not None:
                with mount.uses:  # it may be one of the former configuration by now
                    problem = await _answer(mount.echoes.echo)
                yield Finding("archive", problem, mount.name)
        if self._database is not None:
            yield Finding("database", await _answer(self._database))
        yield await anyio.to_thread.run_sync(self._space)
        if self._waits is not None:
            yield Finding("queue", self._late(self._waits()))

    def _space(self) -> Finding:
        """The first disk that has too little room."""
        settings = self._settings
        folders = [settings.server.data, *map(settings.folder, settings.archives)]
        problems = (_room(each, settings.admin.min_free) for each in folders)
        return Finding("space", next(filter(None, problems), ""))

    def _late(self, waits: float) -> str:
        most = self._settings.admin.max_wait
        return f"a Send waits for its turn since {waits:.0f} seconds" if waits > most else ""


async def _answer(asked: Answers) -> str:
    try:
        async with asyncio.timeout(PATIENCE):
            await asked()
    except HilumError as error:
        return str(error) or "it fails"
    except TimeoutError:
        return f"no answer within {PATIENCE:g} seconds"
    return ""


def _room(folder: Path, least: int) -> str:
    try:
        there = next((each for each in (folder, *folder.parents) if each.exists()), folder)
        free = shutil.disk_usage(there).free
    except OSError as error:
        return f"the disk cannot be looked at: {error.strerror}"
    return "" if free >= least else f"only {units.spell_size(free // 10**6 * 10**6)} are free"
