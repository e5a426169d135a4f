"""What did operations do so far? Counted by mount, peer and kind: names of the configuration only.

Any number of values could come by the wire, and Prometheus would keep each for good.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from hilum.config.schema import Settings
from hilum.core import operations as ops
from hilum.core.records import FAILED, OK, Tally, outcome
from hilum.service.families import Family, Sample

BOUNDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0)
"""Seconds up to which durations are counted together."""
OTHER: Final = "other"
"""The peer that is not in the configuration, as `accept_unknown_callers` lets it in."""


class Key(NamedTuple):
    """What is counted together.

    Attributes:
        door: "dimse" or "http".
        peer: its name in `[peers]`, "other", or "" over HTTP.
    """

    door: str
    mount: str
    peer: str
    operation: str

    @property
    def labels(self) -> dict[str, str]:
        """For Prometheus."""
        return {
            "door": self.door,
            "mount": self.mount,
            "operation": self.operation,
            "peer": self.peer,
        }


@dataclass(slots=True)
class Durations:
    """How long something took, so often.

    Attributes:
        buckets: one for each of `BOUNDS`, and the rest; not summed up.
    """

    buckets: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    total: float = 0.0

    def add(self, seconds: float) -> None:
        """Once more."""
        self.buckets[bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds

    def samples(self, name: str, labels: Mapping[str, str]) -> Iterator[Sample]:
        """As Prometheus has it: each bucket has all that is below it, too."""
        so_far = 0
        for bound, count in zip((*map(str, BOUNDS), "+Inf"), self.buckets, strict=True):
            so_far += count
            yield Sample(f"{name}_bucket", {**labels, "le": bound}, so_far)
        yield Sample(f"{name}_count", labels, so_far)
        yield Sample(f"{name}_sum", labels, self.total)


@dataclass(slots=True)
class _Counts:
    """Of one key; `running` of now, the others of all that has ended."""

    running: int = 0
    matches: int = 0
    instances: int = 0
    failed: int = 0
    size: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    took: Durations = field(default_factory=Durations)


class Counted:
    """Implements `core.records.Records`.

    Attributes:
        running: operations that have begun, and not ended, each with where it is counted: by the
            names that there were when it began.
    """

    def __init__(self, settings: Settings) -> None:
        self.become(settings)
        self._counts: dict[Key, _Counts] = {}
        self.running: dict[Tally, _Counts] = {}

    def become(self, settings: Settings) -> None:
        """Know the names of another configuration from now on; what was counted stays."""
        self._peers = {peer.aet: name for name, peer in settings.peers.items()}
        self._mounts = frozenset(settings.mounts)

    def began(self, tally: Tally, /) -> None:
        """See `core.records.Records`."""
        counts = self.running[tally] = self._of(tally)
        counts.running += 1

    def stored(self, tally: Tally, seconds: float, /) -> None:
        """See `core.records.Records`."""
        self.running[tally].took.add(seconds)

    def ended(self, tally: Tally, error: BaseException | None, /) -> None:
        """See `core.records.Records`."""
        counts = self.running.pop(tally)
        how = outcome(error)
        counts.running -= 1
        counts.outcomes[how] = counts.outcomes.get(how, 0) + 1
        counts.size += tally.size
        if isinstance(tally.operation, ops.Find):
            counts.matches += tally.count
        else:
            counts.instances += tally.count
            counts.failed += tally.failed
        if not isinstance(tally.operation, ops.Store):  # whose instances are timed
            counts.took.add(tally.seconds)

    def _of(self, tally: Tally) -> _Counts:
        operation = tally.operation
        title = operation.who.ae_title
        mount = operation.mount if operation.mount in self._mounts else OTHER
        peer = self._peers.get(title, OTHER) if title else ""
        key = Key("dimse" if title else "http", mount, peer, tally.word)
        counts = self._counts.get(key)
        if counts is None:
            counts = self._counts[key] = _Counts()
        return counts

    def families(self) -> Iterator[Family]:
        """All numbers."""
        every = [(key.labels, counts) for key, counts in self._counts.items()]
        yield Family(
            "hilum_operations",
            "counter",
            "Operations that have ended, and how.",
            [
                Sample("hilum_operations_total", {**labels, "outcome": how}, count)
                for labels, counts in every
                for how, count in counts.outcomes.items()
            ],
        )
        yield Family(
            "hilum_operations_running",
            "gauge",
            "Operations that run now.",
            [
                Sample("hilum_operations_running", labels, counts.running)
                for labels, counts in every
            ],
        )
        yield Family(
            "hilum_operation_seconds",
            "histogram",
            "How long operations took; of storing, each instance.",
            [
                each
                for labels, counts in every
                for each in counts.took.samples("hilum_operation_seconds", labels)
            ],
        )
        yield Family(
            "hilum_instances",
            "counter",
            "Instances that were given, taken or deleted, or failed to be.",
            [
                Sample("hilum_instances_total", {**labels, "outcome": how}, count)
                for labels, counts in every
                for how, count in ((OK, counts.instances), (FAILED, counts.failed))
                if count
            ],
        )
        yield Family(
            "hilum_instance_bytes",
            "counter",
            "Bytes of the data sets of those instances.",
            [
                Sample("hilum_instance_bytes_total", labels, counts.size)
                for labels, counts in every
                if counts.size
            ],
        )
        yield Family(
            "hilum_matches",
            "counter",
            "Answers to queries.",
            [
                Sample("hilum_matches_total", labels, counts.matches)
                for labels, counts in every
                if labels["operation"] == "query"
            ],
        )
