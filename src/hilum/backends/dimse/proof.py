"""Has everything come? What a PACS lists is held against what it gives, never its word alone."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from hilum.backends.dimse.requested import Request
from hilum.model.errors import (
    BackendFault,
    BadRequest,
    Forbidden,
    HilumError,
    Incomplete,
    NotOffered,
)
from hilum.model.instance import Listed
from hilum.model.outcome import Progress

_FINAL_WORD: Final = (NotOffered, Forbidden, BadRequest)
"""What a peer would say again."""


class NotKnown(BackendFault):
    """The peer does not know the Move Destination that we are."""


@dataclass(eq=False, slots=True)
class Part:
    """One thing that is asked for, and how that went.

    Attributes:
        request: at the level at which it was asked for.
        listed: what should come, by SOP Instance UID; None where the peer does not list it.
        came: how many instances came for it, where it is not listed.
        told: the counts of the last final response.
        failure: why the last request failed as a whole.
        answered: the last request had a final response.
        turned_away: SOP Instance UIDs of what was sent though it was not asked for.
    """

    request: Request
    listed: Mapping[str, Listed] | None
    came: int = 0
    told: Progress = field(default_factory=Progress)
    failure: HilumError | None = None
    answered: bool = False
    turned_away: set[str] = field(default_factory=set)

    def begin(self) -> None:
        """It is asked for now."""
        self.came, self.told, self.failure, self.answered = 0, Progress(), None, False
        self.turned_away.clear()

    @property
    def short(self) -> int:
        """How many of it did not come, where nothing but the peer's counts tells."""
        if self.listed is not None:
            return 0
        strangers = len(self.turned_away)
        done = self.told.completed + self.told.failed + self.told.warning
        short = max(self.told.failed - strangers, done - strangers - self.came)
        return max(short, 1) if self.failure is not None or not self.answered else short

    @property
    def is_short(self) -> bool:
        """Whether less came than the peer says that it sent, or it says nothing of that."""
        sent = self.told.completed + self.told.warning
        return sent > self.came or not (sent or self.told.failed)


class Proof:
    """All parts of one retrieval, and what came of them.

    Attributes:
        given: SOP Instance UIDs of the instances that their reader has begun with, or will.
    """

    def __init__(self, parts: Iterable[Part]) -> None:
        self.parts = list(parts)
        self.given: set[str] = set()
        self._left = {uid for part in self.parts for uid in part.listed or ()}

    def give(self, uid: str) -> None:
        """One more has come."""
        self.given.add(uid)
        self._left.discard(uid)

    def expects(self, uid: str) -> bool:
        """Whether that instance is listed anywhere."""
        return any(uid in part.listed for part in self.parts if part.listed is not None)

    @property
    def manifest(self) -> list[Listed] | None:
        """Everything that should come; None where that is not known of a part."""
        found: dict[str, Listed] = {}
        for part in self.parts:
            if part.listed is None:
                return None
            found |= part.listed
        return list(found.values())

    def missing(self, part: Part) -> list[Listed]:
        """What of a part is listed and has not come."""
        listed = part.listed or {}
        return [each for uid, each in listed.items() if uid not in self.given]

    @property
    def left(self) -> frozenset[str]:
        """All that is listed and has not come."""
        return frozenset(self._left)

    @property
    def is_complete(self) -> bool:
        """Whether all is here, as far as that is known before the end."""
        return not self._left and all(part.listed is not None for part in self.parts)

    def again(self) -> list[tuple[Part, list[Listed] | None]]:
        """What to ask for once more: the parts of which something is missing, and what.

        Of a part that is not listed it is what the peer said that it failed to send; and None,
        all of it, where the peer was lost in the middle, so that nobody knows what is missing.
        What came before does not come out twice.
        """
        found: list[tuple[Part, list[Listed] | None]] = []
        for part in [*self.parts]:
            if isinstance(part.failure, (*_FINAL_WORD, NotKnown)):
                continue
            if part.listed is None and part.answered:
                part = self._named(part)  # noqa: PLW2901 - instead of the one that it is of
            if part.listed is None:
                if part.failure is not None and not part.answered:
                    found.append((part, None))
            elif missing := self.missing(part):
                found.append((part, missing))
        return found

    def _named(self, part: Part) -> Part:
        """What failed of a part by the peer's own words, as a part of its own."""
        told = part.told
        known = self.given | part.turned_away
        failed = {uid: Listed(uid, "") for uid in told.failed_uids if uid not in known}
        if not failed:
            return part
        named = Part(part.request, failed, failure=told.reason)
        self.parts.append(named)
        self._left |= failed.keys()
        failures = max(told.failed - len(failed), 0)
        part.told = replace(told, failed=failures, failed_uids=())
        if not failures:
            part.failure = None
        return named

    def verdict(self) -> HilumError | None:
        """What is wrong in the end; None: everything came."""
        missing: list[str] = []
        count = 0
        failure: HilumError | None = None
        for part in self.parts:
            uids = [each.sop_instance_uid for each in self.missing(part)]
            if part.listed is None:
                known = self.given | part.turned_away
                uids = [uid for uid in part.told.failed_uids if uid not in known]
            missing += uids
            short = max(len(uids), part.short)
            count += short
            if short:
                failure = failure or part.failure or part.told.reason
        missing = list(dict.fromkeys(missing))
        if not count:
            return None
        if not self.given and failure is not None:
            return failure
        total = self.manifest
        many = f"{count} of {len(total)}" if total is not None else f"{count}"
        text = f"{many} instances did not come"
        return Incomplete(f"{text}: {failure}" if failure else text, tuple(missing), count)
