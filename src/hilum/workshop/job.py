"""How do a job and its answer cross the pipe? As pickles: both ends are our own processes."""

import pickle
from collections.abc import Callable
from enum import IntEnum
from struct import Struct
from typing import Final

JOB: Final = Struct("<Qd")
"""Before a job: its length in bytes, and the seconds it may take."""
ANSWER: Final = Struct("<BQQ")
"""Before an answer: its `Kind`, its length in bytes, and how many more lie on the tray."""
MAX_RESULT: Final = 64 * 1024 * 1024  # bytes, in memory twice; what is larger goes through a file


class Kind(IntEnum):
    """What an answer is.

    Members:
        RESULT: what the work returned, pickled.
        REFUSED: the HilumError that it raised, pickled.
        BROKEN: it raised another error; where, as text.
        NO_MEMORY: it ran out of memory; the process ends.
        TOO_LARGE: what it returned is longer than `MAX_RESULT`.
    """

    RESULT = 0
    REFUSED = 1
    BROKEN = 2
    NO_MEMORY = 3
    TOO_LARGE = 4


def job(work: Callable[..., object], args: tuple[object, ...], limit: float) -> bytes:
    """A job as it is written to a process."""
    body = pickle.dumps((work, args), pickle.HIGHEST_PROTOCOL)
    return JOB.pack(len(body), limit) + body


def answer(kind: Kind, value: object, tray: memoryview) -> tuple[bytes, bytes]:
    """An answer as it is written back: its head, and its body.

    Args:
        kind: what it is.
        value: what can be pickled.
        tray: takes the first of the buffers that the value brings, if that fits.
    """
    laid = 0

    def stays(buffer: pickle.PickleBuffer) -> bool:
        """Whether a buffer is pickled with the rest."""
        nonlocal laid
        raw = buffer.raw()
        if laid or not 0 < len(raw) <= len(tray):
            return True
        laid = len(raw)
        tray[:laid] = raw
        return False

    plain = pickle.PickleBuffer(value) if isinstance(value, bytes) else value
    body = pickle.dumps(plain, pickle.HIGHEST_PROTOCOL, buffer_callback=stays)
    if len(body) > MAX_RESULT:
        return answer(Kind.TOO_LARGE, None, tray)
    return ANSWER.pack(kind, len(body), laid), body


def told(body: memoryview, laid: bytes) -> object:
    """The value of an answer, with what lay on the tray."""
    return pickle.loads(body, buffers=[laid])  # noqa: S301 - from our own child
