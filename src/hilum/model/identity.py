"""Names of things: levels of the Query/Retrieve models, UIDs, and references to objects."""

import re
from dataclasses import dataclass
from enum import Enum

_UID = re.compile(r"[0-9]+(\.[0-9]+)*")
MAX_UID = 64  # characters, PS3.5 §9.1


class Level(Enum):
    """Query/Retrieve Level (0008,0052), PS3.4 §C.6.1.1 and §C.6.2.1."""

    PATIENT = "PATIENT"
    STUDY = "STUDY"
    SERIES = "SERIES"
    IMAGE = "IMAGE"

    __hash__ = object.__hash__  # it is asked for often, and Enum's own is written in Python


def is_uid(text: str) -> bool:
    """Whether `text` can stand as a UID: at most 64 digits and dots (PS3.5 §9.1).

    Lenient in one point: components with leading zeros occur in the field and pass.
    """
    return len(text) <= MAX_UID and _UID.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Ref:
    """A patient, a study, a series or one instance, by its unique keys.

    The keys above the deepest one may be None where the caller does not know them
    (a C-MOVE at IMAGE level by SOP Instance UID alone, relational retrieval).
    """

    study: str | None = None
    series: str | None = None
    instance: str | None = None
    patient: str | None = None

    @property
    def level(self) -> Level:
        """The level of the deepest key that is given."""
        if self.instance is not None:
            return Level.IMAGE
        if self.series is not None:
            return Level.SERIES
        return Level.STUDY if self.study is not None else Level.PATIENT
