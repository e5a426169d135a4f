"""What comes of a record that is played again: what was answered then, and what is now."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Played:
    """One request, and how it was answered.

    Attributes:
        then: status and counts that were recorded; `now` what came this time. None: not played.
        why: of what was not played.
    """

    connection: int
    what: str
    then: dict[str, Any]
    now: dict[str, Any] | None
    why: str = ""

    @property
    def same(self) -> bool | None:
        """Whether it was answered alike; None: it was not played."""
        return None if self.now is None else self.then == self.now


def told(answer: dict[str, Any]) -> str:
    """An answer in a few words."""
    return ", ".join(f"{name} {_short(value)}" for name, value in answer.items())


def _short(value: object) -> object:
    return len(value) if isinstance(value, list) else value
