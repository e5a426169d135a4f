"""What is done to the index, and what becomes of it."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal

from hilum.backends.archive.files import Files
from hilum.backends.archive.index import Index, Row
from hilum.backends.archive.record import Entry
from hilum.core.changes import Change
from hilum.model.errors import HilumError
from hilum.model.identity import Ref

log = logging.getLogger(__name__)

Policy = Literal["keep", "replace", "reject"]


class Fate(Enum):
    """What became of an entry."""

    KEPT = "kept"
    ALIKE = "alike"
    """There is a row whose data set may be the same: compare the bytes."""
    REFUSED = "refused"
    """There is a row with another data set, and it stays."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an entry.

    Attributes:
        there: the row that was there before; with `KEPT`, the one that was replaced.
        durable: whether a replacement has reached the disk; else neither file may go.
        damaged: the file of the row that was there is gone or cut.
        astray: it names another patient than its study has, and is filed with its study.
    """

    fate: Fate
    there: Row | None = None
    durable: bool = True
    damaged: bool = False
    astray: bool = False


@dataclass(slots=True)
class Job:
    """An entry on its way into the index.

    Attributes:
        compared: the file of a row that is known to be another data set, though alike.
    """

    entry: Entry
    compared: int = 0
    outcome: Outcome | HilumError | None = field(default=None, init=False)

    @property
    def is_kept(self) -> bool:
        """Whether there is a row of it now."""
        return isinstance(self.outcome, Outcome) and self.outcome.fate is Fate.KEPT

    @property
    def takes_files(self) -> bool:
        """Whether a file goes for it."""
        return (
            isinstance(self.outcome, Outcome)
            and self.outcome.fate is Fate.KEPT
            and self.outcome.there is not None
        )


@dataclass(slots=True)
class Removal:
    """A study, series or instance on its way out of the index.

    Attributes:
        outcome: the files that have no row any more.
    """

    ref: Ref
    outcome: list[int] | HilumError | None = field(default=None, init=False)

    @property
    def is_kept(self) -> bool:
        """It leaves no row."""
        return False

    @property
    def takes_files(self) -> bool:
        """Whether files go for it."""
        return isinstance(self.outcome, list) and self.outcome != []


@dataclass(slots=True)
class Settling:
    """Changes of which everybody was told.

    Attributes:
        outcome: True, once they are forgotten.
    """

    changes: Sequence[Change]
    outcome: bool | HilumError | None = field(default=None, init=False)

    @property
    def is_kept(self) -> bool:
        """It leaves no row."""
        return False

    @property
    def takes_files(self) -> bool:
        """No file goes for it; where a crash undoes it, they are told again."""
        return False


Work = Job | Removal | Settling


def settle(index: Index, files: Files, entry: Entry, policy: Policy, compared: int = 0) -> Outcome:
    """Write an entry, or say why not; within a transaction.

    A row whose file is gone does not stand in the way, whatever the policy.
    """
    if index.add(entry):
        return Outcome(Fate.KEPT, astray=index.is_astray(entry))
    there = index.find(entry.sop_instance_uid)
    if there is None:
        raise LookupError("the index has lost a row")
    whole = files.is_there(there.file, there.size)
    if whole and there.alike(entry) and there.file != compared:
        return Outcome(Fate.ALIKE, there)
    if whole and policy != "replace":
        return Outcome(Fate.REFUSED, there)
    if not whole:
        log.error("%s is gone or cut; its instance was sent again", files.path(there.file))
    index.drop(there.file)
    index.add(entry)
    return Outcome(Fate.KEPT, there, damaged=not whole, astray=index.is_astray(entry))
