"""What is told one by one, and what together? A flood of what is alike must not fill the audit.

The first few of a kind, of one caller and study, are told as they come; those that follow within a
second are counted, and told as one. As long as it goes on, the time they are gathered for doubles.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

from hilum.core.audit import Audits
from hilum.model.audit import Event, Kind, Outcome

EACH: Final = 5
"""Events of a kind that are told one by one before the others are counted."""
FIRST: Final = 1.0  # seconds
LONGEST: Final = 10.0  # seconds; of what a kill takes with it, so much is lost
LONGEST_REFUSED: Final = 60.0  # seconds, of what was refused and so has changed nothing
MOST: Final = 10_000  # kinds, callers and studies that are told apart at a time
MOST_REFUSED: Final = 500
"""Callers whose refusals are told apart at a time: who is refused may be anybody, from anywhere."""

_ALERTS: Final = frozenset((Kind.LOGIN, Kind.NODE, Kind.RESTRICTED))
_ALONE: Final = frozenset(
    (Kind.START, Kind.STOP, Kind.CHANGED, Kind.CONFIGURED, Kind.LOST, Kind.DELETED)
)
_REFUSED: Final = "refused"
_Key = tuple[object, ...]


@dataclass(slots=True)
class _Slot:
    """What is alike.

    Attributes:
        ends: when what is held is told.
        length: seconds that it is held.
        last: of those that are held.
    """

    ends: float
    length: float
    told: int = 0
    last: Event | None = None
    count: int = 0
    instances: dict[str, int] = field(default_factory=dict)

    def hold(self, event: Event) -> None:
        self.last = event
        self.count += event.count
        for sop_class, number in event.instances.items():
            self.instances[sop_class] = self.instances.get(sop_class, 0) + number

    def taken(self) -> Event | None:
        """All that is held, as one."""
        if self.last is None:
            return None
        instances = MappingProxyType(self.instances)
        event = replace(self.last, count=self.count, instances=instances)
        self.last, self.count, self.instances = None, 0, {}
        return event


class Gathering:
    """Tells `audits` of events; `tick` must be called several times a second.

    Args:
        audits: is told in the end.
        clock: monotonic, in seconds.
    """

    def __init__(self, audits: Audits, clock: Callable[[], float] = time.monotonic) -> None:
        self._audits = audits
        self._clock = clock
        self._slots: dict[_Key, _Slot] = {}
        self._refused = 0

    def __call__(self, event: Event) -> None:
        if event.kind in _ALONE:
            self._audits(event)
            return
        key = self._key(event)
        slot = self._slots.get(key)
        if slot is None:
            if len(self._slots) >= MOST and key[0] is not _REFUSED:
                self._audits(event)
                return
            slot = self._slots[key] = _Slot(self._clock() + FIRST, FIRST)
            self._refused += key[0] is _REFUSED
        if slot.told < EACH:
            slot.told += 1
            self._audits(event)
        else:
            slot.hold(event)

    def tick(self, *, last: bool = False) -> None:
        """Tell of what was gathered for long enough.

        Args:
            last: of everything, as nothing more comes.
        """
        now = self._clock()
        for key, slot in [*self._slots.items()]:
            if now < slot.ends and not last:
                continue
            held = slot.taken()
            if held is None:
                del self._slots[key]
                self._refused -= key[0] is _REFUSED
                continue
            self._audits(held)
            longest = LONGEST_REFUSED if key[0] is _REFUSED else LONGEST
            slot.length = min(2 * slot.length, longest)
            slot.ends = now + slot.length

    def _key(self, event: Event) -> _Key:
        who = event.who
        if event.kind in _ALERTS and event.outcome is not Outcome.SUCCESS:
            # By what is proven: whatever else a caller says may be another each time.
            key: _Key = (_REFUSED, event.kind, who.address, who.name if who.is_known else "")
            if self._refused >= MOST_REFUSED and key not in self._slots:
                return _REFUSED, event.kind
            return key
        caller = who.name or who.ae_title, who.address
        what = event.kind, event.outcome, event.action, event.mount, event.study, event.to
        return *what, caller, tuple(event.keys.items())
