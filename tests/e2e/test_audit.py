"""What a repository gets of a broker that is killed, and of what its doors refuse."""

from pathlib import Path

import httpx
import trustme
from tests import peers
from tests.codec.audit_schema import faults
from tests.e2e.recorded import events
from tests.e2e.test_doors import SERVICES
from tests.e2e.visitors import called, file, refusal
from tests.net.repository import repository, trusted

START = "Application Activity / Application Start"
STORED = "DICOM Instances Transferred"
NOBODY = "Security Alert / Node Authentication"


def test_what_was_recorded_before_a_kill_is_sent_after_it(tmp_path: Path) -> None:
    ca, port = trustme.CA(), peers.free_port()
    audit = f'[audit]\nsyslog = "tls://{peers.HOST}:{port}"\nca_file = "{trusted(ca, tmp_path)}"\n'
    config = peers.configuration(peers={"TOOL": 104}, more=audit)
    with peers.hilum(tmp_path / "hilum", config) as here:
        with httpx.Client(base_url=here.root, timeout=60, trust_env=False) as client:
            headers = {"Content-Type": "application/dicom"}
            answer = client.post("/aets/ARCHIVE/studies", content=file(), headers=headers)
            assert answer.status_code == 200
        with called(here.port, title="ARCHIVE") as association:
            echo, find, get, *_ = (each.dimse(association) for each in SERVICES[:3])
            assert (echo, find) == (0, 0)
            assert get != 0  # nobody takes what it gives
        with called(here.port, title="NONESUCH") as association:
            assert refusal(association) == (1, 1, 7)
        here.kill()
        written = events(here.data)
    assert written["instances transferred"] == 2
    assert written["node authentication"] >= 1
    with repository(ca, port=port) as there, peers.hilum(tmp_path / "hilum"):
        said = there.wait_for(START, START)
        assert {STORED, "Query", NOBODY, "Begin Transferring DICOM Instances"} <= {*said}
        assert said[0] == START
        for each in there.messages:
            assert faults(each.partition(b"\xef\xbb\xbf")[2]) == []
        there.cut()
        there.messages.clear()
        # Whatever may have been on its way when the connection broke comes once more.
        assert there.wait_for(START, STORED, NOBODY)
