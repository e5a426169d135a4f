"""Which one is this of several processes? They have one archive together."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Part:
    """One of them.

    Attributes:
        number: from 0.
        parts: how many there are.
    """

    number: int = 0
    parts: int = 1

    @property
    def is_all(self) -> bool:
        """Whether there are no others."""
        return self.parts == 1

    def next(self, number: int) -> int:
        """The first number from that one on that no other part takes."""
        return number + (self.number - number) % self.parts
