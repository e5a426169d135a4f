import pytest
from pydantic import SecretStr
from tests.service.receiver import receiver

from hilum.config.watching import TelemetrySettings
from hilum.core import correlation
from hilum.core import operations as ops
from hilum.core.correlation import Correlation, traced, within
from hilum.core.records import Tally
from hilum.model.errors import BackendTimeout
from hilum.model.identity import Level
from hilum.model.principal import Principal, Proof
from hilum.model.query import Query
from hilum.service.spans import exporting

pytest.importorskip("opentelemetry.exporter.otlp.proto.http")
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
FIND = ops.Find(
    mount="PACS",
    request_id="abc",
    who=Principal("alice", Proof.TOKEN),
    query=Query(level=Level.STUDY, match={(0x00100010,): "Doe^Jane"}),  # type: ignore[dict-item] # as it comes
)


def test_operations_of_a_request_are_spans_of_its_trace_and_say_nothing_of_a_patient() -> None:
    proto = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2")
    unwanted = Correlation("not sampled")
    traced(unwanted, f"00-{TRACE}-{PARENT}-00")
    one, untraced = Correlation("abc"), Correlation("def")
    traced(one, f"00-{TRACE}-{PARENT}-01")
    with receiver() as collector:
        settings = TelemetrySettings(
            otlp=f"http://127.0.0.1:{collector.port}",
            otlp_headers={"authorization": SecretStr("Bearer secret")},
        )
        with exporting(settings) as spans:
            for request in (one, unwanted, untraced):
                with within(request):
                    tally = Tally(FIND, count=2)
                    spans.began(tally)
                    spans.ended(tally, None)
                    spans.ended(Tally(FIND), BackendTimeout("the PACS did not answer"))
            assert correlation.now().headers() == {}
        sent = collector.sent.get(timeout=60)
    assert sent.path == "/v1/traces"
    assert sent.headers["authorization"] == "Bearer secret"
    assert b"Doe" not in sent.body
    assert b"alice" not in sent.body
    [resource] = proto.ExportTraceServiceRequest.FromString(sent.body).resource_spans
    names = {each.key: each.value.string_value for each in resource.resource.attributes}
    assert names["service.name"] == "hilum"
    first, second, third, _ = resource.scope_spans[0].spans
    assert first.trace_id.hex() == second.trace_id.hex() == TRACE
    assert (first.span_id.hex(), first.parent_span_id.hex()) == (one.span, PARENT)
    assert second.parent_span_id.hex() == one.span
    assert (first.name, first.status.code, second.status.code) == ("query PACS", 1, 2)
    said = {each.key: each.value for each in first.attributes}
    assert said["hilum.request_id"].string_value == "abc"
    assert said["hilum.matches"].int_value == 2
    assert third.trace_id.hex() == untraced.trace  # which a system elsewhere is told
    assert untraced.headers()["traceparent"].endswith("-01")
