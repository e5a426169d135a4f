"""Frames and bulk data through each kind of mount: the archive, a PACS and an origin behind us."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pydicom
import pytest
from tests import peers, samples
from tests.frontends.dicomweb.conftest import parts_of
from tests.frontends.dicomweb.test_frames_of_samples import (
    PIXELS,
    expected,
    is_encapsulated,
    read,
)

AS_STORED = 'multipart/related; type="application/octet-stream"; transfer-syntax=*'
BULK = 'multipart/related; type="application/octet-stream"; transfer-syntax=*, */*;q=0.5'
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


@dataclass
class House:
    """Attributes: asked: what the origin's log has of requests that came."""

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
    with peers.hilum(folder / "origin") as origin:
        remote = f'backend = "dimse"\naet = "MAIN"\nhost = "{peers.HOST}"\nport = {origin.port}\n'
        web = f'backend = "dicomweb"\nurl = "{origin.dicomweb}"\n'
        mounts = (
            f"[mounts.PACS]\n{remote}[mounts.ORIGIN]\n{web}[mounts.SPOOLED]\n{remote}"
            f"cache.max_size = 1000000000\n"
        )
        with peers.hilum(folder / "broker", peers.configuration(more=mounts)) as broker:
            for here in (origin, broker):
                for path in CHOSEN:
                    _store(here, path)
            yield House(broker, origin)


def _store(here: peers.Hilum, path: Path) -> None:
    answer = httpx.post(
        f"{here.dicomweb}/studies", content=path.read_bytes(), timeout=60,
        headers={"Content-Type": "application/dicom"},
    )  # fmt: skip
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


@pytest.mark.parametrize("kind", ["PACS", "SPOOLED"])
def test_metadata_and_then_frames_cost_one_retrieval(house: House, kind: str) -> None:
    path = next(path for path in CHOSEN if len(expected(read(path))) > 1)
    dataset = read(path)
    url = house.url(kind, dataset)
    before = house.origin.said.count("C-GET") + house.origin.said.count("C-MOVE")
    series = url.rpartition("/instances/")[0]
    assert httpx.get(f"{series}/metadata", timeout=60).status_code == 200
    for number in (1, 2):
        assert httpx.get(f"{url}/frames/{number}", timeout=60).status_code == 200
    after = house.origin.said.count("C-GET") + house.origin.said.count("C-MOVE")
    assert after - before <= 1


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
