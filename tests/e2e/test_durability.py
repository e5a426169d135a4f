"""What was acknowledged survives: kill -9 under a modality, and the order of system calls."""

import io
import random
import re
import subprocess
import time
from pathlib import Path

import httpx
import pydicom
import pytest
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid
from tests import peers

SLICES = 300
ROUNDS = 10


def made(folder: Path, count: int, rows: int = 128) -> dict[str, Path]:
    """A study of small CT images: SOP Instance UID -> file."""
    folder.mkdir()
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    first = f"1.2.3.{random.randrange(10**19, 10**20)}.10000"  # noqa: S311 - no secret
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, first
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = generate_uid(), generate_uid()
    dataset.PatientID, dataset.Modality = "CRASH", "CT"
    dataset.Rows = dataset.Columns = rows
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.SamplesPerPixel, dataset.PixelRepresentation = 15, 1, 0
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.PixelData = first.encode()[-2:] * rows * rows
    template = io.BytesIO()
    dataset.save_as(template, enforce_file_format=True)
    files = {}
    for number in range(10000, 10000 + count):  # of the same length: no need to encode anew
        uid = f"{first[:-5]}{number}"
        path = folder / f"{number}.dcm"
        path.write_bytes(template.getvalue().replace(first.encode(), uid.encode()))
        files[uid] = path
    return files


def acknowledged(said: str, files: dict[str, Path]) -> set[str]:
    """SOP Instance UIDs of the files for which storescu read a success."""
    by_path = {str(path): uid for uid, path in files.items()}
    found, sending = set(), ""
    for line in said.splitlines():
        if match := re.match(r"I: Sending file: (.+)$", line):
            sending = match[1].strip()
        elif "Received Store Response (Success)" in line:
            found.add(by_path[sending])
    return found


@pytest.mark.slow
def test_kill_9_takes_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    storescu = peers.dcmtk("storescu")
    config = peers.configuration(dimse="accept_unknown_callers = true")
    chance = random.Random(7)  # noqa: S311 - when to strike
    kept: dict[str, Path] = {}
    sent: dict[str, Path] = {}
    struck = 0
    for each in range(ROUNDS):
        files = made(tmp_path / f"in{each}", SLICES)
        sent |= files
        with peers.hilum(tmp_path / "broker", config) as broker:
            sender = subprocess.Popen(
                [str(storescu), "-v", "-aec", "HILUM", peers.HOST, str(broker.port)]
                + [str(path) for path in files.values()],
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                env={"TCP_NODELAY": "1"},
            )  # fmt: skip
            assert sender.stdout is not None
            left, said = chance.randint(1, SLICES - 50), ""
            for line in sender.stdout:
                said += line
                left -= "Received Store Response (Success)" in line
                if left == 0:
                    time.sleep(chance.uniform(0, 0.005))  # into the next one
                    broker.kill()
                    left = -1
            sender.wait(60)
            sender.stdout.close()
        done = acknowledged(said, files)
        struck += 0 < len(done) < SLICES
        kept |= {uid: files[uid] for uid in done}
    assert struck >= ROUNDS // 2, "the broker was not struck in the middle of a store"
    with peers.hilum(tmp_path / "broker", config) as broker:
        there = listed(broker)
        assert set(kept) <= there
        with httpx.Client(base_url=broker.dicomweb, timeout=60) as client:
            for uid in chance.sample(sorted(there), min(len(there), 300)):
                assert pixels(client, uid) == pydicom.dcmread(sent[uid]).PixelData


def listed(broker: peers.Hilum) -> set[str]:
    """SOP Instance UIDs of all instances that the broker shows."""
    found: set[str] = set()
    while True:
        url = f"{broker.dicomweb}/instances?limit=1000&offset={len(found)}"
        page = httpx.get(url, timeout=60).json()
        found |= {each["00080018"]["Value"][0] for each in page}
        if len(page) < 1000:
            return found


def pixels(client: httpx.Client, uid: str) -> bytes:
    """The pixels of one instance as they come back."""
    (match,) = client.get("/instances", params={"SOPInstanceUID": uid}).json()
    study, series = (match[tag]["Value"][0] for tag in ("0020000D", "0020000E"))
    path = f"/studies/{study}/series/{series}/instances/{uid}/bulkdata/7FE00010"
    return client.get(path, headers={"Accept": "application/octet-stream"}).content


@pytest.mark.parametrize("rows", [128, 512])  # written at once, and while it comes
def test_the_disk_has_the_file_and_its_name_before_the_answer_leaves(
    tmp_path: Path, rows: int
) -> None:
    strace = peers.tool("strace", "strace")
    storescu = peers.dcmtk("storescu")
    (path,) = made(tmp_path / "in", 1, rows).values()
    trace = tmp_path / "trace"
    calls = "trace=openat,write,writev,pwrite64,fsync,fdatasync,sendto,sendmsg,close"
    command = [strace, "-D", "-f", "-y", "-s", "64", "-o", trace, "-e", calls]
    probe = peers.run([strace, "-o", "/dev/null", "true"])
    if probe.returncode != 0:
        pytest.skip("strace may not trace here (ptrace is not permitted)")
    config = peers.configuration(dimse="accept_unknown_callers = true")
    with peers.hilum(tmp_path / "broker", config, prefix=command) as broker:
        sent = peers.run(
            [storescu, "-aec", "HILUM", peers.HOST, str(broker.port), path],
            env={"TCP_NODELAY": "1"},
        )
        assert sent.returncode == 0, sent.stdout
    lines = trace.read_text(errors="replace").splitlines()
    file = re.compile(r"files/\d{4}/\d\d/\d\d/[^>\"]+\.dcm")
    written = [at for at, line in enumerate(lines) if "write" in line and file.search(line)]
    synced = [at for at, line in enumerate(lines) if "fdatasync" in line and file.search(line)]
    folder = [
        at for at, line in enumerate(lines)
        if re.search(r"fsync\(\d+<[^>]*files/\d{4}/\d\d/\d\d>", line)
    ]  # fmt: skip
    answers = [
        at for at, line in enumerate(lines)
        if re.search(r"(sendto|sendmsg|write)\(\d+<(TCP|socket)", line) and r"\4\0" in line
    ]  # fmt: skip
    assert written, "the file was never written"
    assert synced, "the file was never synced"
    assert folder, "the name of the file was never synced"
    assert answers, "no P-DATA-TF was sent"
    first = min(at for at in answers if at > written[0])
    assert folder[0] < first
    assert max(written) < synced[0] < first
