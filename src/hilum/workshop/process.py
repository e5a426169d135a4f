"""The parent's end of a process of the workshop: a job goes in, an answer comes out."""

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Self, cast

import hilum
from hilum.workshop.job import ANSWER, MAX_RESULT, Kind
from hilum.workshop.tray import SIZE, Tray

Answer = tuple[Kind, memoryview, bytes]
"""What became of a job: its kind, the pickle of its value, and what lay on the tray."""

_LIBRARIES = ("PATH", "PYTHONHOME", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
_PLACES = ("LANG", "LC_ALL", "TMPDIR", "TEMP", "TMP")
_KEPT = {*_LIBRARIES, *_PLACES, "SYSTEMROOT"}  # without the last one Windows starts no Python
_SET = {
    **{f"{name}_NUM_THREADS": "1" for name in ("OPENBLAS", "OMP", "MKL")},
    # of glibc, in bytes: fresh pages for each frame cost more than what is done with them
    "MALLOC_MMAP_THRESHOLD_": str(8 * 1024 * 1024),
    "MALLOC_TRIM_THRESHOLD_": str(32 * 1024 * 1024),
}


class Died(Exception):
    """The process ended before it answered."""


class Process(asyncio.SubprocessProtocol):
    """One process, and at most one job in it.

    Attributes:
        since: when it was last given back, in the loop's time.
        is_alive: it can still take a job.
        gone: done when the process has ended and been waited for.
    """

    def __init__(self, freed: Callable[["Process"], None], tray: Tray | None) -> None:
        """Be ready to be started.

        Args:
            freed: called when its job is over, and once more when the process is gone.
            tray: where it lays large results; closed when the process is gone.
        """
        self._freed = freed
        self._tray = tray
        self._loop = asyncio.get_running_loop()
        self._buffer = bytearray()
        self._length = ANSWER.size
        self._answer: asyncio.Future[Answer] | None = None
        self._doomed: asyncio.TimerHandle | None = None
        self._open = {1, None}  # standard output and the process itself
        self.since = 0.0
        self.is_alive = True
        self.gone: asyncio.Future[None] = self._loop.create_future()

    @classmethod
    async def started(cls, memory: int, freed: Callable[["Process"], None]) -> Self:
        """A new one.

        Args:
            memory: bytes that it may use; not on Windows.
            freed: as above.

        Raises:
            OSError: the system has no room for another process.
        """
        tray = Tray.made()
        shared = () if tray is None else (tray.fd,)
        limits = (str(memory), *map(str, shared or (-1,)))
        started = False
        try:
            _, process = await asyncio.get_running_loop().subprocess_exec(
                lambda: cls(freed, tray),
                *(sys.executable, "-P", "-m", "hilum.workshop", *limits),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=None,
                env=_environment(),
                pass_fds=shared,
            )
            started = True
        finally:
            if tray is not None:
                tray.handed()
                if not started:
                    tray.close()
        return process

    @property
    def is_busy(self) -> bool:
        """Whether it has a job, be it one that nobody waits for any more."""
        return self._answer is not None

    def begin(self, job: bytes) -> asyncio.Future[Answer]:
        """Give it a job; the answer, or `Died`."""
        self._answer = self._loop.create_future()
        self._in.write(job)
        return self._answer

    def leave(self, patience: float) -> None:
        """Nobody waits for its job any more: it has that many seconds to end it."""
        if self.is_busy and self._doomed is None:
            self._doomed = self._loop.call_later(patience, self.kill)

    def end(self) -> None:
        """No more jobs: an idle process ends by itself."""
        self.is_alive = False
        self._in.close()

    def kill(self) -> None:
        """End it now."""
        self.is_alive = False
        with contextlib.suppress(ProcessLookupError):
            self._transport.kill()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It runs."""
        self._transport = cast("asyncio.SubprocessTransport", transport)
        self._in = cast("asyncio.WriteTransport", self._transport.get_pipe_transport(0))

    def pipe_data_received(self, _fd: int, data: bytes) -> None:
        """The next bytes of its answer."""
        buffer = self._buffer
        buffer += data
        if len(buffer) < self._length:
            return
        kind, length, laid = ANSWER.unpack_from(buffer)
        if length > MAX_RESULT or laid > (0 if self._tray is None else SIZE):
            self.kill()
            return
        self._length = ANSWER.size + length
        if len(buffer) < self._length:
            return
        self.is_alive &= kind != Kind.NO_MEMORY
        self._buffer, self._length = bytearray(), ANSWER.size
        # Copied before it gets another job, and lays something else there.
        more = self._tray.taken(laid) if laid and self._tray is not None else b""
        self._ended((Kind(kind), memoryview(buffer)[ANSWER.size :], more))

    def pipe_connection_lost(self, fd: int, _error: Exception | None) -> None:
        """One of its pipes ended; all that it said has been read when that is its output."""
        self.is_alive = False
        if fd == 1:
            self._lost(fd)

    def process_exited(self) -> None:
        """It ended."""
        self.is_alive = False
        self._lost(None)

    def _lost(self, which: int | None) -> None:
        self._open.discard(which)
        if self._open or self.gone.done():
            return
        self._transport.close()
        if self._tray is not None:
            self._tray.close()
        self.gone.set_result(None)
        if self.is_busy:
            self._ended(Died(f"it ended with {self._transport.get_returncode()}"))
        self._freed(self)

    def _ended(self, what: Answer | Died) -> None:
        """The job is over."""
        if self._doomed is not None:
            self._doomed.cancel()
            self._doomed = None
        answer, self._answer = self._answer, None
        if answer is None:
            self.is_alive = False  # it speaks without being asked
        elif not answer.done():
            if isinstance(what, Died):
                answer.set_exception(what)
            else:
                answer.set_result(what)
        if self.is_alive:
            self._freed(self)
        else:
            self.kill()


def _environment() -> dict[str, str]:
    """What a process needs to find its modules, and none of the secrets that ours may hold."""
    kept = {name: value for name, value in os.environ.items() if name.upper() in _KEPT}
    ours = str(Path(hilum.__file__).parents[1])
    paths = dict.fromkeys((ours, *(each for each in sys.path if each)))
    return {**kept, **_SET, "PYTHONPATH": os.pathsep.join(paths)}
