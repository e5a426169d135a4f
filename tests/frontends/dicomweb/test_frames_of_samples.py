import warnings
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.encaps import generate_frames
from pydicom.pixels import pixel_array
from tests import samples
from tests.frontends.dicomweb.conftest import Served
from tests.frontends.dicomweb.test_frames import AS_STORED, EXPLICIT, OCTETS, archive, workshop
from tests.frontends.dicomweb.test_wado import parts_of

from hilum.backends.archive import Archive
from hilum.codec.fragments import media_type_of
from hilum.codec.part10 import read_head
from hilum.imaging.codecs import encapsulates
from hilum.imaging.decode import decode
from hilum.imaging.pixels import Pixels
from hilum.model.instance import Instance
from hilum.workshop.pool import Workshop

__all__ = ["archive", "workshop"]  # fixtures

pytestmark = pytest.mark.anyio


async def keep(archive: Archive, path: Path) -> pydicom.Dataset:
    await store(archive, path.read_bytes())  # noqa: ASYNC240 - a small file
    return read(path)


async def store(archive: Archive, data: bytes) -> None:
    head = read_head(data, complete=True)
    assert head is not None

    async def chunks() -> AsyncIterator[bytes]:
        yield data[head.offset :]

    one = Instance("", "", head.transfer_syntax_uid, chunks(), None)
    async with archive.open() as session:
        stored = await session.store(one)
    assert stored.failure is None


def url(dataset: pydicom.Dataset) -> str:
    return (
        f"/dicomweb/studies/{dataset.StudyInstanceUID}/series/{dataset.SeriesInstanceUID}"
        f"/instances/{dataset.SOPInstanceUID}"
    )


PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
EVERY = [*samples.GOOD, *samples.DERIVED]


def read(path: Path) -> pydicom.Dataset:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pydicom.dcmread(path, force=True)


def is_encapsulated(dataset: pydicom.Dataset) -> bool:
    return "PixelData" in dataset and dataset["PixelData"].is_undefined_length


def expected(dataset: pydicom.Dataset) -> list[bytes]:
    """The frames as they are stored, compressed ones by pydicom's own reader."""
    count = int(dataset.get("NumberOfFrames", 1) or 1)
    syntax = dataset.file_meta.TransferSyntaxUID
    if is_encapsulated(dataset):
        video = media_type_of(syntax).startswith("video/")
        number = 1 if video else count
        return [*generate_frames(dataset.PixelData, number_of_frames=number)]
    if dataset.get("BitsAllocated") == 1:
        return [_bits(dataset, number) for number in range(count)]
    value = next(dataset[each].value for each in PIXELS if each in dataset)
    if syntax == pydicom.uid.ExplicitVRBigEndian:
        word = 2 if dataset.BitsAllocated <= 8 else dataset.BitsAllocated // 8
        if dataset["PixelData"].VR == "OW" or dataset.BitsAllocated > 8:
            value = b"".join(value[at : at + word][::-1] for at in range(0, len(value), word))
    samples_ = dataset.SamplesPerPixel
    if dataset.PhotometricInterpretation == "YBR_FULL_422":
        samples_ = 2
    bits = dataset.get("BitsAllocated") or 0
    if "FloatPixelData" in dataset:
        bits = 32
    if "DoubleFloatPixelData" in dataset:
        bits = 64
    size = dataset.Rows * dataset.Columns * samples_ * bits // 8
    return [value[n * size : (n + 1) * size] for n in range(count)]


def _bits(dataset: pydicom.Dataset, number: int) -> bytes:
    size = dataset.Rows * dataset.Columns
    every = int.from_bytes(dataset.PixelData, "little") >> (number * size)
    return (every & ((1 << size) - 1)).to_bytes(-(-size // 8), "little")


@pytest.mark.parametrize("path", EVERY, ids=lambda path: path.name)
async def test_every_sample_gives_its_frames_as_they_are_stored(
    served: Served, archive: Archive, path: Path
) -> None:
    dataset = await keep(archive, path)
    if not any(keyword in dataset for keyword in PIXELS):
        async with served(archive) as client:
            assert (await client.get(f"{url(dataset)}/frames/1")).status_code == 404
        return
    frames = expected(dataset)
    syntax = str(dataset.file_meta.TransferSyntaxUID)
    stored = syntax if is_encapsulated(dataset) else EXPLICIT
    async with served(archive) as client:
        answer = await client.get(f"{url(dataset)}/pixeldata", headers={"Accept": AS_STORED})
        assert answer.status_code == 200, answer.text
        parts = parts_of(answer)
        assert [data for _, data in parts] == frames
        assert {h["content-type"] for h, _ in parts} == {f"{OCTETS}; transfer-syntax={stored}"}
        assert int(answer.headers["content-length"]) == len(answer.content)
        last = len(frames)
        answer = await client.get(f"{url(dataset)}/frames/{last}")
        ((headers, data),) = parts_of(answer)
        assert data == frames[-1]
        kind = media_type_of(syntax)
        assert headers["content-type"] == f"{kind}; transfer-syntax={stored}"
        alone = {"Accept": f"{kind}; transfer-syntax=*"}
        answer = await client.get(f"{url(dataset)}/frames/{last}", headers=alone)
        assert answer.content == frames[-1]
        assert answer.headers["content-type"] == f"{kind}; transfer-syntax={stored}"


def syntax_of(path: Path) -> str:
    with path.open("rb") as file:
        head = read_head(file.read(4096), complete=False)
    return "" if head is None else head.transfer_syntax_uid


COMPRESSED = [path for path in EVERY if encapsulates(syntax_of(path))]


def by_pydicom(path: Path, number: int) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return pixel_array(path, index=number)
        except Exception as error:  # noqa: BLE001 - whatever: there is nothing to compare with
            return error


@pytest.mark.parametrize("path", COMPRESSED, ids=lambda path: path.name)
async def test_a_compressed_frame_is_decoded_as_pydicom_does(
    served: Served, archive: Archive, workshop: Workshop, path: Path
) -> None:
    dataset = await keep(archive, path)
    last = int(dataset.get("NumberOfFrames", 1) or 1)
    async with served(archive, workshop=workshop) as client:
        answer = await client.get(f"{url(dataset)}/frames/{last}", headers={"Accept": OCTETS})
    theirs = by_pydicom(path, last - 1)
    if isinstance(theirs, Exception):
        assert answer.status_code in {200, 404, 406}, answer.text
        return
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == f"{OCTETS}; transfer-syntax={EXPLICIT}"
    ours = np.frombuffer(answer.content, theirs.dtype)
    if dataset.BitsAllocated == 1:
        ours = np.unpackbits(ours, bitorder="little")
    if dataset.get("SamplesPerPixel") == 3 and dataset.get("PlanarConfiguration") == 1:
        ours = ours.reshape(3, -1).T if ours.size == theirs.size else ours
    ours = ours.reshape(theirs.shape)
    assert np.abs(ours.astype(int) - theirs.astype(int)).max() <= 2


@pytest.mark.parametrize(
    ("name", "kind", "syntax"),
    [
        ("MR_small.dcm", "image/jls", "1.2.840.10008.1.2.4.80"),
        ("MR_small.dcm", "image/jp2", "1.2.840.10008.1.2.4.90"),
        ("MR_small.dcm", "image/dicom-rle", "1.2.840.10008.1.2.5"),
        ("ExplVR_BigEnd.dcm", "image/jls", "1.2.840.10008.1.2.4.80"),
        ("MR2_JLSL.dcm", "image/dicom-rle", "1.2.840.10008.1.2.5"),
    ],
)
async def test_a_frame_is_encoded_in_what_the_client_asks_for(  # noqa: PLR0913, PLR0917 - a table
    served: Served, archive: Archive, workshop: Workshop, name: str, kind: str, syntax: str
) -> None:
    path = next((each for each in EVERY if each.name == name), None)
    if path is None:
        pytest.skip("this sample is not here")
    dataset = await keep(archive, path)
    async with served(archive, workshop=workshop) as client:
        answer = await client.get(f"{url(dataset)}/frames/1", headers={"Accept": kind})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == f"{kind}; transfer-syntax={syntax}"
    pixels = Pixels(
        syntax, dataset.Rows, dataset.Columns, samples=dataset.SamplesPerPixel,
        photometric=dataset.PhotometricInterpretation, allocated=dataset.BitsAllocated,
        stored=dataset.BitsStored, signed=dataset.PixelRepresentation == 1,
    )  # fmt: skip
    theirs = by_pydicom(path, 0)
    assert np.array_equal(decode(answer.content, pixels, whole=True).array, theirs)
