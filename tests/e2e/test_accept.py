"""What a client may ask for, on real processes: XML, ZIP, tags, WADO-URI, a PACS' answers."""

import shutil
import subprocess
import warnings
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import httpx
import pydicom
import pytest
from tests import peers, samples

from hilum.codec import dicom_json
from hilum.codec.dicom_xml import loads
from hilum.codec.multipart import closing, part_head

MOUNT = """
[mounts.PACS]
backend = "dimse"
aet = "ORTHANC"
host = "127.0.0.1"
port = {port}
retrieve = "get"
metadata = "find"
"""
CT = sorted(path for path in samples.GOOD if path.name.startswith("98892001_CT5N"))


def told(path: Path) -> pydicom.Dataset:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some samples are strange
        return pydicom.dcmread(path, stop_before_pixels=True)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[peers.Hilum]:
    """A broker whose archive has the samples, and that has an Orthanc with some behind it."""
    folder = tmp_path_factory.mktemp("accept")
    with peers.orthanc(folder / "db") as orthanc:
        for path in CT:
            orthanc.ask("/instances", path.read_bytes())
        config = peers.configuration(more=MOUNT.format(port=orthanc.port))
        with peers.hilum(folder, config) as running:
            heads = (part_head("b", {}, first=not number) for number in range(len(samples.GOOD)))
            files = (path.read_bytes() for path in samples.GOOD)
            content = b"".join(a + b for a, b in zip(heads, files, strict=True)) + closing("b")
            kind = 'multipart/related; type="application/dicom"; boundary=b'
            url = f"{running.dicomweb}/studies"
            stored = httpx.post(url, content=content, headers={"Content-Type": kind}, timeout=120)
            assert stored.status_code in {200, 202}
            yield running


def series(path: Path) -> str:
    dataset = told(path)
    return f"/studies/{dataset.StudyInstanceUID}/series/{dataset.SeriesInstanceUID}"


@pytest.mark.parametrize("path", samples.GOOD, ids=lambda path: path.name)
def test_the_metadata_of_each_sample_are_the_same_as_json_and_as_xml(
    broker: peers.Hilum, path: Path
) -> None:
    url = f"{broker.dicomweb}{series(path)}/instances/{told(path).SOPInstanceUID}/metadata"
    (as_json,) = httpx.get(url).json()
    answer = httpx.get(url, headers={"Accept": "application/dicom+xml"})
    as_xml = loads(answer.content)
    assert as_xml.keys() == as_json.keys()
    links = [each["BulkDataURI"] for each in as_xml.values() if "BulkDataURI" in each]
    assert links == [each["BulkDataURI"] for each in as_json.values() if "BulkDataURI" in each]


@pytest.mark.skipif(not CT, reason="the samples are not here")
def test_a_study_as_a_zip_is_unpacked_by_unzip(broker: peers.Hilum, tmp_path: Path) -> None:
    study = series(CT[0]).partition("/series/")[0]
    answer = httpx.get(f"{broker.dicomweb}{study}?accept=application/zip", timeout=60)
    with ZipFile(BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        read = {name: pydicom.dcmread(BytesIO(archive.read(name))) for name in archive.namelist()}
    for name, dataset in read.items():
        uids = dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPInstanceUID
        assert name == "/".join(uids) + ".dcm"
    assert {each.SOPInstanceUID for each in read.values()} >= {
        told(each).SOPInstanceUID for each in CT
    }
    if unzip := shutil.which("unzip"):
        (tmp_path / "study.zip").write_bytes(answer.content)
        command = [unzip, "-tq", str(tmp_path / "study.zip")]
        assert subprocess.run(command, check=False, timeout=60).returncode == 0


@pytest.mark.skipif(not CT, reason="the samples are not here")
def test_a_tag_outlasts_everything_but_a_change(broker: peers.Hilum) -> None:
    url = f"{broker.dicomweb}{series(CT[0])}/metadata"
    first = httpx.get(url)
    tag = first.headers["etag"]
    assert httpx.get(url).headers["etag"] == tag
    same = httpx.get(url, headers={"If-None-Match": tag})
    assert (same.status_code, same.content) == (304, b"")
    assert httpx.head(url).headers["etag"] == tag


@pytest.mark.skipif(not CT, reason="the samples are not here")
def test_wado_uri_gives_the_instance_and_its_picture(broker: peers.Hilum) -> None:
    dataset = told(CT[0])
    asked = {
        "requestType": "WADO",
        "studyUID": dataset.StudyInstanceUID,
        "seriesUID": dataset.SeriesInstanceUID,
        "objectUID": dataset.SOPInstanceUID,
    }
    for root in (broker.root, f"{broker.root}/aets/PACS"):
        picture = httpx.get(f"{root}/wado", params=asked, timeout=60)
        assert picture.headers["content-type"] == "image/jpeg"
        assert picture.content.startswith(b"\xff\xd8")
        plain = httpx.get(f"{root}/wado", params={**asked, "contentType": "application/dicom"})
        given = pydicom.dcmread(BytesIO(plain.content))
        assert given.SOPInstanceUID == dataset.SOPInstanceUID
        assert not given.file_meta.TransferSyntaxUID.is_implicit_VR


@pytest.mark.skipif(not CT, reason="the samples are not here")
def test_what_a_pacs_finds_is_what_its_instances_say(broker: peers.Hilum) -> None:
    url = f"{broker.root}/aets/PACS{series(CT[0])}/metadata"
    found = {each["00080018"]["Value"][0]: each for each in httpx.get(url, timeout=60).json()}
    whole = {
        each["00080018"]["Value"][0]: each
        for each in httpx.get(f"{broker.dicomweb}{series(CT[0])}/metadata").json()
    }
    mine = {told(path).SOPInstanceUID for path in CT}
    assert found.keys() == mine
    assert all("7FE00010" not in each for each in found.values())  # from answers
    for uid, each in found.items():
        different = {key for key in each if each[key].get("Value") != whole[uid][key].get("Value")}
        assert not different, dicom_json.dumps({key: each[key] for key in different})
