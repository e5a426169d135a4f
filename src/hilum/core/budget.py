"""How many bytes do all transfers of this process hold in memory together? Each has a fair share.

Nobody waits for his share: who may take no more puts on disk or sends on what he holds, or reads
no more from his peer until he has. So one that stands still holds up no other.
"""

from collections import deque
from typing import Final

ALL: Final = 16 * 1024 * 1024
"""Bytes in hand, of all transfers."""
LEAST: Final = 64 * 1024
"""Bytes that each may hold, however many there are; or else none would come to its end."""


class Budget:
    """Bytes that may be held, for one event loop.

    Attributes:
        size: how many; beside them each may hold `LEAST`.
        held: how many are.
        most: how many were, since somebody looked.
    """

    __slots__ = ("held", "most", "size")

    def __init__(self, size: int = ALL) -> None:
        self.size = size
        self.held = 0
        self.most = 0

    def looked(self) -> int:
        """The most that was held since the last look."""
        most, self.most = self.most, self.held
        return most


IN_HAND: Final = Budget()
"""That of this process."""


class Share:
    """What one transfer holds of a budget: at most as much as is free, whoever else comes.

    So two of them come to a third of the budget each, and sixty to a sixtieth.

    Attributes:
        held: bytes.
    """

    __slots__ = ("_of", "held")

    def __init__(self, of: Budget = IN_HAND) -> None:
        self._of = of
        self.held = 0

    @property
    def room(self) -> int:
        """Bytes that may be taken now."""
        budget, held = self._of, self.held
        return max((budget.size - budget.held - held) // 2, LEAST - held, 0)

    def take(self, count: int) -> None:
        """Hold so many more; also more than there is room for, where they have come already."""
        budget = self._of
        self.held += count
        budget.held += count
        budget.most = max(budget.most, budget.held)

    def give(self, count: int) -> None:
        """Hold so many less."""
        count = min(count, self.held)
        self.held -= count
        self._of.held -= count

    def close(self) -> None:
        """Give all back."""
        self.give(self.held)


class Outgoing(Share):
    """The share of who gives on piece after piece.

    Each is held until the second behind it is asked for: a connection keeps what it sends longer
    than it keeps its sender waiting.
    """

    __slots__ = ("_going",)

    def __init__(self, of: Budget = IN_HAND) -> None:
        super().__init__(of)
        self._going: deque[int] = deque()

    def gave(self, count: int) -> None:
        """So many of the bytes that were taken are given on."""
        self._going.append(count)
        if len(self._going) > _GOING:
            self.give(self._going.popleft())


_GOING = 2
