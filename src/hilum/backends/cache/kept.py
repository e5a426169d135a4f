"""The backend that keeps: each thing is fetched once, and given to all who ask for it meanwhile.

A retrieval is a flight into a folder of its own; readers read from its files while they grow. What
came whole stays for as long as the cache may keep it, else as long as somebody uses it.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Final

from hilum.backends.cache import entries, files, folders
from hilum.backends.cache.files import Threads
from hilum.backends.cache.flight import Flight
from hilum.backends.cache.holding import Holding
from hilum.backends.cache.jobs import Job, Jobs
from hilum.backends.cache.lend import lent
from hilum.backends.cache.reading import Reading
from hilum.backends.cache.share import Share, whole
from hilum.backends.cache.shelf import Shelf, is_good
from hilum.config.mounts import Remote
from hilum.core.backend import Fetching, Lent, Retrieval, Retrieves
from hilum.core.caller import everybodys
from hilum.model.errors import BackendUnavailable, HilumError, NotFound, OutOfResources
from hilum.model.identity import Level, Ref

log = logging.getLogger(__name__)

LINGER: Final = 600.0
"""Seconds that a job, and what it brought, stays after its end, for its client to come for it."""
SWEEP: Final = 15.0  # seconds between two looks for what is over its time
MOST_JOBS: Final = 1000


class Kept:
    """Implements `core.backend.Retrieves`, `Lends` and `Fetches` over another's `Retrieves`.

    See `opened.open_kept`.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - made in one place
        self,
        settings: Remote,
        retrieves: Retrieves,
        folder: Path,
        threads: Threads,
        group: asyncio.TaskGroup,
        whose: Callable[[], str] = everybodys,
    ) -> None:
        self._settings = settings
        self._retrieves = retrieves
        self._folder = folder
        self._threads = threads
        self._group = group
        self._whose = whose
        self._shelf = Shelf()
        self._jobs = Jobs()
        self._last = 0
        self._closing = False

    @asynccontextmanager
    async def retrieve(self, refs: Sequence[Ref], /) -> AsyncIterator[Retrieval]:
        """See `core.backend.Retrieves`: what is here is given, what is on its way is joined.

        Where the mount is not spooled, only what a job has begun is joined. Who also says whose
        it must be is not given what others have: only the far side can tell whether it is.
        """
        shares, left = self._shares(refs)
        narrowed = any(ref.patient is not None and ref.level is not Level.PATIENT for ref in refs)
        if narrowed or (not self._settings.is_spooled and (left or not shares)):
            async with self._retrieves.retrieve(refs) as retrieval:
                yield retrieval
            return
        async with self._reading(self._used(shares, left)) as retrieval:
            yield retrieval

    @asynccontextmanager
    async def look_through(self, refs: Sequence[Ref], /) -> AsyncIterator[Retrieval]:
        """As `retrieve`, of instances whose headers are read, and then perhaps their frames.

        A series or an instance always comes to disk, also what the reader does not read, and
        lingers there.
        """
        if any(ref.patient is not None or ref.series is None for ref in refs):
            async with self.retrieve(refs) as retrieval:
                yield retrieval
            return
        shares = self._used(*self._shares(refs))
        async with self._reading(shares) as retrieval:
            yield retrieval
            for share in shares:  # to a good end: who gave up does not come for frames
                share.holding.lingers = share.holding.goes_on = True

    @asynccontextmanager
    async def _reading(self, shares: list[Share]) -> AsyncIterator[Retrieval]:
        reading = Reading(shares, self._threads)
        try:
            manifest = await reading.enter()
            async with aclosing(reading.instances()) as instances:
                yield Retrieval(manifest, instances)
        finally:
            reading.close()
            await self._left(shares)

    @asynccontextmanager
    async def lend(self, ref: Ref, /) -> AsyncIterator[Lent]:
        """See `core.backend.Lends`: what is here or on its way is taken, else it is fetched.

        Whether or not the mount is spooled; what was lent lingers.
        """
        if ref.instance is None or ref.patient is not None:
            raise NotFound("no such instance")
        shares = self._used(*self._shares([ref]))
        try:
            one = await lent(shares[0], ref.instance)
            shares[0].holding.lingers = True
            yield one
        finally:
            await self._left(shares)

    async def _left(self, shares: Sequence[Share]) -> None:
        """One reader uses them less; what was behind one is free when this has returned."""
        ending = {task for share in shares if (task := self._leave(share.holding))}
        if ending:
            await asyncio.wait(ending)

    async def measure(self) -> Mapping[str, float]:
        """See `core.measures.Measures`."""
        return self._shelf.numbers()

    def holds(self, ref: Ref) -> bool:
        """Whether the cache has all of it."""
        shares, left = self._shares([ref])
        return not left and all(share.holding.is_entry for share in shares)

    def fetch(self, refs: Sequence[Ref], /) -> Fetching:
        """See `core.backend.Fetches`.

        Raises:
            OutOfResources: too many run already.
        """
        now = time.time()
        whose = self._whose()
        job = self._jobs.of(refs, whose)
        if job is not None:
            told = job.look(now)
            failed = (told.error is not None or not told.arrived) and not told.told
            if not told.ended or failed or all(is_good(each.holding) for each in job.shares):
                return told
            self._forget(job)
        while len(self._jobs) >= MOST_JOBS:
            ended = [each for each in self._jobs if each.ended_at is not None]
            if not ended:
                raise OutOfResources("too many retrievals run in the background")
            self._forget(min(ended, key=lambda each: each.ended_at or 0.0))
        shares = self._used(*self._shares(refs))
        for share in shares:
            share.holding.jobs += 1
        return self._jobs.add(refs, shares, whose).look(now)

    def fetching(self, name: str, /) -> Fetching:
        """See `core.backend.Fetches`."""
        return self._jobs.named(name, self._whose()).look(time.time())

    def stop(self, name: str, /) -> None:
        """See `core.backend.Fetches`; who reads it meanwhile still gets it."""
        self._forget(self._jobs.named(name, self._whose()))

    def _forget(self, job: Job) -> None:
        self._jobs.forget(job)
        for share in job.shares:
            share.holding.jobs -= 1
            self._leave(share.holding)

    def _shares(self, refs: Sequence[Ref]) -> tuple[list[Share], list[Ref]]:
        """What the caller may join, and what is left to be fetched."""
        return self._shelf.shares(refs, self._whose())

    def _used(self, shares: list[Share], left: Sequence[Ref]) -> list[Share]:
        """Shares in use, by one more; what is `left` is begun."""
        self._shelf.hits += len(shares)
        self._shelf.misses += len(left)
        if left or not shares:
            shares = [*shares, whole(self._begin(left))]
        for share in shares:
            share.holding.uses += 1
            share.holding.used = time.time()
            self._shelf.packed.unpack(share.holding)  # those found first may be packed again
        return shares

    def _begin(self, refs: Sequence[Ref]) -> Holding:
        self._last = max(time.time_ns(), self._last + 1)
        holding = Holding(refs, self._folder / f"{self._last:016x}", self._whose())
        flight = Flight(
            holding, refs, self._retrieves, self._threads, self._settings, self._make_room
        )
        holding.task = self._group.create_task(self._fly(holding, flight))
        former = self._shelf.of(holding.key)
        if former is not None:  # over its time
            former.doomed = True
            self._shelf.drop(former)
            if not former.uses:
                self._group.create_task(self._gone(former))
        self._shelf.put(holding)
        return holding

    async def _fly(self, holding: Holding, flight: Flight) -> None:
        """The whole life of a flight, to the cache or to nothing."""
        try:
            try:
                await self._threads.run(files.make, holding.folder)
            except OSError:
                log.exception("%s cannot be made", holding.folder)
                error: HilumError | None = OutOfResources("the spool's folder cannot be used")
            else:
                error = await flight.run()
            await self._ended(holding, error)
        finally:
            if not holding.ended:
                holding.end(BackendUnavailable("the retrieval was given up"))
            holding.task = None
            if not holding.uses:
                await self._gone(holding)

    async def _ended(self, holding: Holding, error: HilumError | None) -> None:
        now = time.time()
        cached = error is None and self._may_keep(holding)
        until = entries.until_of(now, self._settings.cache.max_age) if cached else now + LINGER
        holding.end(error, until if holding.here else 0.0)
        if not is_good(holding):
            self._shelf.drop(holding)
        elif cached:
            holding.uses += 1
            try:
                await self._keep(holding, now)
            finally:
                holding.uses -= 1

    def _may_keep(self, holding: Holding) -> bool:
        """Whether it may stay. Of a patient nobody knows which studies it has tomorrow."""
        cache = self._settings.cache
        fits = cache.max_size is None or holding.size <= cache.max_size
        patients = any(ref.level is Level.PATIENT for ref in holding.refs)
        return cache.is_on and fits and bool(holding.here) and not patients

    async def _keep(self, holding: Holding, now: float) -> None:
        """Make it an entry, and make room for it."""
        paths = [holding.path(piece) for piece in holding.here.values()]
        entry = entries.written(holding, now)
        try:
            await self._threads.run(files.seal, holding.folder, paths, entry)
        except OSError:
            log.exception("%s cannot be kept", holding.folder)
            holding.until = now + LINGER
            return
        self._shelf.keep(holding)
        if not is_good(holding):  # given up meanwhile
            self._shelf.drop(holding)
        await self._evict()

    async def _evict(self) -> None:
        most = self._settings.cache.max_size
        while most is not None and self._shelf.size > most:
            oldest = self._shelf.oldest()
            if oldest is None:
                return
            await self._doom(oldest)

    async def _make_room(self) -> bool:
        """Give up what was not used for the longest time, what lingers first; False: nothing."""
        lingering = self._shelf.overdue(float("inf"))
        oldest = lingering[0] if lingering else self._shelf.oldest()
        if oldest is None or oldest.uses:
            return False
        await self._doom(oldest)
        return True

    async def _doom(self, holding: Holding) -> None:
        """It goes, at once or when nobody uses it any more."""
        holding.doomed = True
        self._shelf.drop(holding)
        if not holding.uses:
            await self._gone(holding)

    def _leave(self, holding: Holding) -> "asyncio.Task[None] | None":
        """One uses it less; the task that clears up behind the last."""
        holding.uses -= 1
        holding.used = time.time()
        if holding.uses or self._closing:
            return None
        if holding.task is not None:
            # What is all here ends by itself: its association can be used again.
            if not (holding.ended or holding.goes_on or whole(holding).is_here()):
                self._shelf.drop(holding)
                holding.task.cancel()
                return holding.task
            return None
        if holding.is_entry and not holding.doomed:
            self._shelf.packed.put(holding)
            return None
        if not self._stays(holding):
            self._shelf.drop(holding)
        return self._group.create_task(self._gone(holding))

    def _stays(self, holding: Holding) -> bool:
        """Whether it lingers, unused."""
        return holding.lingers and is_good(holding) and self._shelf.of(holding.key) is holding

    async def _gone(self, holding: Holding) -> None:
        """Take its files away, unless it is to stay or somebody came in between."""
        if holding.uses:
            return
        if holding.is_entry and not holding.doomed:
            self._shelf.packed.put(holding)
            return
        if self._stays(holding):
            await self._tidy(time.time())
            return
        self._shelf.drop(holding)
        await self._removed([holding.folder])

    async def _removed(self, paths: Iterable[Path]) -> None:
        for folder in paths:
            try:
                await self._threads.run(files.remove, folder)
            except OSError:
                log.exception("%s cannot be removed", folder)

    def become(self, settings: Remote, retrieves: Retrieves, whose: Callable[[], str]) -> None:
        """Retrieve from elsewhere, or otherwise, from now on; what is in the air goes on."""
        self._settings = settings
        self._retrieves = retrieves
        self._whose = whose

    async def start(self) -> None:
        """Take the entries of former times in, and remove what is none.

        Raises:
            OSError: the folder cannot be used.
        """
        found = await self._threads.run(folders.found, self._folder, self._settings.cache.max_age)
        for folder, holding in found.items():
            if holding is None or not self._settings.cache.is_on or entries.is_old(holding):
                await self._removed([folder])
            else:
                self._shelf.put(holding)
                self._shelf.keep(holding)
                self._shelf.packed.put(holding)
        await self._evict()

    async def sweep(self) -> None:
        """From time to time: what is over its time goes. Never ends."""
        before = time.time()
        while True:
            await asyncio.sleep(SWEEP)
            now = time.time()
            for job in self._jobs:
                job.look(now)
                if job.ended_at is not None and now - job.ended_at > LINGER:
                    self._forget(job)
            for holding in self._shelf:
                if holding.is_entry and entries.is_old(holding):
                    await self._doom(holding)
            await self._tidy(now)
            await self._threads.run(folders.touch, self._uses(before))
            before = now

    async def _tidy(self, now: float) -> None:
        """What lingered long enough goes."""
        for holding in self._shelf.overdue(now):
            if not (holding.uses or holding.doomed):  # in the meantime
                await self._doom(holding)

    def _uses(self, since: float) -> list[tuple[Path, float]]:
        """When the entries that were used since then were used last."""
        kept = (each for each in self._shelf if each.is_entry)
        return [(each.folder, each.used) for each in kept if each.used >= since]

    async def close(self) -> None:
        """Give up what runs; what is no entry goes."""
        self._closing = True
        tasks = {each.task: each for each in self._shelf if each.task is not None}
        for task, holding in tasks.items():
            if not holding.ended:  # else it is just being made an entry
                task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        for holding in self._shelf:
            if not holding.ended:  # its task had not even begun
                holding.end(BackendUnavailable("the retrieval was given up"))
        try:
            await self._threads.run(folders.touch, self._uses(0.0))
            found = await self._threads.run(folders.spools, self._folder)
        except OSError:
            log.exception("%s cannot be tidied", self._folder)
        else:
            await self._removed(found)
