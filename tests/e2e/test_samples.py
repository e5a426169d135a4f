"""Every sample file through every door of a running broker, and back."""

import base64
import io
import struct
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pydicom
import pytest
from dicomweb_client.api import DICOMwebClient
from pydicom.filereader import _read_file_meta_info, read_preamble
from pynetdicom import AE, build_role, evt
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.sop_class import (  # type: ignore[attr-defined]  # made at import time
    StudyRootQueryRetrieveInformationModelGet as StudyRootGet,
)
from tests import peers, samples

IMPLICIT, BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"
NOT_ON_THE_WEB = (IMPLICIT, BIG)  # PS3.18 §8.7.3
DICOMDIR = "1.2.840.10008.1.3.10"  # Media Storage Directory Storage
SUCCESS = 0x0000
DICOM_JSON = "application/dicom+json"
EVERY_SYNTAX = 'multipart/related; type="application/dicom"; transfer-syntax=*'


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[peers.Hilum]:
    """One broker with two archives: what comes by DIMSE stays apart from what comes by STOW."""
    config = peers.configuration(
        dimse="accept_unknown_callers = true", more='[mounts.WEB]\nbackend = "archive"\n'
    )
    with peers.hilum(tmp_path_factory.mktemp("samples"), config) as running:
        yield running


@pytest.fixture(autouse=True)
def _quietly() -> Iterator[None]:
    """pydicom complains of the samples, which is what they are for."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def encoded(path: Path) -> bytes:
    """The data set of a Part 10 file, as it is encoded there."""
    with path.open("rb") as file:
        read_preamble(file, force=False)
        _read_file_meta_info(file)
        return file.read()


def meta(path: Path) -> pydicom.Dataset:
    """The UIDs of a Part 10 file."""
    return pydicom.dcmread(path, stop_before_pixels=True)


@contextmanager
def associated(
    broker: peers.Hilum, sop_class: str, syntax: str, aet: str = "HILUM"
) -> Iterator[tuple[Association, list[bytes]]]:
    """An association for one instance: for storing it, and the data sets that come back."""
    ae = AE("PYNETDICOM")
    ae.add_requested_context(sop_class, syntax)
    ae.add_requested_context(StudyRootGet)
    got: list[bytes] = []

    def stored(event: evt.Event) -> int:
        got.append(event.request.DataSet.getvalue())
        return SUCCESS

    association = ae.associate(
        peers.HOST,
        broker.port,
        ae_title=aet,
        ext_neg=[build_role(sop_class, scp_role=True, scu_role=True)],
        evt_handlers=[(evt.EVT_C_STORE, stored)],
    )
    assert association.is_established
    try:
        yield association, got
    finally:
        association.release()


def send(association: Association, sop_class: str, sop_instance: str, data: bytes) -> int:
    """C-STORE of bytes as they are (pynetdicom's own would encode them anew); the status."""
    request = C_STORE()
    request.MessageID = 1
    request.AffectedSOPClassUID = sop_class
    request.AffectedSOPInstanceUID = sop_instance
    request.Priority = 0
    request.DataSet = io.BytesIO(data)
    context = next(
        each for each in association.accepted_contexts if each.abstract_syntax == sop_class
    )
    while association._is_paused:  # from the request before, if there was one
        time.sleep(0.001)
    association._reactor_checkpoint.clear()  # as its own send_c_store does: the answer is ours
    while not association._is_paused:
        time.sleep(0.001)
    try:
        association.dimse.send_msg(request, context.context_id)
        _, answer = association.dimse.get_msg(block=True)
    finally:
        association._reactor_checkpoint.set()
    assert answer is not None
    return int(answer.Status)


def get_back(association: Association, header: pydicom.Dataset) -> int:
    """C-GET of one instance; the final status."""
    identifier = pydicom.Dataset()
    identifier.QueryRetrieveLevel = "IMAGE"
    identifier.StudyInstanceUID = header.StudyInstanceUID
    identifier.SeriesInstanceUID = header.SeriesInstanceUID
    identifier.SOPInstanceUID = header.SOPInstanceUID
    while association._is_paused:  # from the request before; it would lose an answer
        time.sleep(0.001)
    answers = [status for status, _ in association.send_c_get(identifier, StudyRootGet)]
    return int(answers[-1].Status)


@pytest.mark.parametrize("path", samples.GOOD + samples.DERIVED, ids=lambda path: path.name)
def test_a_valid_file_goes_in_by_c_store_and_comes_back_by_c_get(
    broker: peers.Hilum, path: Path
) -> None:
    header, data = meta(path), encoded(path)
    uid, syntax = header.SOPClassUID, header.file_meta.TransferSyntaxUID
    with associated(broker, uid, syntax) as (association, got):
        assert send(association, uid, header.SOPInstanceUID, data) == SUCCESS
        assert get_back(association, header) == SUCCESS
    assert got == [data + bytes(len(data) % 2)]  # pynetdicom sends no odd number of bytes


def stow(broker: peers.Hilum, data: bytes) -> httpx.Response:
    """STOW-RS of one file into the mount WEB."""
    body = b"--b\r\nContent-Type: application/dicom\r\n\r\n" + data + b"\r\n--b--\r\n"
    kind = 'multipart/related; type="application/dicom"; boundary=b'
    return httpx.post(
        f"{broker.root}/aets/WEB/studies",
        content=body,
        headers={"Content-Type": kind, "Accept": DICOM_JSON},
        timeout=60,
    )


def wado(broker: peers.Hilum, header: pydicom.Dataset) -> bytes:
    """WADO-RS of one instance in any transfer syntax: the Part 10 file."""
    client = DICOMwebClient(f"{broker.root}/aets/WEB")
    answer = client._http_get(
        f"{broker.root}/aets/WEB/studies/{header.StudyInstanceUID}"
        f"/series/{header.SeriesInstanceUID}/instances/{header.SOPInstanceUID}",
        headers={"Accept": EVERY_SYNTAX},
    )
    (part,) = client._decode_multipart_message(answer, stream=False)
    return bytes(part)


@pytest.mark.parametrize("path", samples.GOOD + samples.DERIVED, ids=lambda path: path.name)
def test_a_valid_file_goes_in_by_stow_and_comes_back_by_wado(
    broker: peers.Hilum, path: Path, tmp_path: Path
) -> None:
    header = meta(path)
    answer = stow(broker, path.read_bytes())
    assert answer.status_code == 200, answer.text
    back = tmp_path / "back.dcm"
    back.write_bytes(wado(broker, header))
    if header.file_meta.TransferSyntaxUID not in NOT_ON_THE_WEB:
        assert encoded(back) == encoded(path)
        return
    ours, theirs = pydicom.dcmread(back), pydicom.dcmread(path)
    assert ours.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"
    assert_equal_values(ours, theirs)


def assert_equal_values(ours: pydicom.Dataset, theirs: pydicom.Dataset) -> None:
    """The same attributes, values and pixels, whatever the encoding."""
    if "PixelData" in theirs:
        assert np.array_equal(ours.pixel_array, theirs.pixel_array)
    for dataset in (ours, theirs):
        for keyword in ("PixelData", "DataSetTrailingPadding"):
            if keyword in dataset:
                del dataset[keyword]
    left, right = ours.to_json_dict(), theirs.to_json_dict()
    big = theirs.file_meta.TransferSyntaxUID == BIG
    for tag in [tag for tag in left | right if tag.endswith("0000")]:
        left.pop(tag, None)  # group lengths are no values
        right.pop(tag, None)
    for tag, element in right.items():
        if element["vr"] == "OB or OW":
            element["vr"] = left[tag]["vr"]
        if big and element["vr"] == "OW":  # pydicom leaves the bytes of words as they were
            words = np.frombuffer(base64.b64decode(element["InlineBinary"]), ">u2")
            element["InlineBinary"] = base64.b64encode(words.astype("<u2")).decode()
    assert left == right


@pytest.mark.parametrize("path", samples.EDGE + samples.DUP, ids=lambda path: path.name)
def test_a_broken_or_second_file_is_kept_or_refused_in_so_many_words(
    broker: peers.Hilum, path: Path
) -> None:
    answer = stow(broker, path.read_bytes())
    assert answer.status_code in (200, 202, 409), answer.text
    said = answer.json()
    references = said.get("00081199", {}).get("Value", [])
    failures = [
        *said.get("00081198", {}).get("Value", []),
        *said.get("0008119A", {}).get("Value", []),
    ]
    assert len(references) + len(failures) == 1
    if answer.status_code == 409:
        assert failures[0]["00081197"]["Value"][0]
        assert failures[0]["00000902"]["Value"][0]
    elif answer.status_code == 202:
        assert references[0]["00081196"]["Value"][0]
    assert httpx.get(f"{broker.root}/health").status_code == 200


@pytest.mark.parametrize("path", samples.EDGE + samples.DUP, ids=lambda path: path.name)
def test_a_broken_or_second_file_by_c_store_gets_a_status(broker: peers.Hilum, path: Path) -> None:
    sop_class, sop_instance, syntax = "1.2.840.10008.5.1.4.1.1.7", "1.2.3.4", IMPLICIT
    try:
        header, data = meta(path), encoded(path)
        sop_class, sop_instance = header.SOPClassUID, header.SOPInstanceUID
        syntax = header.file_meta.TransferSyntaxUID
    except (AttributeError, pydicom.errors.InvalidDicomError, EOFError, OSError, struct.error):
        data = path.read_bytes()
    with associated(broker, sop_class, syntax) as (association, _):
        if not any(each.abstract_syntax == sop_class for each in association.accepted_contexts):
            assert sop_class == DICOMDIR
            return
        status = send(association, sop_class, sop_instance, data)
    assert status in (SUCCESS, 0xB007, 0xA900, 0xC000, 0xC111), hex(status)
    assert httpx.get(f"{broker.root}/health").status_code == 200
