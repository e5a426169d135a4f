"""Do studies all reach a FHIR server that is down half of the time, and none twice with effect?

    python -m tests.soak.push [STUDIES]

No test, as it takes long. The server is one of ours that keeps resources by identifier:
Medplum, which tests/e2e/test_publish.py uses, looks at all of them for each conditional update.
"""

# ruff: noqa: T201 - a script
import json
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from tests import peers
from tests.contract.made import dataset, encoded, uid

from hilum.codec.part10 import encode_meta

LITTLE = "1.2.840.10008.1.2.1"
TURN = 5.0  # seconds that it is up, and then down
STATES = ("refusing", "losing", "closed")
IN_ONE = 100  # instances in one STOW-RS request


@dataclass
class Kept:
    """What the server keeps: resources by type and identifier, and how often each changed."""

    state: str = "up"
    resources: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    versions: dict[tuple[str, str], int] = field(default_factory=dict)
    requests: int = 0
    failed: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def put(self, kind: str, identifier: str, resource: dict[str, Any]) -> int:
        """A conditional update; a new version only where it changes something."""
        key = kind, identifier
        with self.lock:
            is_new = key not in self.resources
            if self.resources.get(key) != resource:
                self.resources[key] = resource
                self.versions[key] = self.versions.get(key, 0) + 1
            return 201 if is_new else 200


def handler(kept: Kept) -> type[BaseHTTPRequestHandler]:
    """Answers as the state says."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            kept.requests += 1
            if kept.state == "closed":
                kept.failed += 1
                self.close_connection = True
                self.connection.close()
                return
            if kept.state == "refusing":
                kept.failed += 1
                self.answer(503, "")
                return
            url = urlsplit(self.path)
            kind = url.path.rpartition("/")[2]
            (identifier,) = parse_qs(url.query)["identifier"]
            status = kept.put(kind, identifier, json.loads(body))
            if kept.state == "losing":
                kept.failed += 1
                self.close_connection = True
                self.connection.close()
                return
            name = "".join(each if each.isalnum() else "-" for each in identifier)[-60:]
            self.answer(status, f"http://far/fhir/{kind}/{name}")

        def answer(self, status: int, location: str) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            if location:
                self.send_header("Location", location)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    return Handler


@contextmanager
def serving(kept: Kept) -> Iterator[str]:
    """Its URL; up and down by turns until the block ends."""
    server = ThreadingHTTPServer((peers.HOST, 0), handler(kept))
    stop = threading.Event()

    def turns() -> None:
        for state in cycle(each for down in STATES for each in (down, "up")):
            kept.state = state
            if stop.wait(TURN):
                return

    threads = [threading.Thread(target=each) for each in (server.serve_forever, turns)]
    for each in threads:
        each.start()
    try:
        yield f"http://{peers.HOST}:{server.server_address[1]}/fhir"
    finally:
        stop.set()
        server.shutdown()
        server.server_close()


def store(broker: peers.Hilum, studies: int) -> None:
    """One instance for each study, and ten studies for each patient."""
    with httpx.Client(timeout=120) as client:
        for start in range(1, studies + 1, IN_ONE):
            body = b""
            for number in range(start, min(start + IN_ONE, studies + 1)):
                each = dataset(number, 1, 1, PatientID=f"P{number % (studies // 10 or 1)}")
                meta = encode_meta(each.SOPClassUID, each.SOPInstanceUID, LITTLE)
                body += b"--b\r\nContent-Type: application/dicom\r\n\r\n" + meta + encoded(each)
                body += b"\r\n"
            kind = 'multipart/related; type="application/dicom"; boundary=b'
            stored = client.post(
                f"{broker.dicomweb}/studies",
                content=body + b"--b--\r\n",
                headers={"Content-Type": kind},
            )
            stored.raise_for_status()


def main(studies: int) -> None:
    """Store that many, and wait until all have come."""
    kept = Kept()
    with tempfile.TemporaryDirectory() as folder, serving(kept) as url:
        config = peers.configuration(
            http='public_url = "https://images.example.org"',
            more=(
                '[mounts.ARCHIVE.fhir]\npatient_system = "urn:oid:1.2.3"\nstable_after = "1 s"\n'
                f'[mounts.ARCHIVE.publish]\nurl = "{url}"\n'
            ),
        )
        with peers.hilum(Path(folder), config) as broker:
            began = time.monotonic()
            store(broker, studies)
            print(f"stored {studies} studies in {time.monotonic() - began:.1f} s", flush=True)
            left = told = studies + 1
            while left:
                time.sleep(1)
                left = studies - sum(kind == "ImagingStudy" for kind, _ in list(kept.resources))
                if told - left >= studies / 10:
                    told = left
                    print(f"{time.monotonic() - began:7.1f} s: {left} are missing", flush=True)
            print(f"all came after {time.monotonic() - began:.1f} s", flush=True)
            while waiting(broker) != "0":
                time.sleep(1)
            used = Path(f"/proc/{broker.process.pid}/stat").read_text().split()
            print(f"the queue is empty after {time.monotonic() - began:.1f} s")
            print(f"memory of the broker, at most: {broker.memory() / 2**20:.0f} MiB")
            print(f"processor: {(int(used[13]) + int(used[14])) / 100:.1f} s")
    counted(kept, studies)


def counted(kept: Kept, studies: int) -> None:
    """Say what came, and end with 1 if it is not what was stored."""
    by_kind: dict[str, list[int]] = {}
    for (kind, _), changes in kept.versions.items():
        by_kind.setdefault(kind, []).append(changes)
    twice = {kind: sum(each > 1 for each in found) for kind, found in by_kind.items()}
    for kind, found in by_kind.items():
        print(f"{kind}: {len(found)} resources, {twice[kind]} changed twice")
    print(f"{kept.requests} requests, {kept.failed} of them while it was down")
    there = {name for kind, name in kept.resources if kind == "ImagingStudy"}
    wanted = {f"urn:dicom:uid|urn:oid:{uid(number)}" for number in range(1, studies + 1)}
    if there != wanted or any(twice.values()):
        sys.exit("some are missing, or others are there, or one was changed twice")


def waiting(broker: peers.Hilum) -> str:
    """How many errands are left."""
    done = peers.run(
        [sys.executable, "-m", "hilum", "queue", "list", "--json", "--config", broker.config],
        env={"PYTHONPATH": str(peers.SOURCES)},
    )
    return str(len(json.loads(done.stdout)))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
