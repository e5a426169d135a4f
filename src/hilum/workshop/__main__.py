"""A process of the workshop: it does one job after the other until nobody is there any more.

What a codec may do to it stays here: it crashes, exhausts memory or never ends in a process of
its own, which holds no key, no connection and nothing of any other job.
"""

import os
import pickle
import signal
import sys
import traceback
from collections.abc import Sequence
from typing import BinaryIO

from hilum.model.errors import HilumError
from hilum.workshop.job import JOB, Kind, answer
from hilum.workshop.tray import reached

NICENESS = 5  # the broker, which answers everybody, goes first
ORPHANED = 5.0  # seconds past its limit after which a job ends even if nobody is there to end it


def main() -> None:
    """Work until standard input ends."""
    _bounded(int(sys.argv[1]))
    tray = reached(int(sys.argv[2]))
    jobs, answers = sys.stdin.buffer, os.dup(1)
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)  # libraries print there, and what they print may be a patient's
    os.dup2(quiet, 2)
    while head := jobs.read(JOB.size):
        length, limit = JOB.unpack(head)
        _alarm(limit + ORPHANED)
        kind, value = _done(jobs, length)
        try:
            parts = answer(kind, value, tray)
        except MemoryError:
            kind, parts = Kind.NO_MEMORY, answer(Kind.NO_MEMORY, None, tray)
        except Exception:  # noqa: BLE001 - a result that cannot be pickled; told, not hidden
            parts = answer(Kind.BROKEN, _where(), tray)
        _write(answers, parts)
        if kind == Kind.NO_MEMORY:
            break
        del value, parts
        _alarm(0)


def _done(jobs: BinaryIO, length: int) -> tuple[Kind, object]:
    """What one job comes to."""
    try:
        work, args = pickle.loads(jobs.read(length))  # noqa: S301 - from our own parent
        return Kind.RESULT, work(*args)
    except HilumError as error:
        return Kind.REFUSED, error.with_traceback(None)
    except MemoryError:
        return Kind.NO_MEMORY, None
    except Exception:  # noqa: BLE001 - told to the parent, who logs it
        return Kind.BROKEN, _where()


def _where() -> str:
    """Where an error arose, without its text, which may hold a patient's data."""
    kind, _, trace = sys.exc_info()
    name = "" if kind is None else kind.__name__
    return "".join(traceback.format_tb(trace)) + name


def _write(out: int, parts: Sequence[bytes]) -> None:
    """Write parts together: whoever waits for them wakes up once."""
    rest = [memoryview(part) for part in parts]
    while rest:
        done = os.write(out, rest[0]) if sys.platform == "win32" else os.writev(out, rest)
        while rest and done >= len(rest[0]):
            done -= len(rest.pop(0))
        if rest:
            rest[0] = rest[0][done:]


def _alarm(seconds: float) -> None:
    """End this process then, whatever it is doing; 0: do not."""
    if sys.platform != "win32":
        signal.setitimer(signal.ITIMER_REAL, seconds)


def _bounded(memory: int) -> None:
    """Set what this process may use, and leave its end to its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # both reach every process of a terminal or
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # service, while the parent still needs us
    if sys.platform == "win32":
        return
    import resource  # noqa: PLC0415 - not on Windows

    # Of Linux the data: a file that is mapped to be read may be larger than all memory.
    kind = resource.RLIMIT_DATA if sys.platform == "linux" else resource.RLIMIT_AS
    for what, wish in ((kind, memory), (resource.RLIMIT_CORE, 0)):
        hard = resource.getrlimit(what)[1]
        most = wish if hard == resource.RLIM_INFINITY else min(wish, hard)
        resource.setrlimit(what, (most, most))
    os.nice(NICENESS)


if __name__ == "__main__":
    main()
