"""Instances in a Transfer Syntax in which they are not stored."""

from collections.abc import AsyncIterator, Iterator
from io import BytesIO
from pathlib import Path

import httpx
import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID
from tests.frontends.dicomweb.backend import Kept, Scripted
from tests.frontends.dicomweb.conftest import Served
from tests.frontends.dicomweb.test_wado import INSTANCE, RELATED, STUDY, parts_of, read, syntaxes
from tests.workshop import failing

from hilum.config.imaging import ImagingSettings
from hilum.frontends.dicomweb import held
from hilum.imaging.codecs import BASELINE, J2K, J2K_LOSSLESS, JLS_LOSSLESS, RLE_LOSSLESS
from hilum.workshop import tasks
from hilum.workshop.pool import open_workshop
from hilum.workshop.transcodes import Transcoder

pytestmark = pytest.mark.anyio
ILE, ELE = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
SETTINGS = ImagingSettings(processes=2)
SC = "1.2.840.10008.5.1.4.1.1.7"


@pytest.fixture
async def transcoder(tmp_path: Path) -> AsyncIterator[Transcoder]:
    async with open_workshop(SETTINGS) as workshop:
        yield Transcoder(workshop, SETTINGS, tmp_path)


@pytest.fixture(autouse=True)
def _leaves_no_file(tmp_path: Path) -> Iterator[None]:
    yield
    assert list(tmp_path.iterdir()) == []


def image(syntax: str = RLE_LOSSLESS, uid: str = "1.9.1", rows: int = 64) -> Kept:
    """Noise, in that syntax by pydicom."""
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = SC, uid
    dataset.Rows, dataset.Columns = rows, 64
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation, dataset.SamplesPerPixel = 15, 0, 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.add_new(0x7FE00010, "OW", pixels(rows).tobytes())
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = UID(ELE)
    if syntax != ELE:
        dataset.compress(syntax, generate_instance_uid=False)
    del dataset.file_meta
    out = BytesIO()
    dataset.save_as(out, implicit_vr=False, little_endian=True)
    return Kept(uid, out.getvalue(), syntax, kind=SC)


def pixels(rows: int = 64) -> "np.ndarray[tuple[int, int], np.dtype[np.uint16]]":
    return np.random.default_rng(1).integers(0, 2**16, (rows, 64), np.uint16)


def broken(uid: str = "1.9.1", syntax: str = J2K_LOSSLESS) -> Kept:
    kept = image(J2K_LOSSLESS, uid)
    start = kept.data.index(b"\xff\x4f\xff\x51") + 4
    return Kept(uid, kept.data[:start] + b"\xaa" * 200 + kept.data[start + 200 :], syntax, kind=SC)


def asking(syntax: str = "", kind: str = RELATED) -> dict[str, str]:
    return {"Accept": f"{kind}; transfer-syntax={syntax}" if syntax else kind}


def images_of(answer: httpx.Response) -> list[Dataset]:
    return [read(data) for _, data in parts_of(answer)]


@pytest.mark.parametrize("stored", [RLE_LOSSLESS, J2K_LOSSLESS, JLS_LOSSLESS])
@pytest.mark.parametrize("accept", ["*/*", RELATED, f"{RELATED}; transfer-syntax={ELE}"])
async def test_what_is_compressed_without_loss_goes_out_decoded(
    served: Served, backend: Scripted, transcoder: Transcoder, stored: str, accept: str
) -> None:
    backend.kept = [image(stored, "1.9.1"), image(ELE, "1.9.2"), image(stored, "1.9.3")]
    async with served(backend, transcodes=transcoder) as client:
        answer = await client.get(STUDY, headers={"Accept": accept})
        assert answer.status_code == 200
        assert syntaxes(answer) == [ELE] * 3
        for number, made in enumerate(images_of(answer), 1):
            assert made.SOPInstanceUID == f"1.9.{number}"
            assert np.array_equal(made.pixel_array, pixels())


@pytest.mark.parametrize("stored", [RLE_LOSSLESS, J2K_LOSSLESS, BASELINE, ELE])
async def test_a_star_is_as_stored(
    served: Served, backend: Scripted, transcoder: Transcoder, stored: str
) -> None:
    kept = image() if stored == BASELINE else image(stored)
    kept.syntax = stored
    backend.kept = [kept]
    async with served(backend, transcodes=transcoder) as client:
        answer = await client.get(STUDY, headers=asking("*"))
        ((headers, data),) = parts_of(answer)
        assert headers["content-type"].endswith(f"transfer-syntax={stored}")
        assert data.endswith(kept.data)


@pytest.mark.parametrize("stored", [BASELINE, J2K, "1.2.840.10008.1.2.4.102", "1.2.3.4"])
async def test_what_has_lost_already_or_cannot_be_decoded_goes_out_as_it_is(
    served: Served, backend: Scripted, transcoder: Transcoder, stored: str
) -> None:
    kept = image()
    kept.syntax = stored
    backend.kept = [kept]
    async with served(backend, transcodes=transcoder) as client:
        ((_, data),) = parts_of(await client.get(STUDY))
        assert data.endswith(kept.data)


@pytest.mark.parametrize("target", [RLE_LOSSLESS, J2K_LOSSLESS, JLS_LOSSLESS])
@pytest.mark.parametrize("stored", [ELE, RLE_LOSSLESS, J2K_LOSSLESS])
async def test_a_syntax_that_is_named_is_given(
    served: Served, backend: Scripted, transcoder: Transcoder, stored: str, target: str
) -> None:
    backend.kept = [image(stored)]
    async with served(backend, transcodes=transcoder) as client:
        answer = await client.get(STUDY, headers=asking(target))
        assert syntaxes(answer) == [target]
        assert np.array_equal(images_of(answer)[0].pixel_array, pixels())
        alone = await client.get(INSTANCE, headers=asking(target, "application/dicom"))
        assert alone.headers["content-type"] == f"application/dicom; transfer-syntax={target}"
        assert int(alone.headers["content-length"]) == len(alone.content)
        assert np.array_equal(read(alone.content).pixel_array, pixels())


async def test_nothing_is_lost_because_a_client_asks(
    served: Served, backend: Scripted, transcoder: Transcoder
) -> None:
    backend.kept = [image()]
    async with served(backend, transcodes=transcoder) as client:
        assert (await client.get(STUDY, headers=asking(BASELINE))).status_code == 406
        assert (await client.get(STUDY, headers=asking(ILE))).status_code == 406


async def test_pixels_that_cannot_be_decoded_are_406_where_decoded_ones_are_asked_for(
    served: Served, backend: Scripted, transcoder: Transcoder
) -> None:
    backend.kept = [broken()]
    async with served(backend, transcodes=transcoder) as client:
        for path, kind in ((STUDY, RELATED), (INSTANCE, RELATED), (INSTANCE, "application/dicom")):
            answer = await client.get(path, headers=asking(ELE, kind))
            assert answer.status_code == 406


async def test_and_go_out_as_they_are_where_no_syntax_is_named(
    served: Served, backend: Scripted, transcoder: Transcoder
) -> None:
    backend.kept = [image(uid="1.9.1"), broken("1.9.2"), image(uid="1.9.3")]
    async with served(backend, transcodes=transcoder) as client:
        answer = await client.get(STUDY)
        assert answer.status_code == 200
        kinds = [headers["content-type"].partition("=")[2] for headers, _ in parts_of(answer)]
        assert kinds == [ELE, J2K_LOSSLESS, ELE]
        assert parts_of(answer)[1][1].endswith(backend.kept[1].data)
        backend.kept = [broken()]
        alone = await client.get(INSTANCE, headers={"Accept": "application/dicom"})
        assert alone.headers["content-type"].endswith(J2K_LOSSLESS)
        assert alone.content.endswith(backend.kept[0].data)


async def test_one_that_cannot_be_transcoded_takes_no_others_with_it(
    served: Served, backend: Scripted, transcoder: Transcoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend.kept = [broken("1.9.1"), image(uid="1.9.2"), broken("1.9.3"), image(uid="1.9.4")]
    async with served(backend, transcodes=transcoder) as client:
        for manifest in (True, False):
            backend.manifest = manifest
            answer = await client.get(STUDY, headers=asking(ELE))
            assert answer.status_code == 206
            assert [each.SOPInstanceUID for each in images_of(answer)] == ["1.9.2", "1.9.4"]
            assert answer.headers["warning"].count("2") >= 1
        monkeypatch.setattr(held, "HOLD", 1)
        with pytest.raises(httpx.RemoteProtocolError):  # too late to tell: not as if whole
            await client.get(STUDY, headers=asking(ELE))


async def test_the_next_syntax_that_the_client_takes_is_given_where_the_first_fails(
    served: Served, backend: Scripted, transcoder: Transcoder
) -> None:
    backend.kept = [broken()]
    accept = f"{RELATED}; transfer-syntax={JLS_LOSSLESS}, {RELATED}; transfer-syntax=*; q=0.5"
    async with served(backend, transcodes=transcoder) as client:
        answer = await client.get(STUDY, headers={"Accept": accept})
        ((headers, _),) = parts_of(answer)
        assert headers["content-type"].endswith(J2K_LOSSLESS)


async def test_a_codec_that_crashes_costs_one_instance(
    served: Served, backend: Scripted, transcoder: Transcoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend.kept = [image()]
    async with served(backend, transcodes=transcoder) as client:
        with monkeypatch.context() as patch:
            patch.setattr(tasks, "transcoded", failing.crash_on)
            assert (await client.get(STUDY, headers=asking(ELE))).status_code == 406
            assert len(parts_of(await client.get(STUDY))) == 1
        assert syntaxes(await client.get(STUDY, headers=asking(ELE))) == [ELE]


async def test_one_that_comes_in_small_pieces_and_without_a_size(
    served: Served, backend: Scripted, transcoder: Transcoder
) -> None:
    kept = image()
    backend.kept = [Kept("1.9.1", kept.data, kept.syntax, chunk=100, says=None, kind=SC)]
    async with served(backend, transcodes=transcoder) as client:
        answer = await client.get(INSTANCE, headers=asking("", "application/dicom"))
        assert np.array_equal(dcmread(BytesIO(answer.content)).pixel_array, pixels())
