"""How does one worker run? It serves until the supervisor says stop, or is gone."""

import asyncio
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from logging import getLogger
from mmap import mmap
from typing import IO

from hilum import app
from hilum.config.schema import Settings
from hilum.net import crowd
from hilum.net.crowd import Crowd
from hilum.net.entrance import Entrance
from hilum.net.homes import Homes
from hilum.net.letters import Letters
from hilum.net.worker import Worker
from hilum.service import logging, loop, memory
from hilum.service.beside import beside
from hilum.service.reloading import FAULT, CannotChange, Prepares
from hilum.workers.start import (
    CHANGE,
    COMMIT,
    DROP,
    NOW,
    Start,
    alive,
    changed,
    committed,
    failed,
    prepared,
    read,
    ready,
)

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
log = getLogger(__name__)


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
    orders: asyncio.Queue[Settings | bytes] = asyncio.Queue()
    _obey(told, stop.set, task.cancel, orders.put_nowait)
    worker = _worker(start)
    prepares: asyncio.Future[Prepares] = asyncio.get_running_loop().create_future()

    def serves(listening: app.Listening) -> None:
        memory.started()
        _say(out, ready(listening.doors))
        if listening.change is not None:
            prepares.set_result(listening.change)

    with closing(worker.letters):
        async with beside(
            _change(orders, prepares, out, start.number),
            _lives(start.silence, out),
            memory.give_back(),
        ):
            await app.serve(start.settings, serves, stop, worker)


async def _change(
    orders: "asyncio.Queue[Settings | bytes]",
    prepares: "asyncio.Future[Prepares]",
    out: IO[bytes],
    number: int,
) -> None:
    """Take other configurations, in two steps, as all workers do at the same time. Never ends."""
    while True:
        settings = await orders.get()
        assert isinstance(settings, Settings)  # noqa: S101 - a step was left out
        prepare = await asyncio.shield(prepares)
        try:
            change = await prepare(settings)
        except Exception as error:
            if not isinstance(error, CannotChange):
                log.exception("another configuration cannot be made ready")
            problems = error.problems if isinstance(error, CannotChange) else (FAULT,)
            _say(out, prepared(problems))
            await orders.get()  # that is DROP, to all
            continue
        _say(out, prepared(()))
        if await orders.get() == COMMIT:
            await change.commit()
            logging.setup(settings.logging, number)
            _say(out, committed())
        else:
            await change.drop()


async def _lives(silence: float | None, out: IO[bytes]) -> None:
    """Say from time to time that the event loop goes round, where that is wanted."""
    while silence is not None:
        _say(out, alive())
        await asyncio.sleep(silence / 4)


def _say(out: IO[bytes], text: bytes) -> None:
    out.write(text)


def _obey(
    told: IO[bytes],
    stop: Callable[[], None],
    now: Callable[[], object],
    order: Callable[[Settings | bytes], object],
) -> None:
    """Do what the supervisor says, from a thread; its end means stop."""
    running = asyncio.get_running_loop()

    def listen() -> None:
        with suppress(RuntimeError):  # the loop has ended
            with suppress(EOFError):
                for line in told:
                    if line == CHANGE:
                        running.call_soon_threadsafe(order, changed(told))
                    elif line in {COMMIT, DROP}:
                        running.call_soon_threadsafe(order, line)
                    else:
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
        homes=Homes(start.settings, start.workers, start.homes),
        doors=doors,
        letters=letters,
        crowd=counts,
    )
