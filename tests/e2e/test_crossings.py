"""Every good sample through the four crossings: in by one protocol, kept by the other, and back.

What stands behind the mounts is a second Hilum, which keeps the bytes that it gets, and Orthanc.
"""

import warnings
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest
from tests import peers, samples
from tests.e2e.carried import (
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

from hilum.codec.part10 import encode_meta

FILES = samples.GOOD + samples.DERIVED
EXPLICIT = "1.2.840.10008.1.2.1"


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[peers.Hilum]:
    """A broker without an archive; two archives of another stand behind its four mounts."""
    archives = "".join(
        f'[mounts.{name}]\nbackend = "archive"\n' for name in ("DD", "DW", "WD", "WW")
    )
    far = peers.configuration(dimse="accept_unknown_callers = true", more=archives)
    folder = tmp_path_factory.mktemp("crossings")
    with peers.hilum(folder / "far", far) as behind:
        mounts = "".join(
            f'[mounts.{name}]\nbackend = "dimse"\naet = "{name}"\nhost = "{peers.HOST}"\n'
            f'port = {behind.port}\nretrieve = "get"\n'
            for name in ("DD", "WD")
        )
        mounts += "".join(
            f'[mounts.{name}]\nbackend = "dicomweb"\nurl = "{behind.root}/aets/{name}"\n'
            for name in ("DW", "WW")
        )
        config = peers.configuration(dimse="accept_unknown_callers = true", more=mounts)
        with peers.hilum(folder / "near", config) as running:
            yield running


@pytest.fixture(autouse=True)
def _quietly() -> Iterator[None]:
    """pydicom complains of the samples, which is what they are for."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def assert_same(back: bytes, path: Path, folder: Path, syntax: str) -> None:
    """The data set that came back is that of the file, byte for byte where the syntax stayed."""
    sent = encoded(path)
    if syntax == meta(path).file_meta.TransferSyntaxUID:
        assert back in (sent, sent + bytes(len(sent) % 2))  # over DIMSE an odd one has a NUL more
        return
    file = folder / "back.dcm"
    dataset = pydicom.dcmread(path, stop_before_pixels=True)
    head = encode_meta(str(dataset.SOPClassUID), str(dataset.SOPInstanceUID), syntax)
    file.write_bytes(head + back)
    assert_equal_values(pydicom.dcmread(file), pydicom.dcmread(path))


def in_and_out_by_dimse(
    broker: peers.Hilum, path: Path, mount: str, folder: Path, *, web: bool
) -> None:
    header, data = meta(path), encoded(path)
    uid, syntax = header.SOPClassUID, header.file_meta.TransferSyntaxUID
    with associated(broker, uid, syntax, mount) as (association, got):
        assert send(association, uid, header.SOPInstanceUID, data) == SUCCESS
        if web and syntax in NOT_ON_THE_WEB:
            _explicit(broker, path, mount, folder)
            return
        assert get_back(association, header) == SUCCESS
    [back] = got
    assert_same(back, path, folder, syntax)


def _explicit(broker: peers.Hilum, path: Path, mount: str, folder: Path) -> None:
    """What the web does not allow is kept behind it in Explicit VR Little Endian."""
    header = meta(path)
    with associated(broker, header.SOPClassUID, EXPLICIT, mount) as (association, got):
        assert get_back(association, header) == SUCCESS
    [back] = got
    assert_same(back, path, folder, EXPLICIT)


def in_and_out_by_web(broker: peers.Hilum, path: Path, mount: str, folder: Path) -> None:
    header = meta(path)
    answer = stow(broker, path.read_bytes(), mount)
    assert answer.status_code == 200, answer.text
    file = folder / "given.dcm"
    file.write_bytes(wado(broker, header, mount))
    syntax = header.file_meta.TransferSyntaxUID
    given = EXPLICIT if syntax in NOT_ON_THE_WEB else syntax
    assert meta(file).file_meta.TransferSyntaxUID == given
    assert_same(encoded(file), path, folder, given)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_dimse_to_dimse(broker: peers.Hilum, path: Path, tmp_path: Path) -> None:
    in_and_out_by_dimse(broker, path, "DD", tmp_path, web=False)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_dimse_to_dicomweb(broker: peers.Hilum, path: Path, tmp_path: Path) -> None:
    in_and_out_by_dimse(broker, path, "DW", tmp_path, web=True)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_dicomweb_to_dimse(broker: peers.Hilum, path: Path, tmp_path: Path) -> None:
    in_and_out_by_web(broker, path, "WD", tmp_path)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_dicomweb_to_dicomweb(broker: peers.Hilum, path: Path, tmp_path: Path) -> None:
    in_and_out_by_web(broker, path, "WW", tmp_path)


def test_there_is_something_to_carry() -> None:
    assert FILES
