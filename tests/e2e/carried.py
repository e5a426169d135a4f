"""How an instance is carried through a broker by real clients, and what is compared then."""

import base64
import io
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pydicom
from dicomweb_client.api import DICOMwebClient
from pydicom.filereader import _read_file_meta_info, read_preamble
from pynetdicom import AE, build_role, evt
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.sop_class import (  # type: ignore[attr-defined]  # made at import time
    StudyRootQueryRetrieveInformationModelGet as StudyRootGet,
)
from tests import peers

IMPLICIT, BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"
NOT_ON_THE_WEB = (IMPLICIT, BIG)  # PS3.18 §8.7.3
SUCCESS = 0x0000
DICOM_JSON = "application/dicom+json"
EVERY_SYNTAX = 'multipart/related; type="application/dicom"; transfer-syntax=*'


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


def stow(broker: peers.Hilum, data: bytes, mount: str = "WEB") -> httpx.Response:
    """STOW-RS of one file into a mount."""
    body = b"--b\r\nContent-Type: application/dicom\r\n\r\n" + data + b"\r\n--b--\r\n"
    kind = 'multipart/related; type="application/dicom"; boundary=b'
    return httpx.post(
        f"{broker.root}/aets/{mount}/studies",
        content=body,
        headers={"Content-Type": kind, "Accept": DICOM_JSON},
        timeout=60,
    )


def wado(broker: peers.Hilum, header: pydicom.Dataset, mount: str = "WEB") -> bytes:
    """WADO-RS of one instance in any transfer syntax: the Part 10 file."""
    client = DICOMwebClient(f"{broker.root}/aets/{mount}")
    answer = client._http_get(
        f"{broker.root}/aets/{mount}/studies/{header.StudyInstanceUID}"
        f"/series/{header.SeriesInstanceUID}/instances/{header.SOPInstanceUID}",
        headers={"Accept": EVERY_SYNTAX},
    )
    (part,) = client._decode_multipart_message(answer, stream=False)
    return bytes(part)


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
