"""Does somebody ask too much? What each caller may still ask fills up as time goes by."""

import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from hilum.config.limits import LimitSettings
from hilum.model.errors import TooMany
from hilum.model.principal import Principal
from hilum.net.fair import together

MOST: Final = 10_000
"""Callers that are remembered; beyond that those go first that did not ask for long."""


@dataclass(slots=True)
class _Left:
    """What one caller may still ask; below zero it has asked too much.

    Attributes:
        at: when that was so, in seconds of the monotonic clock.
    """

    requests: float
    size: float
    at: float


class Rates:
    """Counts requests and bytes of callers, as far as there are limits."""

    def __init__(self, settings: LimitSettings) -> None:
        self._callers: OrderedDict[str, _Left] = OrderedDict()
        self.become(settings)

    def become(self, settings: LimitSettings) -> None:
        """Hold to other limits from now on; what each has asked is remembered."""
        self._requests = settings.requests_per_second
        self._size = settings.bytes_per_second
        self._burst = settings.burst

    @property
    def are_set(self) -> bool:
        """Whether there is any limit."""
        return self._requests is not None or self._size is not None

    @property
    def counts_bytes(self) -> bool:
        """Whether `spent` means anything."""
        return self._size is not None

    def asked(self, who: Principal) -> None:
        """Count a request.

        Raises:
            TooMany: it is too much; then it is not counted.
        """
        if not self.are_set:
            return
        left = self._of(who)
        late = 0.0
        if self._requests is not None and left.requests < 1:
            late = (1 - left.requests) / self._requests
        if self._size is not None and left.size <= 0:
            late = max(late, (1 - left.size) / self._size)
        if late > 0:
            raise TooMany("this caller asks too much; come again later", late)
        left.requests -= 1

    def spent(self, who: Principal, size: int) -> None:
        """Count bytes that went to or came from a caller."""
        if self._size is not None:
            self._of(who).size -= size

    def _of(self, who: Principal) -> _Left:
        """What a caller may ask now."""
        now = time.monotonic()
        most = max((self._requests or 0) * self._burst, 1.0)
        most_size = (self._size or 0) * self._burst
        key = _key(who)
        left = self._callers.get(key)
        if left is None:
            left = self._callers[key] = _Left(most, most_size, now)
            if len(self._callers) > MOST:
                self._callers.popitem(last=False)
            return left
        self._callers.move_to_end(key)
        passed, left.at = now - left.at, now
        left.requests = min(left.requests + passed * (self._requests or 0), most)
        left.size = min(left.size + passed * (self._size or 0), most_size)
        return left


def _key(who: Principal) -> str:
    """Who is counted together: one name, else one address; of IPv6 one network, as homes have."""
    if who.is_known and who.name:
        return f"{who.proof} {who.name}"
    return together(who.address)
