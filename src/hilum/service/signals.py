"""Who may stop the service? SIGTERM, SIGINT, and their likes on Windows; and what SIGHUP does."""

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_NAMES = ("SIGTERM", "SIGINT", "SIGBREAK")  # SIGBREAK only on Windows


@contextmanager
def stops(stop: asyncio.Event, enough: Callable[[], object]) -> Iterator[None]:
    """Within the block the first signal sets `stop`; a second one calls `enough`."""
    loop = asyncio.get_running_loop()

    def asked() -> None:
        if stop.is_set():
            enough()
        stop.set()

    def handle(_number: int, _frame: object) -> None:
        loop.call_soon_threadsafe(asked)

    before = {
        number: signal.signal(number, handle)
        for number in (getattr(signal, name, None) for name in _NAMES)
        if number is not None
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def hangs_up(called: Callable[[], object]) -> Iterator[None]:
    """Within the block SIGHUP, where there is one, calls `called` in the running loop."""
    number = getattr(signal, "SIGHUP", None)
    if number is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    before = signal.signal(number, lambda *_: loop.call_soon_threadsafe(called))
    try:
        yield
    finally:
        signal.signal(number, before)
