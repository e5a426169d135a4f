"""What is known of a Send that runs in the background, and who keeps it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from hilum.codec.verdict import verdict_on
from hilum.core.operations import Send
from hilum.model.errors import HilumError
from hilum.model.outcome import Progress, Stored
from hilum.model.sending import Failure, Sending, State


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """One Send that was asked for.

    Attributes:
        uid: its Transaction UID (0008,1195), chosen by the client.
        resource: the search resource that it was asked of, below the mount: `studies/1.2/series`.
        asked, changed: seconds since the epoch.
    """

    uid: str
    operation: Send
    resource: str
    sending: Sending = field(default_factory=Sending)
    asked: float = 0.0
    changed: float = 0.0


class SendRecords(Protocol):
    """Keeps what was asked for and how far it is, beyond the end of the process."""

    async def add(self, transaction: Transaction, /) -> None:
        """Keep a new one; returns once a power cut can no longer take it.

        Raises:
            InUse: its UID is taken.
            BackendError: it cannot be kept.
        """

    async def get(self, uid: str, /) -> Transaction | None:
        """The one of that UID.

        Raises:
            BackendError: the records cannot be read.
        """

    async def update(self, transaction: Transaction, /) -> None:
        """Keep what became of one that is there.

        Raises:
            BackendError: it cannot be kept.
        """

    async def unfinished(self) -> Sequence[Transaction]:
        """Those that have not ended, in the order in which they were asked for.

        Raises:
            BackendError: the records cannot be read.
        """

    async def forget(self, before: float, most: int, /) -> None:
        """Remove those that ended before that time, and the oldest of more than `most`.

        Raises:
            BackendError: they cannot be removed.
        """


def under_way(progress: Progress) -> Sending:
    """How far a Send is, from what its broker tells."""
    known = {each.sop_instance_uid: each for each in progress.failures}
    return Sending(
        state=State.RUNNING,
        remaining=progress.remaining,
        completed=progress.completed,
        failed=progress.failed,
        warning=progress.warning,
        failures=tuple(_failure(uid, known.get(uid), progress) for uid in progress.failed_uids),
        comment="" if progress.reason is None else str(progress.reason),
    )


def _failure(uid: str, stored: Stored | None, progress: Progress) -> Failure:
    error = progress.reason or HilumError()
    if stored is not None and stored.failure is not None:
        error = stored.failure
    return Failure(
        sop_instance_uid=uid,
        sop_class_uid="" if stored is None else stored.sop_class_uid,
        reason=int(verdict_on(error).reason),
        comment=str(error),
    )


def ended(last: Sending) -> Sending:
    """How a Send went that told of its last sub-operation; what it left untold has failed."""
    last = replace(last, remaining=0, failed=last.failed + (last.remaining or 0))
    if last.completed + last.warning:
        return replace(last, state=State.ENDED)
    comment = last.comment or ("" if last.failed else "nothing is there any more")
    return replace(last, state=State.FAILED, comment=comment)


def broken(operation: Send, last: Sending, error: HilumError) -> Sending:
    """How a Send went that could not be told to its end: what remained has failed too."""
    failures = last.failures
    if not last.completed + last.warning + last.failed:
        reason, text = int(verdict_on(error).reason), str(error)
        failures = tuple(
            Failure(sop_instance_uid=ref.instance, reason=reason, comment=text)
            for ref in operation.refs
            if ref.instance is not None
        )
    more = max(last.remaining or 0, len(failures) - last.failed, 1)
    return replace(
        last,
        state=State.FAILED,
        remaining=0,
        failed=last.failed + more,
        failures=failures,
        comment=str(error),
    )
