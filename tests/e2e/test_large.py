"""A large instance crosses between DCMTK and HTTP clients, and the broker stays small.

Its size is that of $TEST_LARGE in bytes, by default a third of a gigabyte: enough to show that
nothing is held whole, and quick enough for every run.
"""

import hashlib
import json
import os
import struct
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from pydicom.uid import generate_uid
from tests import peers
from tests.contract import made

from hilum.codec.multipart import closing, part_head
from hilum.codec.part10 import encode_meta

SIZE = int(os.environ.get("TEST_LARGE", "350_000_000"))
DCMQRSCP = 1_000_000_000  # bytes that it takes
MOST = 250 * 1024 * 1024  # bytes of memory
EXPLICIT = "1.2.840.10008.1.2.1"
CHUNK = 1024 * 1024
PARTS = 'multipart/related; type="application/dicom"; transfer-syntax=*'

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A Part 10 file with so many bytes of pixels, and its study."""
    dataset = made.dataset(SOPInstanceUID=generate_uid(), StudyInstanceUID=generate_uid())
    small = made.of(dataset)
    head = encode_meta(small.sop_class_uid, str(dataset.SOPInstanceUID), EXPLICIT)
    pixels = struct.pack("<HH2sxxI", 0x7FE0, 0x0010, b"OW", SIZE & ~1)
    path = tmp_path_factory.mktemp("large") / "large.dcm"
    with path.open("wb") as file:
        file.write(head + small.data[: small.data.index(b"\xe0\x7f\x10\x00")] + pixels)
        block = os.urandom(CHUNK)
        for _ in range((SIZE & ~1) // CHUNK):
            file.write(block)
        file.write(bytes((SIZE & ~1) % CHUNK))
    return path, str(dataset.StudyInstanceUID)


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[peers.Peer]:
    """DCMTK's storescp, which writes what comes as it comes."""
    folder = tmp_path_factory.mktemp("scp") / "got"
    with peers.storescp(folder, options=["+B"]) as running:
        yield running


@pytest.fixture(scope="module")
def pair(
    tmp_path_factory: pytest.TempPathFactory, receiver: peers.Peer
) -> Iterator[tuple[peers.Hilum, peers.Peer]]:
    """A broker whose mount PACS is DCMTK's dcmqrscp, and whose mount WEB is itself over HTTP."""
    folder = tmp_path_factory.mktemp("big")
    port = peers.free_port()
    with peers.dcmqrscp(folder / "pacs", moves={"HILUM": port}) as pacs:
        web = peers.free_port()
        more = (
            f'[mounts.PACS]\nbackend = "dimse"\naet = "{pacs.aet}"\nhost = "{peers.HOST}"\n'
            f"port = {pacs.port}\n"
            f'[mounts.SCP]\nbackend = "dimse"\naet = "{receiver.aet}"\nhost = "{peers.HOST}"\n'
            f"port = {receiver.port}\n"
            '[mounts.WEB]\nbackend = "dicomweb"\n'
            f'url = "http://{peers.HOST}:{web}/aets/ARCHIVE"\n'
        )
        config = peers.configuration(dimse="accept_unknown_callers = true", more=more)
        config = config.replace("port = 0", f"port = {port}", 1)
        config = config.replace("port = 0", f"port = {web}", 1)
        with peers.hilum(folder / "near", config, cold=True) as broker:
            yield broker, pacs


def digest(path: Path) -> str:
    """Of the data set: what stands behind the File Meta Information."""
    with path.open("rb") as file:
        file.seek(140)
        (length,) = struct.unpack("<I", file.read(4))
        file.seek(144 + length)
        return hashlib.file_digest(file, "sha256").hexdigest()


def given(broker: peers.Hilum, mount: str, study: str, folder: Path) -> str:
    """The study by WADO-RS: the digest of its only data set."""
    file = folder / "given"
    url = f"{broker.root}/aets/{mount}/studies/{study}"
    with (
        httpx.stream("GET", url, headers={"Accept": PARTS}, timeout=300) as answer,
        file.open("wb") as out,
    ):
        assert answer.status_code == 200, answer.read()
        boundary = answer.headers["content-type"].rpartition("boundary=")[2]
        for chunk in answer.iter_raw(CHUNK):
            out.write(chunk)
    size = file.stat().st_size
    with file.open("r+b") as whole:
        head = whole.read(4096)
        tail = f"\r\n--{boundary}--\r\n".encode()
        whole.seek(size - len(tail))
        assert whole.read() == tail
        whole.truncate(size - len(tail))
    at = head.index(b"\r\n\r\n") + 4
    alone = folder / "alone.dcm"
    with file.open("rb") as source, alone.open("wb") as out:
        source.seek(at)
        while piece := source.read(CHUNK):
            out.write(piece)
    file.unlink()
    return digest(alone)


def test_in_by_storescu_to_dcmqrscp_and_out_by_http(
    pair: tuple[peers.Hilum, peers.Peer], large: tuple[Path, str], tmp_path: Path
) -> None:
    if SIZE > DCMQRSCP:
        pytest.skip("dcmqrscp itself refuses an instance of this size; make $TEST_LARGE smaller")
    broker, _ = pair
    path, study = large
    client = [peers.dcmtk("storescu"), "-aec", "PACS", peers.HOST, str(broker.port), path]
    done = peers.run(client, timeout=300, env={"TCP_NODELAY": "1"})
    assert done.returncode == 0, done.stdout
    assert given(broker, "PACS", study, tmp_path) == digest(path)
    assert broker.memory() < MOST


def stored(broker: peers.Hilum, mount: str, path: Path) -> None:
    """STOW-RS of the file, as a stream."""

    def body() -> Iterator[bytes]:
        yield b"--b\r\nContent-Type: application/dicom\r\n\r\n"
        with path.open("rb") as file:
            while piece := file.read(CHUNK):
                yield piece
        yield b"\r\n--b--\r\n"

    answer = httpx.post(
        f"{broker.root}/aets/{mount}/studies",
        content=body(),
        headers={"Content-Type": 'multipart/related; type="application/dicom"; boundary=b'},
        timeout=300,
    )
    assert answer.status_code == 200, answer.text


def test_in_by_storescu_to_an_origin_and_out_by_http(
    pair: tuple[peers.Hilum, peers.Peer], large: tuple[Path, str], tmp_path: Path
) -> None:
    broker, _ = pair
    path, study = large
    client = [peers.dcmtk("storescu"), "-aec", "WEB", peers.HOST, str(broker.port), path]
    done = peers.run(client, timeout=300, env={"TCP_NODELAY": "1"})
    assert done.returncode == 0, done.stdout
    assert given(broker, "WEB", study, tmp_path) == digest(path)
    assert broker.memory() < MOST


def test_in_by_stow_to_storescp(
    pair: tuple[peers.Hilum, peers.Peer], large: tuple[Path, str], receiver: peers.Peer
) -> None:
    broker, _ = pair
    path, _ = large
    stored(broker, "SCP", path)
    [kept] = receiver.files()
    assert digest(kept) == digest(path)
    assert broker.memory() < MOST


def test_in_by_stow_to_an_origin_and_out_by_getscu(
    pair: tuple[peers.Hilum, peers.Peer], large: tuple[Path, str], tmp_path: Path
) -> None:
    broker, _ = pair
    path, study = large
    stored(broker, "WEB", path)
    getscu = [
        peers.dcmtk("getscu"), "-S", "-aec", "WEB", "-od", tmp_path,
        "-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={study}",
        peers.HOST, str(broker.port),
    ]  # fmt: skip
    done = peers.run(getscu, timeout=300, env={"TCP_NODELAY": "1"})
    assert done.returncode == 0, done.stdout
    [got] = [each for each in tmp_path.iterdir() if each.is_file()]
    assert digest(got) == digest(path)
    assert broker.memory() < MOST


def test_bulk_data_beside_its_metadata_in_by_stow(
    tmp_path: Path,
) -> None:
    dataset = made.dataset(PixelData=None)
    metadata = dataset.to_json_dict() | {"7FE00010": {"vr": "OW", "BulkDataURI": "pixels"}}
    size, block = SIZE & ~1, os.urandom(CHUNK)
    hashed = hashlib.sha256()

    def body() -> Iterator[bytes]:
        yield part_head("b", {"Content-Type": "application/dicom+json"}, first=True)
        yield json.dumps([metadata]).encode()
        yield part_head("b", {"Content-Location": "pixels"})
        for at in range(0, size, CHUNK):
            piece = block[: min(CHUNK, size - at)]
            hashed.update(piece)
            yield piece
        yield closing("b")

    with peers.hilum(tmp_path / "stow", peers.configuration(), cold=True) as broker:
        kind = 'multipart/related; type="application/dicom+json"; boundary=b'
        url = f"{broker.dicomweb}/studies"
        answer = httpx.post(url, content=body(), headers={"Content-Type": kind}, timeout=600)
        assert answer.status_code == 200, answer.text
        url = answer.json()["00081199"]["Value"][0]["00081190"]["Value"][0]
        back = hashlib.sha256()
        accept = {"Accept": "application/octet-stream"}
        with httpx.stream("GET", f"{url}/bulkdata/7FE00010", headers=accept, timeout=600) as given:
            for chunk in given.iter_raw(CHUNK):
                back.update(chunk)
        assert back.digest() == hashed.digest()
        assert broker.memory() < MOST
        assert [*(broker.data / "spill").iterdir()] == []
