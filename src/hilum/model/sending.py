"""How far a Send is that runs in the background, in the words of neither wire."""

from dataclasses import dataclass
from enum import Enum


class State(Enum):
    """What a Send is doing."""

    WAITING = "waiting"
    RUNNING = "running"
    ENDED = "ended"
    """Every sub-operation was tried; the counts say how they went."""
    FAILED = "failed"
    """Nothing arrived, or it broke off."""
    STOPPED = "stopped"
    """Somebody gave it up."""

    @property
    def is_final(self) -> bool:
        """Whether nothing more happens."""
        return self not in {State.WAITING, State.RUNNING}


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One instance that did not arrive.

    Attributes:
        sop_class_uid: "" where it is not known.
        reason: Failure Reason (0008,1197), PS3.18 Table I.2-2.
        comment: the same in words, without patient data.
    """

    sop_instance_uid: str
    sop_class_uid: str = ""
    reason: int
    comment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """How far a Send is.

    Attributes:
        remaining: sub-operations that are still to come, or None where nobody knows.
        failures: the failed ones that can be named; not more than `failed`.
        comment: why it failed, or the first failure in it; without patient data.
    """

    state: State = State.WAITING
    remaining: int | None = None
    completed: int = 0
    failed: int = 0
    warning: int = 0
    failures: tuple[Failure, ...] = ()
    comment: str = ""
