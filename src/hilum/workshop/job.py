"""How do a job and its answer cross the pipe? As pickles: both ends are our own processes."""

import pickle
from collections.abc import Callable
from enum import IntEnum
from struct import Struct
from typing import Final

JOB: Final = Struct("<Qd")
"""Before a job: its length in bytes, and the seconds it may take."""
ANSWER: Final = Struct("<BQ")
"""Before an answer: its `Kind`, and its length in bytes."""
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


def answer(kind: Kind, value: object) -> tuple[bytes, bytes]:
    """An answer as it is written back: its head, and its body."""
    body = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    if len(body) > MAX_RESULT:
        return answer(Kind.TOO_LARGE, None)
    return ANSWER.pack(kind, len(body)), body
