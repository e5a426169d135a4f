"""Where is work done that may crash, explode or never end? In processes that can be thrown away."""

import asyncio
import logging
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final, TypeVar, cast

from hilum.config.imaging import ImagingSettings
from hilum.model.errors import BadPixels, HilumError, NotAcceptable, OutOfResources
from hilum.workshop.job import MAX_RESULT, Kind, job, told
from hilum.workshop.process import Died, Process

MOST: Final = 4  # processes, where the configuration does not say; threads of a piece of work
EACH: Final = 1024**3  # bytes of the machine's memory for each of them
PATIENCE: Final = 1.0  # seconds that a job may go on that nobody waits for; a new process costs
FAREWELL: Final = 2.0  # seconds that processes may take to end when the workshop closes

T = TypeVar("T")
log = logging.getLogger(__name__)


class Workshop:
    """A pool of processes, started as they are needed; each has one job at a time.

    A job that crashes its process, or takes too much memory or time, costs itself and nothing
    else: its process is killed, and another one takes its place.

    Args:
        settings: how many, and what each may use.
        workers: how many brokers share what the configuration allows.
    """

    def __init__(self, settings: ImagingSettings, workers: int = 1) -> None:
        self._settings = settings
        self.processes = max(1, (settings.processes or _usual()) // workers)
        self._free = asyncio.Semaphore(self.processes)
        self._waiting = 0
        self._all: set[Process] = set()
        self._busy: set[Process] = set()
        self._idle: list[Process] = []
        self._sweeping: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def busy(self) -> int:
        """Processes that work."""
        return len(self._busy)

    @property
    def spare(self) -> int:
        """Threads that one more piece of work may have: of the cores that no other one needs."""
        return max(1, min(MOST, self.processes - len(self._busy)))

    @property
    def waiting(self) -> int:
        """Pieces of work that wait for one."""
        return self._waiting

    async def run(self, work: Callable[..., T], *args: object, limit: float | None = None) -> T:
        """What `work(*args)` returns, in a process of its own.

        Being cancelled frees the caller at once.

        Args:
            work: a function of a module, found there by its name.
            args: whatever can be pickled; what is large goes by path.
            limit: seconds that it may take; by default what is configured.

        Raises:
            BadPixels: it crashed, failed in a way that nobody foresaw, or took too much memory.
            NotAcceptable: what it returned is too large.
            OutOfResources: too many wait already, or its time is up.
            HilumError: as `work` raised it.
        """
        limit = self._settings.timeout if limit is None else limit
        data = job(work, args, limit)
        process = await self._taken()
        answer = process.begin(data)
        try:
            async with asyncio.timeout(limit):
                kind, body, laid = await answer
        except TimeoutError:
            process.kill()
            log.warning("%s was ended: it took longer than %g seconds", _name(work), limit)
            raise OutOfResources("the pixels take too long to work on") from None
        except asyncio.CancelledError:
            process.leave(PATIENCE)
            raise
        except Died as died:
            log.warning("%s crashed its process: %s", _name(work), died)
            raise BadPixels("the pixels cannot be decoded") from None
        return cast("T", _told(work, kind, told(body, laid)))

    async def _taken(self) -> Process:
        """A process that has no job."""
        if self._closed or (self._free.locked() and self._waiting >= self._settings.queue):
            raise OutOfResources("too many pixels wait to be worked on")
        if self._free.locked():
            await self._waited()
        else:
            await self._free.acquire()  # at once
        try:
            process = self._idle.pop() if self._idle else await self._started()
        except BaseException:
            self._free.release()
            raise
        self._busy.add(process)
        return process

    async def _waited(self) -> None:
        """Wait for a turn."""
        self._waiting += 1
        try:
            async with asyncio.timeout(self._settings.timeout):
                await self._free.acquire()
        except TimeoutError:
            raise OutOfResources("too many pixels wait to be worked on") from None
        finally:
            self._waiting -= 1

    async def _started(self) -> Process:
        if self._closed:
            raise OutOfResources("the service stops")
        try:
            process = await Process.started(self._settings.max_memory, self._freed)
        except OSError as error:
            log.warning("no process can be started for pixels: %s", error.strerror)
            raise OutOfResources("there is no room to work on pixels") from error
        self._all.add(process)
        return process

    def _freed(self, process: Process) -> None:
        """A job is over, or a process is gone."""
        if process in self._busy:
            self._busy.remove(process)
            self._free.release()
        elif process in self._idle:
            self._idle.remove(process)
        if process.gone.done():
            self._all.discard(process)
        elif self._closed:
            process.end()
        else:
            process.since = asyncio.get_running_loop().time()
            self._idle.append(process)
            if self._sweeping is None:
                self._sweep()

    def _sweep(self) -> None:
        """End the processes that had no job for long; the last used one is taken first."""
        loop = asyncio.get_running_loop()
        self._sweeping = None
        long_ago = loop.time() - self._settings.idle
        while self._idle and self._idle[0].since <= long_ago:
            self._idle.pop(0).end()
        if self._idle:
            then = self._idle[0].since + self._settings.idle
            self._sweeping = loop.call_at(then, self._sweep)

    async def close(self) -> None:
        """End all processes; what still works is killed."""
        self._closed = True
        if self._sweeping is not None:
            self._sweeping.cancel()
        for process in self._idle:
            process.end()
        self._idle.clear()
        for process in self._busy:
            process.kill()
        going = [process.gone for process in self._all]
        if going:
            await asyncio.wait(going, timeout=FAREWELL)
        for process in [*self._all]:
            process.kill()
            await process.gone


@asynccontextmanager
async def open_workshop(settings: ImagingSettings, workers: int = 1) -> AsyncIterator[Workshop]:
    """A workshop, whose processes end when the block is left.

    Args:
        settings: how many processes there may be, and what each may use.
        workers: how many brokers share what the configuration allows.
    """
    workshop = Workshop(settings, workers)
    try:
        yield workshop
    finally:
        await workshop.close()


def _told(work: Callable[..., object], kind: Kind, value: object) -> object:
    """What a job returned.

    Raises:
        HilumError: it did not return.
    """
    match kind:
        case Kind.RESULT:
            return value
        case Kind.REFUSED if isinstance(value, HilumError):
            raise value
        case Kind.NO_MEMORY:
            log.warning("%s was ended: it took too much memory", _name(work))
            raise BadPixels("the pixels take too much memory")
        case Kind.TOO_LARGE:
            raise NotAcceptable(f"the pixels are larger than {MAX_RESULT} bytes")
        case _:
            log.error("%s failed:\n%s", _name(work), value)
            raise BadPixels("the pixels cannot be worked on")


def _name(work: Callable[..., object]) -> str:
    return getattr(work, "__qualname__", "work")


def _usual() -> int:
    """Processes for this machine: one for each core we may use, within its memory and `MOST`."""
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    memory = MOST * EACH
    if sys.platform != "win32":
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1, min(cores, MOST, memory // EACH))
