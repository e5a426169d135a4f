"""Who starts the workers? The supervisor, which also keeps the house for them.

It opens the doors, migrates and sweeps, once, before anybody serves; then it starts the workers,
starts one again that dies, and tells all when to stop. It serves nothing itself.
"""

import asyncio
import logging
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from hilum.app import CannotStart, Listening
from hilum.config.schema import Settings
from hilum.service.reloading import CannotChange
from hilum.state.lock import Lock
from hilum.workers import start
from hilum.workers.house import House, open_house

log = logging.getLogger(__name__)

FIRST_PAUSE: Final = 0.1  # seconds before a worker that died is started again
LONGEST_PAUSE: Final = 30.0  # seconds; each time twice as long
_SOUND: Final = 60.0  # seconds after which one that dies has not died of its start
_AT_ONCE: Final = 5.0  # seconds for what shall end at once


@dataclass(eq=False, slots=True)
class _Slot:
    """The place of one worker.

    Attributes:
        listening: where its doors are, once it has said that it is ready.
        refused: why it cannot start.
        answer: what it says to what it was told; None where it ended.
    """

    number: int
    process: Process | None = None
    listening: Listening | None = None
    refused: str = ""
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    answer: "asyncio.Future[Sequence[str]] | None" = None


class Supervisor:
    """All workers of one house. See `serve`."""

    def __init__(self, settings: Settings, house: House, stop: asyncio.Event) -> None:
        self._house = house
        self._stop = stop
        self._slots = [_Slot(number) for number in range(settings.server.workers)]
        self._hurried = False
        self._steady = asyncio.Event()  # no change is under way
        self._steady.set()

    async def run(self, ready: Callable[[Listening], None]) -> None:
        """Until `stop`, and until all workers have ended.

        Raises:
            CannotStart: a worker cannot.
            CancelledError: something was running still, `at_once`.
        """
        async with asyncio.TaskGroup() as group:
            for slot in self._slots:
                group.create_task(self._keep_up(slot))
            stopping = group.create_task(self._told_to_stop())
            for slot in self._slots:
                await slot.settled.wait()
            refused = dict.fromkeys(slot.refused for slot in self._slots if slot.refused)
            listening = self._slots[0].listening
            if not refused and listening is not None and not self._stop.is_set():
                ready(Listening(listening.doors, self.prepared))
            elif refused:
                self._stop.set()
            await stopping
        if refused:
            raise CannotStart("\n".join(refused))
        if self._hurried:
            raise asyncio.CancelledError

    async def _told_to_stop(self) -> None:
        await self._stop.wait()
        self._house.shut()
        for slot in self._slots:
            self._say(slot, start.STOP)

    def at_once(self) -> None:
        """Let nothing end any more."""
        self._hurried = True
        for slot in self._slots:
            self._say(slot, start.NOW)
            if slot.process is not None:
                asyncio.get_running_loop().call_later(_AT_ONCE, _kill, slot.process)

    @staticmethod
    def _say(slot: _Slot, text: bytes) -> None:
        process = slot.process
        if process is not None and process.returncode is None and process.stdin is not None:
            process.stdin.write(text)

    async def prepared(self, settings: Settings) -> "Prepared":
        """Make ready, in every worker, what another configuration needs.

        Raises:
            CannotChange: something is not to be had; then nothing has changed.
        """
        self._steady.clear()
        try:
            locks = await self._house.changing(settings)
        except BaseException as error:
            self._steady.set()
            if isinstance(error, CannotStart):
                raise CannotChange(str(error).splitlines()) from error
            raise
        change = Prepared(self, self._house, settings, locks)
        try:
            problems = await self.tell(start.change(settings))
        except BaseException:
            await change.drop()
            raise
        if problems:
            await change.drop()
            raise CannotChange(problems)
        return change

    async def tell(self, text: bytes, *, answered: bool = True) -> list[str]:
        """Tell all workers something; the problems that they answer, each once."""
        loop = asyncio.get_running_loop()
        asked = [slot for slot in self._slots if slot.process is not None]
        for slot in asked:
            slot.answer = loop.create_future()
            self._say(slot, text)
        problems: dict[str, None] = {}
        for slot in asked if answered else ():
            assert slot.answer is not None  # noqa: S101 - just made
            problems |= dict.fromkeys(await slot.answer)
        return list(problems)

    def steady(self) -> None:
        """No change is under way any more."""
        self._steady.set()

    async def _keep_up(self, slot: _Slot) -> None:
        """One worker after the other, in one place."""
        try:
            await self._lives(slot)
        finally:
            slot.settled.set()

    async def _lives(self, slot: _Slot) -> None:
        loop = asyncio.get_running_loop()
        pause = FIRST_PAUSE
        while not self._stop.is_set():
            await self._steady.wait()
            began = loop.time()
            slot.listening = None
            try:
                code = await self._life(slot)
            except OSError as error:
                code, slot.refused = -1, f"server.workers: no process: {error.strerror}"
            finally:
                slot.process = None
                if slot.answer is not None and not slot.answer.done():
                    slot.answer.set_result(())
            first = not slot.settled.is_set()
            if first and not slot.refused and not self._stop.is_set():
                slot.refused = "server.workers: a worker ended before it was ready; see the log"
            if self._stop.is_set() and code:
                log.error("worker %d ended with exit code %d", slot.number, code)
            if first or self._stop.is_set():
                return
            await self._house.bury(slot.number)
            pause = FIRST_PAUSE if loop.time() - began > _SOUND else pause
            log.error(
                "worker %d ended (%s); it is started again in %g seconds",
                *(slot.number, slot.refused or f"exit code {code}", pause),
            )
            slot.refused = ""
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _life(self, slot: _Slot) -> int:
        """One worker, from its start to its end; its exit code."""
        house = self._house
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "hilum.workers"),
            stdin=PIPE,
            stdout=PIPE,
            pass_fds=house.files(slot.number),
            start_new_session=True,  # Ctrl+C is for us
        )
        assert process.stdin is not None  # noqa: S101 - PIPE
        assert process.stdout is not None  # noqa: S101 - PIPE
        try:
            await self._steady.wait()  # who begins knows what the others know
            slot.process = process
            begun = house.start(slot.number)
            process.stdin.write(begun.encode())
            if self._stop.is_set():
                process.stdin.write(start.STOP)
            with suppress(TimeoutError):
                while line := await self._line(slot, process.stdout, begun.silence):
                    self._heard(slot, start.said(line))
                return await process.wait()
            log.error("worker %d says nothing any more: it is killed", slot.number)
            return -1
        finally:
            if process.returncode is None:
                _kill(process)
                await process.wait()
            process.stdin.close()

    @staticmethod
    async def _line(slot: _Slot, stream: asyncio.StreamReader, silence: float | None) -> bytes:
        """The next that a worker says; b"" when it has ended.

        Raises:
            TimeoutError: it serves, and says nothing.
        """
        async with asyncio.timeout(None if slot.listening is None else silence):
            return await stream.readline()

    @staticmethod
    def _heard(slot: _Slot, said: dict[str, Any]) -> None:
        if slot.answer is not None and not slot.answer.done():
            if "prepared" in said:
                slot.answer.set_result(said["prepared"])
            if "committed" in said:
                slot.answer.set_result(())
        doors = said.get("ready")
        if isinstance(doors, dict):
            slot.listening = Listening({name: (host, port) for name, (host, port) in doors.items()})
            slot.settled.set()
            pid = slot.process.pid if slot.process is not None else 0
            log.info("worker %d is ready: process %d", slot.number, pid)
        slot.refused = str(said.get("failed", slot.refused))


@dataclass(frozen=True, slots=True)
class Prepared:
    """Another configuration that all workers are ready for. See `service.reloading.Change`."""

    of: Supervisor
    house: House
    settings: Settings
    locks: Mapping[Path, Lock]

    async def commit(self) -> None:
        """Have all workers apply it, and those that are started later."""
        self.house.become(self.settings, self.locks)
        await self.of.tell(start.COMMIT)
        self.of.steady()

    async def drop(self) -> None:
        """Leave everything as it is."""
        await self.of.tell(start.DROP, answered=False)
        for lock in self.locks.values():
            lock.release()
        self.of.steady()


def _kill(process: Process) -> None:
    with suppress(ProcessLookupError):
        process.kill()


@asynccontextmanager
async def supervised(settings: Settings, stop: asyncio.Event) -> AsyncIterator[Supervisor]:
    """Workers that may be run, in a house that is in order.

    Raises:
        CannotStart: a folder, a lock or a port is not to be had.
    """
    async with open_house(settings) as house:
        yield Supervisor(settings, house, stop)
