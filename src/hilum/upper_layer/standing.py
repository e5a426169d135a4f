"""How does an association stand, how long may its peer be silent, and what ends it? Values only."""

from dataclasses import dataclass
from enum import Enum, auto

from hilum.model.errors import BackendUnavailable


class AssociationLost(BackendUnavailable):
    """The association ended before it was released."""


class AssociationRejected(BackendUnavailable):
    """The peer does not want the association (PS3.8 Table 9-21)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long a peer may be silent, in seconds.

    Attributes:
        acse: for an A-ASSOCIATE or A-RELEASE to come (ARTIM, PS3.8 §9.1.5).
        message: in the middle of a message, for a response, and to take what we send.
        idle: between two requests.
    """

    acse: float = 30.0
    message: float = 60.0
    idle: float = 600.0


class State(Enum):
    """Where the association stands (PS3.8 §9.2.1), states of one meaning put together."""

    WAITING = auto()  # for the A-ASSOCIATE: Sta2, Sta5
    DECIDING = auto()  # the acceptor's user has it: Sta3
    OPEN = auto()  # Sta6, and Sta8 when the peer asked for release
    RELEASING = auto()  # we asked for release: Sta7
    CLOSING = auto()  # the last PDU is out: Sta13
    LOST = auto()  # Sta1


OVER = (State.CLOSING, State.LOST)
"""In which nothing more is said; made once, as to look up members of an Enum takes its time."""
