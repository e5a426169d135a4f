"""Is the service fit for work? What is asked about itself, and what was found."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that must be in order.

    Attributes:
        name: "archive", "database", "space", "queue".
        problem: what is wrong, without patient data; "" for nothing.
        mount: which it is about, if one.
    """

    name: str
    problem: str = ""
    mount: str = ""


Inspects = Callable[[], Awaitable[Sequence[Finding]]]
"""Looks at what is ours: databases, room, queues; not at systems elsewhere."""


async def nothing() -> Sequence[Finding]:
    """There is nothing to be looked at."""
    return ()
