import os
import subprocess
import sys

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parsed_open
from prometheus_client.parser import text_string_to_metric_families as parsed

from hilum.service.exposition import of_process, text
from hilum.service.families import Family, Sample

FAMILIES = [
    Family("a", "counter", "How\nmany.", [Sample("a_total", {"mount": 'O"NE\n'}, 2.5)]),
    Family(
        "b_seconds",
        "histogram",
        "How long.",
        [
            Sample("b_seconds_bucket", {"le": "0.1"}, 1),
            Sample("b_seconds_bucket", {"le": "+Inf"}, 2),
            Sample("b_seconds_count", {}, 2),
            Sample("b_seconds_sum", {}, 5.0),
        ],
    ),
]


def test_prometheus_reads_what_was_counted() -> None:
    data, kind = text(FAMILIES, "")
    assert kind.startswith("text/plain; version=")
    [counter, histogram] = parsed(data.decode())
    assert counter.samples[0].labels == {"mount": 'O"NE\n'}
    assert (counter.samples[0].value, histogram.type) == (2.5, "histogram")
    data, kind = text(FAMILIES, "application/openmetrics-text; version=1.0.0")
    assert kind.startswith("application/openmetrics-text")
    assert len([*parsed_open(data.decode())]) == 2


def test_libraries_that_only_some_need_are_not_imported_at_start() -> None:
    program = (
        "import sys, hilum.app, hilum.frontends.dicomweb.app, hilum.frontends.admin.app\n"
        "print({'prometheus_client', 'opentelemetry', 'sentry_sdk'} & {*sys.modules})"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout == "set()\n"


@pytest.mark.skipif(os.name == "nt", reason="there is no /proc")
def test_the_system_knows_how_much_memory_the_process_has() -> None:
    values = {each.name: each.value for family in of_process() for each in family.samples}
    assert values["process_resident_memory_bytes"] > 10**6
