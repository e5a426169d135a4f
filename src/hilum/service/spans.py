"""How do operations come into traces? As spans of OpenTelemetry, sent in batches by its library.

Its tracers are not used: which request a thing is done for is known here already (see
`core.correlation`), also where there is no library.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from random import getrandbits
from typing import Any, Final
from urllib.parse import urlsplit

import hilum
from hilum.config.watching import TelemetrySettings
from hilum.core import correlation
from hilum.core.records import FAILED, Tally, why
from hilum.core.summary import described

TIMEOUT: Final = 5.0  # seconds that the collector may take, also as the service stops
_SAMPLED: Final = 1
_LEFT_OUT: Final = frozenset(("milliseconds", "who"))


class Spans:
    """Implements `core.records.Records`.

    Args:
        processor: takes spans that have ended (`BatchSpanProcessor`).
    """

    def __init__(self, processor: Any) -> None:  # noqa: ANN401 - of a library that may not be there
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - where it is wanted

        named = {"service.name": "hilum", "service.version": hilum.__version__}
        self._resource = Resource.create(named)
        self._processor = processor

    def began(self, _tally: Tally, /) -> None:
        """See `core.records.Records`: a request that is in no trace begins one."""
        now = correlation.now()
        if now.request_id and not now.trace:
            now.trace, now.flags = f"{getrandbits(128) | 1:032x}", "01"

    def stored(self, _tally: Tally, _seconds: float, /) -> None:
        """They are of one span."""

    def ended(self, tally: Tally, error: BaseException | None, /) -> None:
        """See `core.records.Records`."""
        from opentelemetry.sdk.trace import ReadableSpan  # noqa: PLC0415 - as above
        from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags  # noqa: PLC0415 - as above

        now = correlation.now()
        flags = TraceFlags(int(now.flags, 16) if now.trace else _SAMPLED)
        if not flags.sampled:  # who began the trace does not want it
            return
        trace = int(now.trace, 16) if now.trace else getrandbits(128) | 1
        first, now.spanned = not now.spanned, True
        span = int(now.span, 16) if first and now.trace else getrandbits(64) | 1
        above = now.parent if first else now.span
        fields = described(tally, error)
        end = time.time_ns()
        status = Status(StatusCode.OK)
        if fields["outcome"] == FAILED:
            status = Status(StatusCode.ERROR, why(error))
        self._processor.on_end(
            ReadableSpan(
                name=f"{tally.word} {tally.operation.mount}",
                context=SpanContext(trace, span, is_remote=False, trace_flags=flags),
                parent=SpanContext(trace, int(above, 16), is_remote=first) if above else None,
                resource=self._resource,
                kind=SpanKind.SERVER,
                status=status,
                attributes=_attributes(fields, tally.operation.request_id),
                start_time=end - int(tally.seconds * 1e9),
                end_time=end,
            )
        )


def _attributes(fields: Mapping[str, Any], request_id: str) -> dict[str, Any]:
    said = {f"hilum.{name}": each for name, each in fields.items() if name not in _LEFT_OUT}
    return {"hilum.request_id": request_id, **said}


@contextmanager
def exporting(settings: TelemetrySettings) -> Iterator[Spans]:
    """Spans that go to the collector of the settings, until the block is left; then the last ones.

    Raises:
        ImportError: the library is not there.
    """
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - as above
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - as above

    url = settings.otlp or ""
    if urlsplit(url).path in {"", "/"}:
        url = url.rstrip("/") + "/v1/traces"
    headers = {
        name: value if isinstance(value, str) else value.get_secret_value()
        for name, value in settings.otlp_headers.items()
    }
    processor = BatchSpanProcessor(
        OTLPSpanExporter(endpoint=url, headers=headers, timeout=TIMEOUT),
        export_timeout_millis=TIMEOUT * 1000,
    )
    try:
        yield Spans(processor)
    finally:
        processor.shutdown()  # type: ignore[no-untyped-call] # the library
