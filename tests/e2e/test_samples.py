"""Every sample file through every door of a running broker, and back."""

import struct
import warnings
from collections.abc import Iterator
from pathlib import Path

import httpx
import pydicom
import pytest
from tests import peers, samples
from tests.e2e.carried import (
    IMPLICIT,
    NOT_ON_THE_WEB,
    SUCCESS,
    assert_equal_values,
    associated,
    encoded,
    get_back,
    meta,
    send,
    stow,
    wado,
)

DICOMDIR = "1.2.840.10008.1.3.10"  # Media Storage Directory Storage


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
