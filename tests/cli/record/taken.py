"""Records of real instances that were stored, found and fetched, by both doors of a broker."""

import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from pydicom import dcmread
from tests import warm
from tests.cli.process import configured, environment, hilum, running
from tests.cli.scu.peer import call
from tests.peers import free_port
from tests.samples import GOOD

PATIENCE = 60.0  # seconds
PARTS = 'multipart/related; type="application/dicom"'


@dataclass(frozen=True, slots=True)
class Taken:
    """Two records of the same real instances, and the broker that they were made of."""

    config: Path
    files: Sequence[Path]
    dimse: Path
    web: Path


@contextmanager
def capturing(record: Path, to: str, *more: str) -> Iterator[int]:
    """The port of a `hilum capture`, which has ended behind the block."""
    port = free_port()
    log = record.with_suffix(".log")
    words = ["--listen", str(port), "--to", to, "--connections", "0"]
    command = hilum("capture", *words, "--output", record, *more)
    start = warm.start if warm.POSSIBLE else subprocess.Popen
    with log.open("wb") as out:
        process = start(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            cwd=Path.cwd(),
            env=environment(),
        )
    until = time.monotonic() + PATIENCE
    while "Listening at" not in log.read_text():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < until, log.read_text()
        time.sleep(0.02)
    try:
        yield port
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0, log.read_text()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


@contextmanager
def records(folder: Path) -> Iterator[Taken]:
    """They, and the broker, which runs until the block ends."""
    files = folder / "files"
    files.mkdir()
    chosen = [path for path in GOOD if path.stat().st_size < 300_000][:6]
    for at, path in enumerate(chosen):
        (files / f"{at}.dcm").write_bytes(path.read_bytes())
    one = dcmread(chosen[0], stop_before_pixels=True)
    config = configured(folder)
    with running(config):
        dimse, web = folder / "dimse.jsonl", folder / "web.jsonl"
        with capturing(dimse, "dimse", "--config", str(config)) as port:
            there = [f"HILUM@127.0.0.1:{port}", "--calling", "VIEWER"]
            assert call("store", there[0], str(files), *there[1:])[0] == 0
            keys = ["--key", f"PatientID={one.PatientID}", "--key", "StudyDate="]
            assert call("find", *there, *keys)[0] == 0
            key = ["--key", f"StudyInstanceUID={one.StudyInstanceUID}"]
            assert call("get", *there, *key, "--output", str(folder / "got"))[0] == 0
        with capturing(web, "http", "--config", str(config)) as port:
            _ask(port, str(one.StudyInstanceUID), str(one.PatientID), chosen[1].read_bytes())
        yield Taken(config, chosen, dimse, web)


def _ask(port: int, study: str, patient: str, file: bytes) -> None:
    root = f"http://127.0.0.1:{port}/dicomweb"
    with httpx.Client(base_url=root, trust_env=False, timeout=PATIENCE) as client:
        client.headers["Authorization"] = "Bearer very-secret"
        client.headers["Accept-Encoding"] = "identity"
        accept = {"Accept": "application/dicom+json"}
        assert client.get("/studies", params={"PatientID": patient}, headers=accept).is_success
        assert client.get(f"/studies/{study}/metadata", headers=accept).is_success
        got = client.get(f"/studies/{study}", headers={"Accept": f"{PARTS}; transfer-syntax=*"})
        assert got.is_success
        body = b"--b\r\nContent-Type: application/dicom\r\n\r\n" + file + b"\r\n--b--\r\n"
        kind = {"Content-Type": f"{PARTS}; boundary=b"}
        assert client.post("/studies", content=body, headers={**kind, **accept}).is_success
