"""Work that goes wrong in every way there is; run in processes of the workshop."""

import ctypes
import os
import signal
import sys
import time
from pathlib import Path

from hilum.model.errors import NotAcceptable


def good(number: int) -> int:
    return number * 2


def crash() -> None:
    ctypes.string_at(0)


def devour() -> int:
    kept = []
    while True:
        kept.append(b"x" * 10_000_000)


def sleep(seconds: float) -> None:
    time.sleep(seconds)


def sleep_and_mark(path: str, seconds: float) -> None:
    time.sleep(seconds)
    Path(path).touch()


def refuse() -> None:
    raise NotAcceptable("not these pixels")


def break_down(secret: str) -> None:
    raise ValueError(secret)


def unpicklable() -> object:
    return lambda: None


def large(size: int) -> bytes:
    return bytes(size)


def leave() -> None:
    os._exit(3)


def ask_to_exit() -> None:
    sys.exit(0)


def chatter() -> str:
    os.write(1, b"A patient's name")
    os.write(2, b"A patient's name")
    sys.stdout.write("A patient's name")
    sys.stdout.flush()
    return "said"


def environment() -> dict[str, str]:
    return dict(os.environ)


def pid() -> int:
    return os.getpid()


def interrupted() -> str:
    os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGTERM)
    return "still here"


def allocate(size: int) -> int:
    return len(bytearray(size))


def crash_on(*_: object) -> None:
    crash()


def devour_on(*_: object) -> None:
    devour()


def sleep_on(*_: object) -> None:
    sleep(60)
