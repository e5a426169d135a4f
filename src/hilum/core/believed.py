"""What was just found out, and is believed for a moment without looking again."""

import time
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Believed(Generic[Key, Value]):
    """Values by their keys, each for so long; beyond `most` the oldest are forgotten.

    Attributes:
        seconds: for which one is believed.
        most: that are believed at the same time.
    """

    def __init__(self, seconds: float, most: int) -> None:
        self.seconds = seconds
        self.most = most
        self._known: OrderedDict[Key, tuple[float, Value]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def get(self, key: Key) -> Value | None:
        """What is believed; None: look."""
        since, value = self._known.get(key, (0.0, None))
        if value is None:
            return None
        if time.monotonic() - since < self.seconds:
            return value
        del self._known[key]
        return None

    def put(self, key: Key, value: Value, since: float) -> None:
        """Believe what was found out by a look that began at `since`, of time.monotonic."""
        self._known[key] = since, value
        self._known.move_to_end(key)
        while len(self._known) > self.most:
            self._known.popitem(last=False)

    def forget(self, key: Key) -> None:
        """Look, the next time."""
        self._known.pop(key, None)

    def clear(self) -> None:
        """Look at everything, the next time."""
        self._known.clear()
