"""Follows a C-GET or C-MOVE, and tells how it went."""

import sys

from rich.progress import Progress as Bar

from hilum.backends.dimse.retrieve import Retrieval
from hilum.cli.scu.ending import printable
from hilum.model.errors import HilumError

SHOWN = 10  # UIDs of failed instances that a person sees


async def follow(retrieval: Retrieval, shown: Bar) -> None:
    """Read all of it, moving the bar.

    Raises:
        HilumError: as the retrieval.
    """
    task = shown.add_task("instances", total=None)
    try:
        async for now in retrieval:
            done = now.completed + now.failed + now.warning
            shown.update(task, completed=done, total=done + (now.remaining or 0) or None)
    except HilumError:
        if retrieval.comment:
            print(f"the peer's comment: {printable(retrieval.comment)}", file=sys.stderr)
        raise


def lines(retrieval: Retrieval) -> list[str]:
    """What did not go well, for people; each line with its end."""
    now = retrieval.progress
    found = []
    if now.warning:
        found.append(f"{now.warning} with a warning\n")
    if now.failed:
        found.append(f"{now.failed} failed: {now.reason}\n")
        found += [f"  {uid}\n" for uid in now.failed_uids[:SHOWN]]
        if len(now.failed_uids) > SHOWN:
            found.append(f"  and {len(now.failed_uids) - SHOWN} more\n")
    if retrieval.comment:
        found.append(f"the peer's comment: {printable(retrieval.comment)}\n")
    return found


def as_json(retrieval: Retrieval) -> dict[str, object]:
    """How it went, for programs."""
    now = retrieval.progress
    return {
        "status": None if retrieval.status is None else f"{retrieval.status:04X}",
        "completed": now.completed,
        "failed": now.failed,
        "warning": now.warning,
        "remaining": now.remaining,
        "failed_uids": list(now.failed_uids),
        "reason": None if now.reason is None else str(now.reason),
        "comment": retrieval.comment,
    }
