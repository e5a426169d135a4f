"""A PACS with faults that can be switched on, in a thread of this process.

Two makes behind one interface: on our own upper layer, which has every quirk, and on pynetdicom,
which has those of `tests.quirks.threads.CAN`.
"""

import asyncio
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from enum import Enum

from tests.contract.made import Made, made
from tests.quirks import own, threads
from tests.quirks.holding import STRANGER
from tests.quirks.pacs import HOST, Asked, Pacs, pacs_of
from tests.quirks.switches import Cancel, Claims, Point, Quirks

__all__ = [
    "HOST",
    "STRANGER",
    "Asked",
    "Cancel",
    "Claims",
    "Make",
    "Pacs",
    "Point",
    "Quirks",
    "quirky",
]
START = 20.0  # seconds to come up, and to end


class Make(Enum):
    """What it is made of."""

    OWN = "own"
    PYNETDICOM = "pynetdicom"


@contextmanager
def quirky(
    instances: Iterable[Made] = (),
    quirks: Quirks | None = None,
    *,
    aet: str = "QUIRKY",
    destinations: Mapping[str, int] | None = None,
    make: Make = Make.OWN,
) -> Iterator[Pacs]:
    """A running PACS; it may be used from any thread or event loop.

    Args:
        instances: what it holds.
        quirks: what is wrong with it; None: nothing.
        aet: its AE title; it answers to any.
        destinations: Move Destination -> port on this machine.
        make: what it is made of.
    """
    pacs = pacs_of(aet, quirks or Quirks(), destinations or {}, made(666, 666, 666))
    _run(lambda: asyncio.run(pacs.holding.fill(instances)))
    if make is Make.PYNETDICOM:
        with threads.serving(pacs):
            yield pacs
        return
    with _loop(pacs):
        yield pacs


def _run(work: Callable[[], None]) -> None:
    """Do it in a thread, as this one may have an event loop that runs."""
    failed: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised again below
            failed.append(error)

    thread = threading.Thread(target=run, name="quirky fill")
    thread.start()
    thread.join(START)
    if failed:
        raise failed[0]


@contextmanager
def _loop(pacs: Pacs) -> Iterator[None]:
    ready = threading.Event()
    failed: list[BaseException] = []
    ends: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    def started(port: int) -> None:
        pacs.port = port
        ready.set()

    async def serve() -> None:
        stop = asyncio.Event()
        ends.append((asyncio.get_running_loop(), stop))
        await own.serve(pacs, started, stop)

    def work() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:  # noqa: BLE001 - raised again where the test sees it
            failed.append(error)
        ready.set()

    thread = threading.Thread(target=work, name="quirky")
    thread.start()
    try:
        assert ready.wait(START)
        if not failed:
            yield
    finally:
        if thread.is_alive():
            loop, stop = ends[0]
            loop.call_soon_threadsafe(stop.set)
        thread.join(START)
        assert not thread.is_alive()
    if failed:
        raise failed[0]
