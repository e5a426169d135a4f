"""The whole way in and out over real sockets, on real backends, with the sample files."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import numpy as np
import pydicom
import pytest
from dicomweb_client.api import DICOMwebClient
from tests import samples
from tests.frontends.dicomweb.conftest import Served
from tests.frontends.dicomweb.test_wado import parts_of

from hilum.backends.archive.archive import open_archive
from hilum.backends.memory import Memory
from hilum.codec import part10, reencode
from hilum.codec.header import EXPLICIT_BIG, EXPLICIT_LITTLE
from hilum.codec.multipart import closing, part_head
from hilum.config.mounts import ArchiveMount
from hilum.frontends.dicomweb.wanted import NEVER

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.filterwarnings("ignore::UserWarning:pydicom"),  # it warns of what samples hold
]

TYPE = 'multipart/related; type="application/dicom"; boundary=b'
RELATED = 'multipart/related; type="application/dicom"'
Open = Callable[[], AbstractAsyncContextManager[object]]


@pytest.fixture(params=["archive", "memory"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    @asynccontextmanager
    async def memory() -> AsyncIterator[object]:
        yield Memory()

    if request.param == "memory":
        return memory
    settings = ArchiveMount(durability="relaxed")
    return lambda: open_archive(settings, tmp_path / "archive", "ONE")


def split(path: Path) -> tuple[part10.Head, bytes]:
    data = path.read_bytes()
    head = part10.read_head(data, complete=True)
    assert head is not None
    return head, data[head.offset :]


def body(*files: Path) -> bytes:
    parts = [
        part_head("b", {"Content-Type": "application/dicom"}, first=not n) + path.read_bytes()
        for n, path in enumerate(files)
    ]
    return b"".join(parts) + closing("b")


async def store(client: httpx.AsyncClient, *files: Path) -> httpx.Response:
    headers = {"Content-Type": TYPE}
    return await client.post("/dicomweb/studies", content=body(*files), headers=headers)


def local(url: str) -> str:
    return urlsplit(url).path


async def test_every_good_file_comes_back_as_it_went_in(served: Served, opened: Open) -> None:
    files = samples.GOOD
    async with opened() as backend, served(backend) as client:
        answer = await store(client, *files)
        assert answer.status_code in {200, 202}
        response = pydicom.Dataset.from_json(answer.json())
        assert "FailedSOPSequence" not in response
        assert "OtherFailuresSequence" not in response
        for path, kept in zip(files, response.ReferencedSOPSequence, strict=True):
            head, data = split(path)
            url = local(kept.RetrieveURL)
            headers = {"Accept": f"{RELATED}; transfer-syntax=*"}
            answer = await client.get(url, headers=headers)
            assert answer.status_code == 200, (path, answer.text)
            ((_, part),) = parts_of(answer)
            given = part10.read_head(part, complete=True)
            assert given is not None
            if head.transfer_syntax_uid in NEVER:
                assert given.transfer_syntax_uid == EXPLICIT_LITTLE
                same(path, part)
            else:
                assert given.transfer_syntax_uid == head.transfer_syntax_uid
                assert part[given.offset :] == data, path
            await default(client, url, path, head)


def same(path: Path, part: bytes) -> None:
    """Equal values and pixels, by pydicom."""
    one, other = pydicom.dcmread(path), pydicom.dcmread(BytesIO(part))
    if "PixelData" in one and one.get("BitsAllocated", 8) <= 16:
        assert (one.pixel_array == other.pixel_array).all()
    del one[0x7FE0_0010:], other[0x7FE0_0010:]
    if one.file_meta.TransferSyntaxUID == EXPLICIT_BIG:
        for element in one:
            if element.VR == "OW":  # pydicom gives words as they stand in the file
                element.value = np.frombuffer(element.value, ">u2").astype("<u2").tobytes()
    # Group lengths (retired, PS3.5 §7.2) say how long something was encoded: left out.
    assert values(one) == values(other), path


def values(dataset: pydicom.Dataset) -> dict[str, object]:
    attributes = dataset.to_json_dict(suppress_invalid_tags=True)
    # pydicom does not settle every ambiguous VR of the implicit syntax ("OB or OW").
    return {
        tag: {name: value for name, value in element.items() if name != "vr"}
        for tag, element in attributes.items()
        if not tag.endswith("0000")
    }


async def default(client: httpx.AsyncClient, url: str, path: Path, head: part10.Head) -> None:
    """With no syntax named: Explicit VR Little Endian, or compressed as stored."""
    answer = await client.get(url, headers={"Accept": "application/dicom"})
    assert answer.status_code == 200
    syntax = pydicom.dcmread(BytesIO(answer.content)).file_meta.TransferSyntaxUID
    plain = reencode.possible(head.transfer_syntax_uid, EXPLICIT_LITTLE)
    assert syntax == (EXPLICIT_LITTLE if plain else head.transfer_syntax_uid), path


async def test_metadata_and_all_its_bulk_data_can_be_had(served: Served, opened: Open) -> None:
    files = samples.GOOD
    async with opened() as backend, served(backend) as client:
        answer = await store(client, *files)
        response = pydicom.Dataset.from_json(answer.json())
        for item in response.ReferencedSOPSequence:
            url = local(item.RetrieveURL)
            (attributes,) = (await client.get(url + "/metadata")).json()
            assert attributes["00080018"]["Value"] == [item.ReferencedSOPInstanceUID]
            for uri in bulk_uris(attributes):
                assert uri.startswith(item.RetrieveURL + "/bulkdata/")
                for accept in ({}, {"Accept": "*/*"}):
                    answer = await client.get(local(uri), headers=accept)
                    assert answer.status_code == 200, (uri, answer.text)
                    assert answer.content


def bulk_uris(attributes: dict[str, dict[str, object]]) -> Iterator[str]:
    for element in attributes.values():
        if "BulkDataURI" in element:
            yield str(element["BulkDataURI"])
        for value in element.get("Value", ()) if element["vr"] == "SQ" else ():
            yield from bulk_uris(value)


async def test_frames_of_compressed_pixels_are_those_of_the_file(
    served: Served, opened: Open
) -> None:
    """Every sample in a syntax of which pydicom can tell the frames apart."""
    compressed = [
        path for path in samples.GOOD if split(path)[0].transfer_syntax_uid not in reencode.SYNTAXES
    ]
    async with opened() as backend, served(backend) as client:
        answer = await store(client, *compressed)
        response = pydicom.Dataset.from_json(answer.json())
        urls = {
            item.ReferencedSOPInstanceUID: local(item.RetrieveURL)
            for item in response.ReferencedSOPSequence
        }
        for path in compressed:
            dataset = pydicom.dcmread(path)
            count = int(dataset.get("NumberOfFrames") or 1)
            if "PixelData" not in dataset or not dataset.PixelData:
                continue
            frames = list(pydicom.encaps.generate_frames(dataset.PixelData, number_of_frames=count))
            answer = await client.get(urls[dataset.SOPInstanceUID] + "/bulkdata/7FE00010")
            assert [data for _, data in parts_of(answer)] == frames, path


@pytest.mark.parametrize("kind", ["EDGE", "DUP", "DERIVED"])
async def test_odd_files_are_refused_clearly_or_kept(
    served: Served, opened: Open, kind: str
) -> None:
    async with opened() as backend, served(backend) as client:
        for path in getattr(samples, kind):
            answer = await store(client, path)
            assert answer.status_code in {200, 202, 409}, path
            response = pydicom.Dataset.from_json(answer.json())
            if answer.status_code == 409:
                failures = [
                    *response.get("FailedSOPSequence", []),
                    *response.get("OtherFailuresSequence", []),
                ]
                assert failures[0].FailureReason
                assert failures[0].ErrorComment
                continue
            (kept,) = response.ReferencedSOPSequence
            assert ("WarningReason" in kept) == (answer.status_code == 202)
            url = local(kept.RetrieveURL)
            answer = await client.get(url, headers={"Accept": f"{RELATED}; transfer-syntax=*"})
            assert answer.status_code in {200, 406}, (path, answer.text)
            assert (await client.get(url + "/metadata")).status_code == 200, path
        assert (await client.get("/health")).status_code == 200
        assert (await client.get("/dicomweb/instances?includefield=all")).status_code == 200


async def test_a_strangers_client_can_do_all_of_it(served: Served, opened: Open) -> None:
    """dicomweb-client, which asks in its own way."""
    files = samples.GOOD[:25]
    async with opened() as backend, served(backend) as client:
        url = f"http://127.0.0.1:{client.base_url.port}/dicomweb"
        await asyncio.to_thread(strangely, url, files)


def strangely(url: str, files: list[Path]) -> None:
    stranger = DICOMwebClient(url)
    try:
        stored = stranger.store_instances([pydicom.dcmread(path) for path in files])
        assert len(stored.ReferencedSOPSequence) == len(files)
        studies = stranger.search_for_studies()
        uids = {pydicom.dcmread(path, stop_before_pixels=True).StudyInstanceUID for path in files}
        assert {study["0020000D"]["Value"][0] for study in studies} == uids
        assert stranger.search_for_studies(limit=1, offset=1) == studies[1:2]
        assert stranger.search_for_studies(limit=2, get_remaining=True) == studies
        study = studies[0]["0020000D"]["Value"][0]
        assert (
            stranger.search_for_studies(search_filters={"StudyInstanceUID": study}) == studies[:1]
        )
        (series, *_) = stranger.search_for_series(study)
        series_uid = series["0020000E"]["Value"][0]
        instances = stranger.search_for_instances(study, series_uid, fields=["Rows", "00280011"])
        instance_uid = instances[0]["00080018"]["Value"][0]
        assert len(stranger.retrieve_series(study, series_uid)) == len(instances)
        assert stranger.retrieve_study(study)
        dataset = stranger.retrieve_instance(study, series_uid, instance_uid)
        assert dataset.SOPInstanceUID == instance_uid
        (metadata,) = (stranger.retrieve_instance_metadata(study, series_uid, instance_uid),)
        assert metadata["00080018"]["Value"] == [instance_uid]
        assert len(stranger.retrieve_series_metadata(study, series_uid)) == len(instances)
        assert stranger.retrieve_study_metadata(study)
        pixels = metadata.get("7FE00010", {}).get("BulkDataURI")
        if pixels:
            assert stranger.retrieve_bulkdata(pixels)[0]
    finally:
        stranger._session.close()


async def test_searches_find_what_was_stored(served: Served, opened: Open) -> None:
    async with opened() as backend, served(backend) as client:
        await store(client, *samples.GOOD)
        studies = (await client.get("/dicomweb/studies")).json()
        assert studies == (await client.get("/dicomweb/studies")).json()
        for study in studies[:10]:
            uid = study["0020000D"]["Value"][0]
            assert local(study["00081190"]["Value"][0]) == f"/dicomweb/studies/{uid}"
            found = (await client.get(f"/dicomweb/studies?StudyInstanceUID={uid}")).json()
            assert found == [study]
            below = (await client.get(f"/dicomweb/studies/{uid}/instances")).json()
            assert len(below) == study["00201208"]["Value"][0]
            series = (await client.get(f"/dicomweb/series?StudyInstanceUID={uid}")).json()
            assert len(series) == study["00201206"]["Value"][0]
            assert all(each["0020000D"]["Value"] == [uid] for each in series)
            assert all(each.get("00100020") == study.get("00100020") for each in series)
        one, two = (study["0020000D"]["Value"][0] for study in studies[:2])
        found = (await client.get(f"/dicomweb/studies?0020000D={one},{two}")).json()
        assert found == studies[:2]
