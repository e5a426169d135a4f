"""What is a metric, before anybody has asked for it? Names, words and numbers, of one process."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import orjson


@dataclass(frozen=True, slots=True)
class Sample:
    """One number.

    Attributes:
        name: of the family, with its suffix: `_total`, `_bucket`, `_sum`, `_count`.
    """

    name: str
    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class Family:
    """All numbers of one metric.

    Attributes:
        name: without a suffix.
        kind: "counter", "gauge", "histogram".
        help: what it counts, in which unit.
    """

    name: str
    kind: str
    help: str
    samples: Sequence[Sample] = field(default_factory=list)


def encode(families: Iterable[Family]) -> bytes:
    """For another worker."""
    return orjson.dumps([*families])


def decode(data: bytes) -> list[Family]:
    """What `encode` gave, with a process of ours."""
    return [
        Family(
            name=each["name"],
            kind=each["kind"],
            help=each["help"],
            samples=[Sample(**sample) for sample in each["samples"]],
        )
        for each in orjson.loads(data)
    ]


def joined(of_workers: Mapping[int, Iterable[Family]]) -> list[Family]:
    """The families of all workers; every number says whose it is, as each counts from its start."""
    found: dict[str, Family] = {}
    samples: dict[str, list[Sample]] = {}
    for number, families in sorted(of_workers.items()):
        for family in families:
            found.setdefault(family.name, family)
            samples.setdefault(family.name, []).extend(
                Sample(each.name, {**each.labels, "worker": str(number)}, each.value)
                for each in family.samples
            )
    return [Family(each.name, each.kind, each.help, samples[each.name]) for each in found.values()]
