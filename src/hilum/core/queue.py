"""What is to be done at a far side, and has to outlive us? Errands, kept until they are done."""

import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Protocol

PUBLISH: Final = "publish"
"""Kind of the errands that bring a study to a FHIR server: target is the mount, key its UID."""
SUBSCRIPTION: Final = "subscription"
"""Kind of the errands that tell a subscriber of a study: target is the id of the subscription, key
the study's UID; without a key it is asked whether it takes notifications at all."""
_LONGEST: Final = 3600.0  # seconds between two attempts
_MOST_DOUBLED: Final = 12  # 2**12 is beyond that


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """Something to be done at a far side.

    There is one for each kind, target and key: a newer one takes the place of one that waits, and
    of one that is given up. One that is being done is done to its end, then the newer one. So what
    is about one key is never done twice at a time, and the last word is the last one done.

    Attributes:
        kind: who does it: "publish", "subscription".
        target: for whom: a mount, the id of a subscription.
        key: what it is about, such as a Study Instance UID.
        payload: what else must be known of it; JSON.
    """

    kind: str
    target: str
    key: str
    payload: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """An errand, and what became of it so far. Times are seconds since the epoch.

    Attributes:
        id: by which people name it.
        version: another one for each time that a newer errand took its place.
        attempts: how often it was begun; the one that runs is counted.
        created: when it was asked for, in its last version.
        due: when it may be begun.
        is_dead: it is given up, and stays for people to look at.
        reason: why the last attempt failed; holds no patient data.
        lease: what names the claim by which somebody does it now; "": nobody.
        leased_until: when that ends.
    """

    id: int
    errand: Errand
    version: int
    attempts: int
    created: float
    due: float
    is_dead: bool = False
    reason: str = ""
    lease: str = ""
    leased_until: float = 0.0


class Count(NamedTuple):
    """How many errands there are of one kind, for one target.

    Attributes:
        waiting: those that are not given up, also those that are being done.
        dead: those that are.
        oldest: when the first of those that wait was asked for; None: none waits.
    """

    kind: str
    target: str
    waiting: int
    dead: int
    oldest: float | None


class Queue(Protocol):
    """Keeps errands; what it has answered for is on the disk. All may raise BackendFault."""

    async def put(self, errands: Sequence[Errand], /, *, due: float | None = None) -> None:
        """Keep them, all or none.

        Args:
            errands: of several with one kind, target and key the last one stays.
            due: when they may be begun; None: now.
        """

    async def claim(  # noqa: PLR0913 - that many things are to be said of it
        self,
        kind: str,
        /,
        *,
        by: str,
        lease: float,
        most: int,
        only: Collection[str] | None = None,
        skip: Collection[str] = (),
    ) -> Sequence[Kept]:
        """Take up to `most` that are due, the one that is due longest first.

        Nobody else gets them for `lease` seconds. Whoever dies holding them keeps them until then,
        or until it calls `free`.

        Args:
            kind: of them.
            by: who does them.
            lease: seconds.
            most: in one claim.
            only: targets; None: all.
            skip: targets that none shall be for.
        """

    async def extend(self, leases: Collection[str], lease: float, /) -> None:
        """Hold on to what was claimed, for `lease` seconds from now."""

    async def done(self, kept: Kept, /) -> None:
        """Forget it. Where a newer one came meanwhile, that one stays and can be claimed."""

    async def again(self, kept: Kept, reason: str, due: float, /) -> None:
        """Have it done again, not before `due`; where a newer one came meanwhile, that one."""

    async def bury(self, kept: Kept, reason: str, /) -> None:
        """Give it up; where a newer one came meanwhile, that one is done."""

    async def release(self, kept: Sequence[Kept], /) -> None:
        """Give them back: they were not begun."""

    async def free(self, by: str, /) -> None:
        """Give back all that `by` holds, as it has died."""

    async def expire(self, kind: str, target: str, before: float, reason: str, /) -> int:
        """Give up those that nobody does now and that were asked for before; how many."""

    async def forget(self, kind: str, target: str, /) -> int:
        """Drop all for one target, as it is no more; how many."""

    async def next_due(
        self, kind: str, /, *, only: Collection[str] | None = None, skip: Collection[str] = ()
    ) -> float | None:
        """When the first that nobody does now can be claimed; None: there is none."""

    async def every(
        self,
        *,
        kind: str | None = None,
        target: str | None = None,
        dead: bool | None = None,
        most: int = 1000,
    ) -> Sequence[Kept]:
        """Those of that kind, target and state, in the order in which they are due."""

    async def retry(self, ids: Collection[int], /) -> int:
        """Have them done now, as if they had just been asked for; how many are there."""

    async def drop(self, ids: Collection[int], /) -> int:
        """Forget them; how many were there."""

    async def counts(self) -> Sequence[Count]:
        """How many there are."""


def backoff(attempts: int) -> float:
    """Seconds to wait after so many attempts: more each time, and not the same for all."""
    doubled = float(2 ** min(attempts, _MOST_DOUBLED))
    return min(_LONGEST, doubled) * random.uniform(0.5, 1)  # noqa: S311 - no secret
