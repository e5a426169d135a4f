"""What do all workers share, and what is done once for them? Doors, boxes, locks, migrations."""

import asyncio
import logging
import os
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager
from mmap import mmap
from pathlib import Path

from hilum.app import CannotStart, cannot_listen
from hilum.backends.archive.keep import left_behind, swept
from hilum.config.schema import Settings
from hilum.model.errors import HilumError
from hilum.net import crowd
from hilum.net.crowd import Crowd
from hilum.net.homes import Homes
from hilum.net.http import bound
from hilum.service import systemd
from hilum.state.lock import Lock
from hilum.state.state import prepare
from hilum.workers.start import Start

log = logging.getLogger(__name__)


class House:
    """What is open as long as any worker lives; the workers inherit it.

    The locks too: should this process be killed, no other can have the folders before the last
    worker has ended.
    """

    def __init__(self, settings: Settings, threads: ThreadPoolExecutor) -> None:
        self._settings = settings
        self._threads = threads
        self._open = ExitStack()
        self._locks: list[Lock] = []
        self._swept: set[Path] = set()
        self._homes = Homes(settings, settings.server.workers)
        self._doors: dict[str, socket.socket] = {}
        self._boxes: list[tuple[socket.socket, socket.socket]] = []

    def make(self) -> None:
        """Open everything; blocks while archives are swept.

        Raises:
            CannotStart: something is not to be had.
        """
        try:
            for folder, lock in self._kept(self._settings):
                self._keep(folder, lock)
            if self._settings.has_state:
                self._keep(self._settings.state, self._prepared())
            self._listen()
            self._share()
        except BaseException:
            self._open.close()
            raise

    def _keep(self, folder: Path, lock: Lock) -> None:
        self._open.callback(lock.release)
        self._locks.append(lock)
        self._swept.add(folder)

    def _kept(self, settings: Settings) -> Iterator[tuple[Path, Lock]]:
        """The archives that are not kept yet, each ready to be used."""
        for name, mount in settings.archives.items():
            folder = settings.folder(name)
            if folder in self._swept:
                continue
            try:
                yield folder, swept(mount, folder)
            except HilumError as error:
                raise CannotStart(f"mounts.{name}: {folder}: {error}") from error

    def _prepared(self) -> Lock:
        folder = self._settings.state
        try:
            return prepare(folder)
        except HilumError as error:
            raise CannotStart(f"server.data: {folder}: {error}") from error

    async def changing(self, settings: Settings) -> dict[Path, Lock]:
        """The archives that come with another configuration, kept from now on.

        Raises:
            CannotStart: one is not to be had, or a mount would have to move to another worker.
        """
        moved = self._homes.moved(self._homes.after(settings))
        if moved:
            why = "it now shares an AE title of ours with a mount of another worker"
            raise CannotStart(f"mounts.{moved[0]}: needs a restart: {why}")

        def kept() -> dict[Path, Lock]:
            locks: dict[Path, Lock] = {}
            try:
                locks.update(self._kept(settings))
            except BaseException:
                for lock in locks.values():
                    lock.release()
                raise
            return locks

        return await asyncio.get_running_loop().run_in_executor(self._threads, kept)

    def become(self, settings: Settings, locks: Mapping[Path, Lock]) -> None:
        """Start workers with another configuration from now on.

        An archive that went stays ours until the end: workers have inherited what holds it.
        """
        for folder, lock in locks.items():
            self._keep(folder, lock)
        self._homes = self._homes.after(settings)
        self._settings = settings

    def _listen(self) -> None:
        settings = self._settings
        for name, where in settings.doors.items():
            try:
                door = bound(where.bind, where.port)
            except OSError as error:
                raise cannot_listen(name, settings, error) from error
            self._open.callback(door.close)
            self._doors[name] = door

    def _share(self) -> None:
        workers = self._settings.server.workers
        for _ in range(workers):
            pair = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
            for each in pair:
                self._open.callback(each.close)
            self._boxes.append(pair)
        self._settings.spill.mkdir(mode=0o700, parents=True, exist_ok=True)
        unnamed = tempfile.TemporaryFile(dir=self._settings.spill)  # noqa: SIM115 - as the others
        memory = self._open.enter_context(unnamed)
        os.ftruncate(memory.fileno(), crowd.size(workers))
        self._memory = memory.fileno()
        self._crowd = Crowd(mmap(self._memory, crowd.size(workers)), 0, workers)

    def start(self, number: int) -> Start:
        """What a worker is told."""
        return Start(
            settings=self._settings,
            number=number,
            workers=self._settings.server.workers,
            doors={
                name: door.fileno()
                for name, door in self._doors.items()
                if name != "admin" or not number  # one can ask all others
            },
            box=self._boxes[number][0].fileno(),
            boxes=tuple(to.fileno() for _, to in self._boxes),
            crowd=self._memory,
            homes=self._homes.all,
            silence=systemd.watchdog(),
        )

    def files(self, number: int) -> tuple[int, ...]:
        """The descriptors that it inherits."""
        start = self.start(number)
        locks = (lock.fd for lock in self._locks)
        return (*start.doors.values(), start.box, *start.boxes, start.crowd, *locks)

    def shut(self) -> None:
        """Our ends of the doors: what no worker accepts any more is refused by the system."""
        for door in self._doors.values():
            door.close()

    async def bury(self, number: int) -> None:
        """Do what a worker that died has not done."""
        self._crowd.clear(number)
        loop = asyncio.get_running_loop()
        for name in self._settings.archives:
            try:
                await loop.run_in_executor(self._threads, left_behind, self._settings.folder(name))
            except HilumError:
                log.exception("the index of %s cannot be written", name)

    def close(self) -> None:
        """Let everything go."""
        self._open.close()


@asynccontextmanager
async def open_house(settings: Settings) -> AsyncIterator[House]:
    """What all workers share, until the block is left.

    Raises:
        CannotStart: something is not to be had.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="keeper") as threads:
        house = House(settings, threads)
        await asyncio.get_running_loop().run_in_executor(threads, house.make)
        try:
            yield house
        finally:
            house.close()
