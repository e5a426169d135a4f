"""Frames and bulk data through each kind of mount: the archive, a PACS and an origin behind us."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pydicom
import pytest
from tests import peers, samples
from tests.contract.made import Made, dataset, of
from tests.frontends.dicomweb.test_frames_of_samples import (
    PIXELS,
    expected,
    is_encapsulated,
    read,
)
from tests.frontends.dicomweb.test_wado import parts_of

from hilum.codec.part10 import encode_meta

AS_STORED = 'multipart/related; type="application/octet-stream"; transfer-syntax=*'
KINDS = ("MAIN", "PACS", "ORIGIN", "SPOOLED")


def _chosen() -> list[Path]:
    """One file for each Transfer Syntax and number of frames, the smallest."""
    found: dict[tuple[str, bool, int], Path] = {}
    for path in sorted((*samples.GOOD, *samples.DERIVED), key=lambda path: path.stat().st_size):
        dataset = read(path)
        if any(keyword in dataset for keyword in PIXELS):
            frames = int(dataset.get("NumberOfFrames", 1) or 1)
            syntax = str(dataset.file_meta.TransferSyntaxUID)
            found.setdefault((syntax, frames > 1, dataset.get("BitsAllocated", 0)), path)
    return list(found.values())


def file_of(made: Made) -> bytes:
    meta = encode_meta(made.sop_class_uid, made.sop_instance_uid, made.transfer_syntax_uid)
    return meta + made.data


@dataclass
class House:
    """The broker, and what stands behind two of its mounts."""

    broker: peers.Hilum
    origin: peers.Hilum

    def url(self, kind: str, dataset: pydicom.Dataset) -> str:
        base = self.broker.dicomweb.removesuffix("/dicomweb")
        return (
            f"{base}/aets/{kind}/studies/{dataset.StudyInstanceUID}"
            f"/series/{dataset.SeriesInstanceUID}/instances/{dataset.SOPInstanceUID}"
        )


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("frames")
    with peers.hilum(
        folder / "origin", peers.configuration(mount="MAIN", peers={"VIEWING": peers.free_port()})
    ) as origin:
        remote = (
            f'backend = "dimse"\naet = "MAIN"\ncalling = "VIEWING"\n'
            f'host = "{peers.HOST}"\nport = {origin.port}\n'
        )
        web = f'backend = "dicomweb"\nurl = "{origin.dicomweb}"\n'
        mounts = (
            f"[mounts.PACS]\n{remote}[mounts.ORIGIN]\n{web}[mounts.SPOOLED]\n{remote}"
            f"cache.max_size = 1000000000\n"
        )
        with peers.hilum(
            folder / "broker", peers.configuration(mount="MAIN", more=mounts)
        ) as broker:
            for here in (origin, broker):
                for data in (*(path.read_bytes() for path in CHOSEN), file_of(nested())):
                    _store(here, data)
            yield House(broker, origin)


def _store(here: peers.Hilum, data: bytes) -> None:
    kind = {"Content-Type": "application/dicom"}
    answer = httpx.post(f"{here.dicomweb}/studies", content=data, headers=kind, timeout=60)
    assert answer.status_code == 200, answer.text


CHOSEN = _chosen()


@pytest.mark.parametrize("path", CHOSEN, ids=lambda path: path.name)
@pytest.mark.parametrize("kind", KINDS)
def test_frames_are_the_same_through_every_mount(house: House, kind: str, path: Path) -> None:
    dataset = read(path)
    frames = expected(dataset)
    url = house.url(kind, dataset)
    answer = httpx.get(f"{url}/pixeldata", headers={"Accept": AS_STORED}, timeout=60)
    assert answer.status_code == 200, answer.text
    assert [data for _, data in parts_of(answer)] == frames
    answer = httpx.get(f"{url}/frames/{len(frames)}", headers={"Accept": AS_STORED}, timeout=60)
    ((headers, data),) = parts_of(answer)
    assert data == frames[-1]
    known = {"Accept": AS_STORED, "If-None-Match": answer.headers["etag"]}
    again = httpx.get(f"{url}/frames/{len(frames)}", headers=known, timeout=60)
    assert again.status_code == 304
    if is_encapsulated(dataset):
        assert headers["content-type"].endswith(str(dataset.file_meta.TransferSyntaxUID))


def nested() -> Made:
    """Long values within items, of private elements too, and one within the other."""
    icon = {"Rows": 64, "Columns": 64, "PixelData": bytes(range(256)) * 16}
    made = dataset(IconImageSequence=[icon, {**icon, "PixelData": bytes(8192)}])
    block = made.private_block(0x0009, "HILUM TEST", create=True)
    block.add_new(0x10, "OB", b"private" * 1000)
    item = pydicom.Dataset()
    item.private_block(0x0009, "HILUM TEST", create=True).add_new(0x11, "UN", b"deep" * 2000)
    block.add_new(0x12, "SQ", pydicom.Sequence([pydicom.Dataset(), item]))
    return of(made)


VALUES = {
    "00880200/0/7FE00010": bytes(range(256)) * 16,
    "00880200/1/7FE00010": bytes(8192),
    "00091010": b"private" * 1000,
    "00091012/1/00091011": b"deep" * 2000,
}


@pytest.mark.parametrize("kind", KINDS)
def test_values_within_items_and_private_blocks_through_every_mount(
    house: House, kind: str
) -> None:
    url = house.url(kind, dataset())
    answer = httpx.get(f"{url}/metadata", timeout=60)
    assert answer.status_code == 200, answer.text
    found = _bulk(answer.json(), [])
    assert {f"{url}/bulkdata/{path}" for path in VALUES} <= set(found)
    for path, value in VALUES.items():
        answer = httpx.get(f"{url}/bulkdata/{path}", timeout=60)
        assert answer.content == value
        part = {"Range": "bytes=1000-1999"}
        answer = httpx.get(f"{url}/bulkdata/{path}", headers=part, timeout=60)
        assert (answer.status_code, answer.content) == (206, value[1000:2000])


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_goes_on_where_it_broke_off_through_every_mount(house: House, kind: str) -> None:
    alone = {"Accept": "application/dicom; transfer-syntax=*"}
    url = house.url(kind, dataset())
    whole = httpx.get(url, headers=alone, timeout=60).content
    answer = httpx.get(url, headers={**alone, "Range": "bytes=700-"}, timeout=60)
    assert (answer.status_code, answer.content) == (206, whole[700:])


def _bulk(node: object, found: list[str]) -> list[str]:
    """All BulkDataURI of some metadata."""
    if isinstance(node, list):
        for each in node:
            _bulk(each, found)
    elif isinstance(node, dict):
        found += [node["BulkDataURI"]] if "BulkDataURI" in node else []
        for each in node.values():
            _bulk(each, found)
    return found
