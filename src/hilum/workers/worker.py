"""How does one worker run? It serves until the supervisor says stop, or is gone."""

import asyncio
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from mmap import mmap
from typing import IO

from hilum import app
from hilum.net import crowd
from hilum.net.crowd import Crowd
from hilum.net.entrance import Entrance
from hilum.net.homes import Homes
from hilum.net.letters import Letters
from hilum.net.worker import Worker
from hilum.service import logging, loop, memory
from hilum.workers.start import NOW, Start, failed, read, ready

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def main() -> None:
    """Serve; what is said on standard output is for the supervisor."""
    for number in _SIGNALS:  # they reach the supervisor too, who tells all workers
        signal.signal(number, signal.SIG_IGN)
    told, out = os.fdopen(os.dup(0), "rb", 0), os.fdopen(os.dup(1), "wb", 0)
    os.dup2(2, 1)  # whatever a library prints
    try:
        start = read(told)
    except EOFError:
        sys.exit("a worker is started by `hilum run` only")
    logging.setup(start.settings.logging, start.number)
    memory.tune()
    try:
        loop.run(_serve(start, told, out))
    except app.CannotStart as error:
        out.write(failed(str(error)))
        sys.exit(1)
    except asyncio.CancelledError:
        sys.exit(1)


async def _serve(start: Start, told: IO[bytes], out: IO[bytes]) -> None:
    stop = asyncio.Event()
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - this is one
    _obey(told, stop.set, task.cancel)
    worker = _worker(start)
    with closing(worker.letters):
        await app.serve(
            start.settings, lambda listening: _say(out, ready(listening.doors)), stop, worker
        )


def _say(out: IO[bytes], text: bytes) -> None:
    out.write(text)


def _obey(told: IO[bytes], stop: Callable[[], None], now: Callable[[], object]) -> None:
    """Do what the supervisor says, from a thread; its end means stop."""
    running = asyncio.get_running_loop()

    def listen() -> None:
        with suppress(RuntimeError):  # the loop has ended
            for line in told:
                running.call_soon_threadsafe(now if line == NOW else stop)
            running.call_soon_threadsafe(stop)

    threading.Thread(target=listen, name="supervisor", daemon=True).start()


def _worker(start: Start) -> Worker:
    counts = Crowd(mmap(start.crowd, crowd.size(start.workers)), start.number, start.workers)
    letters = Letters(
        socket.socket(fileno=start.box),
        [socket.socket(fileno=each) for each in start.boxes],
        start.settings.spill,
    )
    doors = {
        name: Entrance(
            name, socket.socket(fileno=fd), start.number, letters, counts, len(start.doors)
        )
        for name, fd in start.doors.items()
    }
    return Worker(
        number=start.number,
        workers=start.workers,
        homes=Homes(start.settings, start.workers),
        doors=doors,
        letters=letters,
        crowd=counts,
    )
