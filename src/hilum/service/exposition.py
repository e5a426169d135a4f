"""How is what was counted given to Prometheus? By its library, which is imported when it asks."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from hilum.service.families import Family, Sample


class _Collected:
    """What the library takes for a registry."""

    def __init__(self, families: Iterable[Family]) -> None:
        self._families = families

    def collect(self) -> Iterator[Any]:
        """All families."""
        from prometheus_client.metrics_core import Metric  # noqa: PLC0415 - when somebody asks

        for family in self._families:
            metric = Metric(family.name, family.help, family.kind)
            for each in family.samples:
                metric.add_sample(each.name, dict(each.labels), each.value)
            yield metric


def text(families: Sequence[Family], accept: str) -> tuple[bytes, str]:
    """The text, and its media type, for a client with that Accept header."""
    from prometheus_client.exposition import choose_encoder  # noqa: PLC0415 - when somebody asks

    encoded, kind = choose_encoder(accept)
    return encoded(_Collected(families)), kind


def of_process() -> Iterator[Family]:
    """What the system knows of this process: time, memory, files; nothing on Windows."""
    from prometheus_client import ProcessCollector  # noqa: PLC0415 - when somebody asks

    for metric in ProcessCollector(registry=None).collect():
        samples = [Sample(each.name, each.labels, each.value) for each in metric.samples]
        yield Family(metric.name, metric.type, metric.documentation, samples)
