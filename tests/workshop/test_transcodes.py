import asyncio
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path

import anyio
import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import UID
from tests.imaging import images
from tests.workshop import failing

from hilum.codec import part10
from hilum.codec.header import DEFLATED, EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE
from hilum.config.imaging import ImagingSettings
from hilum.imaging.codecs import BASELINE, CODECS, J2K_LOSSLESS, JLS_LOSSLESS, RLE_LOSSLESS
from hilum.model.errors import BackendFault, BadPixels, NotAcceptable, OutOfResources
from hilum.model.instance import CHUNK, Instance
from hilum.workshop import tasks
from hilum.workshop.pool import Workshop, open_workshop
from hilum.workshop.transcodes import Transcoder

pytestmark = pytest.mark.anyio
SETTINGS = ImagingSettings(processes=2)


@pytest.fixture
async def workshop() -> AsyncIterator[Workshop]:
    async with open_workshop(SETTINGS) as opened:
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "transcoding"


@pytest.fixture
def leftover(folder: Path) -> None:
    folder.mkdir()
    (folder / "1").write_bytes(b"left")


@pytest.fixture
def transcoder(workshop: Workshop, folder: Path) -> Transcoder:
    return Transcoder(workshop, SETTINGS, folder)


def files() -> dict[str, Path]:
    """One sample for each Transfer Syntax with pixels, not a large one."""
    found: dict[str, Path] = {}
    for path in images.images():
        _, syntax = images.sample(path)
        if path.stat().st_size < 2_000_000 and syntax in CODECS:
            found.setdefault(syntax, path)
    return found


FILES = files()


async def pieces(data: bytes, step: int = CHUNK) -> AsyncIterator[bytes]:
    for start in range(0, len(data), step):
        yield data[start : start + step]


def instance(path: Path, step: int = CHUNK) -> Instance:
    data, syntax = images.sample(path)
    read = images.dataset(path, pixels=False)
    return Instance(
        str(read.SOPInstanceUID), str(read.SOPClassUID), syntax, pieces(data, step), len(data)
    )


async def read(made: Instance) -> Dataset:
    """As pydicom reads it from a file."""
    meta = part10.encode_meta(made.sop_class_uid, made.sop_instance_uid, made.transfer_syntax_uid)
    data = [each async for each in made.chunks]
    assert all(0 < len(each) <= CHUNK for each in data)
    assert made.size == sum(map(len, data))
    return dcmread(BytesIO(meta + b"".join(data)))


def left(folder: Path) -> list[Path]:
    return list(folder.rglob("*"))


@pytest.mark.parametrize("syntax", sorted(FILES), ids=lambda syntax: UID(syntax).name)
async def test_the_pixels_of_every_syntax_stay_the_same(
    transcoder: Transcoder, folder: Path, syntax: str
) -> None:
    path = FILES[syntax]
    before = images.dataset(path)
    for target in (EXPLICIT_LITTLE, JLS_LOSSLESS if syntax != JLS_LOSSLESS else RLE_LOSSLESS):
        if target == syntax or (target != EXPLICIT_LITTLE and before.BitsAllocated == 1):
            continue
        assert transcoder.possible(syntax, target)
        async with transcoder.transcoded(instance(path), target) as made:
            assert made.transfer_syntax_uid == target
            after = await read(made)
        assert after.file_meta.TransferSyntaxUID == target
        assert after.SOPInstanceUID == before.SOPInstanceUID
        assert after.get("PatientName") == before.get("PatientName")
        try:
            expected = before.pixel_array
        except (RuntimeError, NotImplementedError, AttributeError):  # of pydicom: no decoder for it
            assert after.pixel_array.size
        else:
            assert np.array_equal(after.pixel_array, expected)
    assert left(folder) == []


async def test_what_is_possible(transcoder: Transcoder) -> None:
    assert transcoder.possible(J2K_LOSSLESS, EXPLICIT_LITTLE)
    assert transcoder.possible(BASELINE, IMPLICIT_LITTLE)
    assert transcoder.possible(RLE_LOSSLESS, EXPLICIT_BIG)
    assert transcoder.possible(RLE_LOSSLESS, DEFLATED)
    assert transcoder.possible(EXPLICIT_LITTLE, J2K_LOSSLESS)
    assert not transcoder.possible(EXPLICIT_LITTLE, BASELINE)  # not without loss
    assert not transcoder.possible("1.2.840.10008.1.2.4.102", EXPLICIT_LITTLE)  # video
    assert not transcoder.possible("1.2.3", EXPLICIT_LITTLE)
    assert not transcoder.possible(EXPLICIT_LITTLE, "1.2.3")


async def test_large_ones_go_through_files_that_are_gone_afterwards(
    transcoder: Transcoder, folder: Path
) -> None:
    image = large()
    async with transcoder.transcoded(image, RLE_LOSSLESS) as packed:
        assert len(left(folder)) == 2
        data = b"".join([each async for each in packed.chunks])
    assert left(folder) == []
    source = Instance("1.2.3", image.sop_class_uid, RLE_LOSSLESS, pieces(data), len(data))
    async with transcoder.transcoded(source, EXPLICIT_LITTLE) as made:
        assert made.size is not None
        assert made.size > 4 * CHUNK
        assert np.array_equal((await read(made)).pixel_array, noise())
    assert left(folder) == []


def noise() -> "np.ndarray[tuple[int, int], np.dtype[np.uint16]]":
    return np.random.default_rng(1).integers(0, 2**16, (2000, 1500), np.uint16)


def large() -> Instance:
    """An instance of 6 MB that hardly gets smaller."""
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", "1.2.3"
    dataset.Rows, dataset.Columns = 2000, 1500
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation, dataset.SamplesPerPixel = 15, 0, 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.add_new(0x7FE00010, "OW", noise().tobytes())
    out = BytesIO()
    dataset.save_as(out, implicit_vr=False, little_endian=True)
    data = out.getvalue()
    return Instance("1.2.3", dataset.SOPClassUID, EXPLICIT_LITTLE, pieces(data), len(data))


def broken() -> Instance:
    """One whose codestream is none."""
    path = FILES[J2K_LOSSLESS]
    data, syntax = images.sample(path)
    start = data.index(b"\xff\x4f\xff\x51") + 4
    data = data[:start] + b"\xaa" * 200 + data[start + 200 :]
    return Instance("1.2.3", "1.2.840.10008.5.1.4.1.1.7", syntax, pieces(data), len(data))


async def test_what_cannot_be_decoded_says_so(transcoder: Transcoder, folder: Path) -> None:
    with pytest.raises(BadPixels):
        async with transcoder.transcoded(broken(), EXPLICIT_LITTLE):
            pass
    assert left(folder) == []


async def test_it_comes_as_it_is_where_that_was_asked_for(transcoder: Transcoder) -> None:
    expected = b"".join([each async for each in broken().chunks])
    async with transcoder.transcoded(broken(), EXPLICIT_LITTLE, or_as_it_is=True) as made:
        assert made.transfer_syntax_uid == J2K_LOSSLESS
        assert b"".join([each async for each in made.chunks]) == expected
    image = large()
    async with transcoder.transcoded(image, BASELINE, or_as_it_is=True) as made:
        assert made.transfer_syntax_uid == EXPLICIT_LITTLE
        assert np.array_equal((await read(made)).pixel_array, noise())


async def test_what_is_not_possible_is_not_acceptable(transcoder: Transcoder) -> None:
    with pytest.raises(NotAcceptable):
        async with transcoder.transcoded(large(), "1.2.3"):
            pass


async def test_a_source_that_breaks_off_is_its_error(transcoder: Transcoder, folder: Path) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield bytes(3 * CHUNK)
        raise BackendFault("gone")

    source = Instance("1.2.3", "1.2.4", J2K_LOSSLESS, chunks())
    for as_it_is in (False, True):
        with pytest.raises(BackendFault):
            async with transcoder.transcoded(source, EXPLICIT_LITTLE, or_as_it_is=as_it_is):
                pass
        source = Instance("1.2.3", "1.2.4", J2K_LOSSLESS, chunks())
    assert left(folder) == []


@pytest.mark.parametrize("room", [1_000_000, 8_000_000])
async def test_there_may_be_no_room(workshop: Workshop, folder: Path, room: int) -> None:
    transcoder = Transcoder(workshop, ImagingSettings(max_spool=room), folder)
    with pytest.raises(OutOfResources, match="room"):
        async with transcoder.transcoded(large(), RLE_LOSSLESS):
            pass
    assert left(folder) == []


async def test_room_is_given_back(workshop: Workshop, folder: Path) -> None:
    transcoder = Transcoder(workshop, ImagingSettings(max_spool=25_000_000), folder)
    for _ in range(5):
        async with transcoder.transcoded(large(), RLE_LOSSLESS) as made:
            await read(made)
        with pytest.raises(ZeroDivisionError):
            async with transcoder.transcoded(large(), RLE_LOSSLESS):
                raise ZeroDivisionError


@pytest.mark.parametrize("work", [failing.crash_on, failing.devour_on])
async def test_a_crash_costs_one_instance(
    transcoder: Transcoder, folder: Path, monkeypatch: pytest.MonkeyPatch, work: object
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(tasks, "transcoded", work)
        with pytest.raises(BadPixels):
            async with transcoder.transcoded(large(), RLE_LOSSLESS):
                pass
    assert left(folder) == []
    async with transcoder.transcoded(large(), RLE_LOSSLESS) as made:
        await read(made)


async def test_who_goes_away_leaves_no_file(
    transcoder: Transcoder, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "transcoded", failing.sleep_on)
    with anyio.move_on_after(0.5) as scope:
        async with transcoder.transcoded(large(), RLE_LOSSLESS):
            pass
    assert scope.cancelled_caught
    assert left(folder) == []


@pytest.mark.usefixtures("leftover")
async def test_what_a_broker_left_that_crashed_is_removed(
    transcoder: Transcoder, folder: Path
) -> None:
    async with transcoder.transcoded(large(), RLE_LOSSLESS) as made:
        await read(made)
    assert left(folder) == []


async def test_many_at_once(transcoder: Transcoder, folder: Path) -> None:
    async def one(path: Path) -> None:
        async with transcoder.transcoded(instance(path, 4096), EXPLICIT_LITTLE) as made:
            await read(made)

    paths = [FILES[each] for each in (J2K_LOSSLESS, JLS_LOSSLESS, RLE_LOSSLESS) if each in FILES]
    async with asyncio.TaskGroup() as group:
        for path in paths * 5:
            group.create_task(one(path))
    assert left(folder) == []
