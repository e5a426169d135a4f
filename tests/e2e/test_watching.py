"""Who looks after the service sees what it does: by the door of administrators, and in the log."""

import json
import os
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import httpx
import pydicom
import pytest
from prometheus_client.parser import text_string_to_metric_families
from pynetdicom import AE
from pynetdicom.sop_class import (  # type: ignore[attr-defined]  # made at import time
    StudyRootQueryRetrieveInformationModelFind as StudyRootFind,
)
from tests import peers, samples
from tests.contract.made import made
from tests.e2e.carried import SUCCESS, associated, encoded, meta, send
from tests.e2e.hooked import until
from tests.quirky import quirky

WORKERS = 1 if os.name == "nt" else 2
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
STORED = samples.GOOD[:12]
NAMED = (0x00100010, 0x00100020, 0x00100030, 0x00080050)


@dataclass
class Origin:
    """A system that speaks DICOMweb and has nothing; what it was asked for."""

    url: str
    asked: list[dict[str, str]] = field(default_factory=list)


@contextmanager
def origin() -> Iterator[Origin]:
    found = Origin("")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.asked.append({name.lower(): value for name, value in self.headers.items()})
            self.send_response(200)
            self.send_header("Content-Type", "application/dicom+json")
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"[]")

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer((peers.HOST, 0), Handler) as server:
        found.url = f"http://{peers.HOST}:{server.server_address[1]}"
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield found
        finally:
            server.shutdown()
            thread.join()


@dataclass
class Place:
    """A broker with three mounts, and what stands behind one of them."""

    broker: peers.Hilum
    cloud: Origin

    @property
    def admin(self) -> httpx.Client:
        """A client at the door of administrators."""
        found = re.search(r"^  Admin +(http\S+)$", self.broker.said, re.MULTILINE)
        assert found is not None
        return httpx.Client(base_url=found[1], timeout=60)

    @property
    def lines(self) -> list[dict[str, object]]:
        """The log, as far as lines have ended."""
        said = self.broker.said.rpartition("\n")[0].splitlines()
        return [json.loads(each) for each in said if each.startswith("{")]

    def line(self, **fields: object) -> dict[str, object]:
        """The one that has these, which is written after the client has its answer."""
        until(lambda: self._found(fields))
        [found] = self._found(fields)
        return found

    def _found(self, fields: Mapping[str, object]) -> list[dict[str, object]]:
        return [each for each in self.lines if fields.items() <= each.items()]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with quirky([made(1), made(2)]) as pacs, origin() as cloud:
        config = peers.configuration(
            peers={"PYNETDICOM": 104},
            more=(
                "[admin]\nenabled = true\nport = 0\n"
                '[logging]\nformat = "json"\nlevels = { upper_layer = "debug" }\n'
                f'[mounts.PACS]\nbackend = "dimse"\naet = "QUIRKY"\nhost = "127.0.0.1"\n'
                f"port = {pacs.port}\n"
                f'[mounts.CLOUD]\nbackend = "dicomweb"\nurl = "{cloud.url}"\n'
            ),
        ).replace("[server]", f"[server]\nworkers = {WORKERS}")
        with peers.hilum(tmp_path_factory.mktemp("watched"), config) as hilum:
            yield Place(hilum, cloud)


def metrics(place: Place) -> dict[str, list[tuple[dict[str, str], float]]]:
    """Labels and value of each sample, by its name."""
    with place.admin as admin:
        answer = admin.get("/metrics")
    assert answer.status_code == 200, answer.text
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(answer.text):
        for each in family.samples:
            found.setdefault(each.name, []).append((dict(each.labels), each.value))
    return found


def total(place: Place, name: str, **labels: str) -> float:
    """The sum of all that has those labels."""
    samples = metrics(place).get(name, [])
    return sum(value for found, value in samples if labels.items() <= found.items())


def find(place: Place, title: str) -> None:
    """A C-FIND, to a good end."""
    ae = AE("PYNETDICOM")
    ae.add_requested_context(StudyRootFind)
    association = ae.associate(peers.HOST, place.broker.port, ae_title=title)
    assert association.is_established
    query = pydicom.Dataset()
    query.QueryRetrieveLevel, query.StudyInstanceUID = "STUDY", "1.2.3"
    assert [status.Status for status, _ in association.send_c_find(query, StudyRootFind, 77)] == [0]
    association.release()


@pytest.mark.skipif(os.name == "nt", reason="there is one worker")
def test_the_numbers_of_all_workers_are_told_together(place: Place) -> None:
    told = metrics(place)
    assert {labels["worker"] for labels, _ in told["hilum_info"]} == {"0", "1"}
    assert len(told["process_resident_memory_bytes"]) == WORKERS
    assert {labels["mount"] for labels, _ in told["hilum_pool_size"]} == {"PACS"}
    assert {labels["mount"] for labels, _ in told["hilum_archive_bytes"]} == {"ARCHIVE"}
    assert {labels["mount"] for labels, _ in told["hilum_cache_bytes"]} == {"PACS", "CLOUD"}


def test_it_is_ready_at_both_doors(place: Place) -> None:
    with place.admin as admin:
        for root in (place.broker.root, str(admin.base_url)):
            for path in ("/livez", "/readyz"):
                answer = httpx.get(root.rstrip("/") + path, timeout=60)
                assert (answer.status_code, answer.json()["status"]) == (200, "healthy")
        told = admin.get("/readyz?verbose").json()
    assert told["mounts"]["ARCHIVE"]["status"] == "healthy"
    assert set(told["checks"]) == {"archive ARCHIVE", "database", "space", "queue"}


def test_a_request_by_http_goes_by_its_name_to_a_pacs_and_to_an_origin(place: Place) -> None:
    parent = f"00-{TRACE}-00f067aa0ba902b7-01"
    headers = {"X-Request-ID": "one-of-ours", "traceparent": parent}
    for mount in ("PACS", "CLOUD"):
        url = f"{place.broker.root}/aets/{mount}/studies?PatientID=P1"
        answer = httpx.get(url, headers=headers, timeout=60)
        assert (answer.status_code, answer.headers["X-Request-ID"]) == (200, "one-of-ours")
    asked = place.cloud.asked[-1]
    assert asked["x-request-id"] == "one-of-ours"
    assert asked["traceparent"].startswith(f"00-{TRACE}-")
    assert asked["traceparent"] != parent
    line = place.line(request_id="one-of-ours", path="/aets/PACS/studies")
    said = [each for each in place.lines if each.get("request_id") == "one-of-ours"]
    assert any(str(each["message"]).startswith("C-FIND ") for each in said)
    assert (line["status"], line["trace_id"]) == (200, TRACE)
    [operation] = line["operations"]  # type: ignore[misc] # a list
    assert operation["mount"] == "PACS"
    assert operation["matches"] == 1


def test_a_message_by_dimse_goes_by_its_name_to_an_origin(place: Place) -> None:
    find(place, "CLOUD")
    name = place.cloud.asked[-1]["x-request-id"]
    assert re.fullmatch(r"A\d+\.77", name)
    line = place.line(request_id=name, operation="query")
    assert (line["mount"], line["outcome"], line["level"]) == ("CLOUD", "ok", "info")
    labels = {"door": "dimse", "mount": "CLOUD", "operation": "query", "peer": "PYNETDICOM"}
    assert total(place, "hilum_operations_total", outcome="ok", **labels) == 1
    assert total(place, "hilum_operation_seconds_count", **labels) == 1


def values(path: str | os.PathLike[str]) -> Iterator[str]:
    """What names a patient in a file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        header = pydicom.dcmread(path, stop_before_pixels=True)
        yield from (str(header[tag].value) for tag in NAMED if tag in header)


def test_nothing_in_the_log_names_a_patient(place: Place) -> None:
    named: set[str] = set()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for path in STORED:
            named |= {each for each in values(path) if len(each) > 3}
            header, data = meta(path), encoded(path)
            kind, syntax = header.SOPClassUID, header.file_meta.TransferSyntaxUID
            with associated(place.broker, kind, syntax) as (association, _):
                assert send(association, kind, header.SOPInstanceUID, data) == SUCCESS
    size = sum(len(encoded(path)) for path in STORED)
    labels = {"mount": "ARCHIVE", "operation": "store", "peer": "PYNETDICOM"}
    assert total(place, "hilum_instances_total", outcome="ok", **labels) == len(STORED)
    assert total(place, "hilum_instance_bytes_total", **labels) == size
    assert total(place, "hilum_operation_seconds_count", **labels) == len(STORED)
    assert total(place, "hilum_archive_instances") == len(STORED)
    assert len(named) > 4
    with httpx.Client(base_url=place.broker.root, timeout=60) as client:
        for each in sorted(named):
            for key in ("PatientName", "PatientID", "AccessionNumber"):
                client.get("/dicomweb/studies", params={key: each, "includefield": "all"})
        studies = client.get("/dicomweb/studies").json()
        for study in studies[:3]:
            below = f"/dicomweb/studies/{study['0020000D']['Value'][0]}"
            assert client.get(f"{below}/metadata").status_code == 200
            assert client.get(below).status_code in {200, 406}
        client.post("/dicomweb/studies", content=b"Doe^Jane", headers={"X-Request-ID": "Doe^Jane"})
        assert client.get("/fhir/Patient", params={"family": "Doe^Jane"}).status_code == 200
    said = "\n".join(str(each) for each in place.lines)
    assert not [each for each in (*named, "Doe^Jane") if each in said]
    assert "store ARCHIVE for PYNETDICOM: 1 instances" in said
