"""Pixels in a syntax that a real peer takes: the same as pydicom reads them from the file."""

import warnings
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import httpx
import numpy as np
import pydicom
import pytest
from pynetdicom import AE, build_role, evt
from pynetdicom.sop_class import (  # type: ignore[attr-defined]  # made at import time
    StudyRootQueryRetrieveInformationModelGet as StudyRootGet,
)
from tests import peers
from tests.e2e.carried import get_back, stow
from tests.imaging import images

from hilum.codec.sop_class import EXPLICIT_LE, IMPLICIT_LE
from hilum.imaging.codecs import CODECS, JPEG, NATIVE, RLE_LOSSLESS, can_decode

MOUNT = "ARCHIVE"
COLOURS = 3  # of 255


@pytest.fixture(autouse=True)
def _quietly() -> Iterator[None]:
    """pydicom complains of the samples, which is what they are for."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def chosen() -> list[Path]:
    """Samples that pydicom decodes, a few for each syntax; DCMTK knows their SOP classes."""
    found: dict[str, list[Path]] = {}
    seen: set[str] = set()
    for path in images.images():
        syntax = images.sample(path)[1]
        codec = CODECS.get(syntax)
        if codec is None or codec.kind == NATIVE or not can_decode(syntax):
            continue
        if path.parent.name == "edge" or path.stat().st_size > 3_000_000:
            continue
        dataset = images.dataset(path)
        uid = dataset.get("SOPInstanceUID")
        if not (uid and dataset.get("StudyInstanceUID") and dataset.get("SeriesInstanceUID")):
            continue  # nobody keeps it
        if uid in seen:
            continue
        if len(found.setdefault(syntax, [])) < 2 and pixels(path) is not None:
            found[syntax].append(path)
            seen.add(uid)
    return [path for paths in found.values() for path in paths]


def pixels(path: Path) -> "np.ndarray[tuple[int, ...], np.dtype[np.generic]] | None":
    """As pydicom decodes them, where it can."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return images.dataset(path).pixel_array
    except Exception:  # noqa: BLE001 - it has no decoder for that
        return None


FILES = chosen()
IDS = [f"{path.name}" for path in FILES]


@pytest.fixture(scope="module")
def sink(tmp_path_factory: pytest.TempPathFactory) -> Iterator[peers.Peer]:
    """A storescp that takes nothing but Implicit VR Little Endian."""
    folder = tmp_path_factory.mktemp("sink") / "got"
    with peers.storescp(folder, aet="SINK", accepts=["--implicit"]) as peer:
        yield peer


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory, sink: peers.Peer) -> Iterator[peers.Hilum]:
    """A broker that holds all of them."""
    config = peers.configuration(peers={"SINK": sink.port}, dimse="accept_unknown_callers = true")
    with peers.hilum(tmp_path_factory.mktemp("transcoding"), config) as running:
        for path in FILES:
            answer = stow(running, path.read_bytes(), MOUNT)
            assert answer.status_code == 200, answer.text
        yield running


def assert_same(made: pydicom.Dataset, path: Path, *syntaxes: str) -> None:
    """The same instance, the same pixels, another syntax."""
    before = images.dataset(path)
    assert made.file_meta.TransferSyntaxUID in syntaxes
    assert made.SOPInstanceUID == before.SOPInstanceUID
    for keyword in ("PatientName", "Rows", "Columns", "NumberOfFrames", "BitsStored", "Modality"):
        assert made.get(keyword) == before.get(keyword)
    stored = CODECS[images.sample(path)[1]]
    after, expected = made.pixel_array.astype(int), pixels(path)
    assert expected is not None
    assert after.shape == expected.shape
    # pydicom makes RGB of YCbCr itself, which is not rounded as the library does that decodes
    assert np.abs(after - expected).max() <= (COLOURS if stored.kind == JPEG else 0)
    if not stored.lossless:
        assert made.LossyImageCompression == "01"
    else:
        assert made.get("LossyImageCompression") == before.get("LossyImageCompression")


@pytest.mark.parametrize("path", FILES, ids=IDS)
@pytest.mark.parametrize("syntax", [EXPLICIT_LE, RLE_LOSSLESS])
def test_a_browser_gets_the_syntax_that_it_asks_for(
    broker: peers.Hilum, path: Path, syntax: str
) -> None:
    header = images.dataset(path, pixels=False)
    if images.sample(path)[1] == syntax:
        return
    answer = httpx.get(
        f"{broker.dicomweb}/studies/{header.StudyInstanceUID}"
        f"/series/{header.SeriesInstanceUID}/instances/{header.SOPInstanceUID}",
        headers={"Accept": f"application/dicom; transfer-syntax={syntax}"},
        timeout=60,
    )
    assert answer.status_code == 200, answer.text
    assert_same(pydicom.dcmread(BytesIO(answer.content)), path, syntax)


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_a_peer_that_asks_by_c_get_gets_what_it_takes(broker: peers.Hilum, path: Path) -> None:
    header = images.dataset(path, pixels=False)
    got: list[pydicom.Dataset] = []

    def stored(event: evt.Event) -> int:
        event.dataset.file_meta = event.file_meta
        got.append(event.dataset)
        return 0

    ae = AE("PYNETDICOM")
    ae.add_requested_context(header.SOPClassUID, IMPLICIT_LE)
    ae.add_requested_context(StudyRootGet)
    association = ae.associate(
        peers.HOST,
        broker.port,
        ae_title="HILUM",
        ext_neg=[build_role(header.SOPClassUID, scp_role=True, scu_role=True)],
        evt_handlers=[(evt.EVT_C_STORE, stored)],
    )
    assert association.is_established
    assert get_back(association, header) == 0
    association.release()
    assert_same(got[0], path, IMPLICIT_LE)


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_getscu_gets_pixels_that_are_not_compressed(
    broker: peers.Hilum, path: Path, tmp_path: Path
) -> None:
    header = images.dataset(path, pixels=False)
    asked = [
        "--key", "QueryRetrieveLevel=IMAGE",
        "--key", f"StudyInstanceUID={header.StudyInstanceUID}",
        "--key", f"SeriesInstanceUID={header.SeriesInstanceUID}",
        "--key", f"SOPInstanceUID={header.SOPInstanceUID}",
    ]  # fmt: skip
    command = [
        peers.dcmtk("getscu"), "--study", "--call", "HILUM",
        "--output-directory", tmp_path, *asked, peers.HOST, str(broker.port),
    ]  # fmt: skip
    done = peers.run(command)
    files = list(tmp_path.iterdir())
    if not files and header.SOPClassUID not in done.stdout:
        pytest.skip("getscu does not ask for this SOP class")
    assert len(files) == 1, done.stdout
    assert_same(pydicom.dcmread(files[0]), path, IMPLICIT_LE, EXPLICIT_LE)


def test_a_move_brings_a_peer_what_it_takes(broker: peers.Hilum, sink: peers.Peer) -> None:
    studies = {images.dataset(path, pixels=False).StudyInstanceUID for path in FILES}
    for study in studies:
        done = peers.run([
            peers.dcmtk("movescu"), "--study", "--call", "HILUM", "--move", "SINK",
            "--key", "QueryRetrieveLevel=STUDY", "--key", f"StudyInstanceUID={study}",
            peers.HOST, str(broker.port),
        ])  # fmt: skip
        assert done.returncode == 0, done.stdout
    got = {str(made.SOPInstanceUID): made for made in map(pydicom.dcmread, sink.files())}
    assert len(got) == len(FILES)
    for path in FILES:
        uid = str(images.dataset(path, pixels=False).SOPInstanceUID)
        assert_same(got[uid], path, IMPLICIT_LE)


def test_orthanc_gets_what_it_takes(tmp_path: Path) -> None:
    accepts = {"AcceptedTransferSyntaxes": [EXPLICIT_LE, IMPLICIT_LE]}
    with peers.orthanc(tmp_path / "orthanc", options=accepts) as orthanc:
        config = peers.configuration(
            peers={"ORTHANC": orthanc.port}, dimse="accept_unknown_callers = true"
        )
        with peers.hilum(tmp_path / "hilum", config) as broker:
            for path in FILES:
                assert stow(broker, path.read_bytes(), MOUNT).status_code == 200
            studies = {images.dataset(path, pixels=False).StudyInstanceUID for path in FILES}
            for study in studies:
                done = peers.run([
                    peers.dcmtk("movescu"), "--study", "--call", "HILUM", "--move", "ORTHANC",
                    "--key", "QueryRetrieveLevel=STUDY", "--key", f"StudyInstanceUID={study}",
                    peers.HOST, str(broker.port),
                ])  # fmt: skip
                assert done.returncode == 0, done.stdout
        ids = orthanc.ask("/instances")
        assert isinstance(ids, list)
        assert len(ids) == len(FILES)
        got = {}
        for each in ids:
            data = httpx.get(f"{orthanc.url}/instances/{each}/file", timeout=60).content
            made = pydicom.dcmread(BytesIO(data))
            got[str(made.SOPInstanceUID)] = made
    for path in FILES:
        uid = str(images.dataset(path, pixels=False).SOPInstanceUID)
        assert_same(got[uid], path, IMPLICIT_LE, EXPLICIT_LE)
