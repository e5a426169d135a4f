import mmap
from pathlib import Path
from struct import pack
from zlib import MAX_WBITS, compressobj

import pytest
from tests import samples
from tests.imaging.images import (
    BASELINE,
    dataset,
    element,
    encapsulated,
    header,
    images,
    native,
    sample,
)

from hilum.codec.header import DEFLATED, EXPLICIT_LITTLE, IMPLICIT_LITTLE
from hilum.imaging.index import frame
from hilum.imaging.pixels import DOUBLE, FLOAT
from hilum.imaging.read import look
from hilum.model.errors import BadPixels


def test_the_samples_say_what_pydicom_reads() -> None:
    for path in images():
        if path.name.startswith("GH177"):  # pydicom cannot read it
            continue
        pixels = look(*sample(path)).pixels
        theirs = dataset(path, pixels=False)
        assert pixels is not None
        assert (pixels.rows, pixels.columns) == (theirs.Rows, theirs.Columns), path.name
        assert pixels.samples == theirs.SamplesPerPixel
        assert pixels.photometric == theirs.PhotometricInterpretation
        if pixels.tag not in {FLOAT, DOUBLE}:
            assert (pixels.allocated, pixels.stored) == (theirs.BitsAllocated, theirs.BitsStored)
            assert pixels.signed == (theirs.PixelRepresentation == 1)
        assert pixels.frames == (theirs.get("NumberOfFrames") or 1)


def test_an_instance_without_pixels() -> None:
    looked = look(element(0x00080060, "CS", b"SR"), EXPLICIT_LITTLE)
    assert looked.pixels is None
    assert looked.index is None


def test_a_file_in_memory_is_looked_at_in_place(tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_bytes(header(2, 3, "2") + native(b"abcdefghijkl"))
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as whole:
        index = look(whole, EXPLICIT_LITTLE).index
        assert index is not None
        assert bytes(frame(whole, index, 1)) == b"ghijkl"


def test_an_icon_is_not_the_image() -> None:
    icon = header(1, 1) + native(b"i")
    sequence = element(0x00880200, "SQ", pack("<HHL", 0xFFFE, 0xE000, len(icon)) + icon)
    looked = look(header(2, 3) + sequence + native(b"abcdef"), EXPLICIT_LITTLE)
    assert looked.pixels is not None
    assert looked.pixels.rows == 2


def test_offsets_of_a_deflated_data_set_count_in_the_inflated_one() -> None:
    plain = header(2, 3) + native(b"abcdef")
    deflater = compressobj(wbits=-MAX_WBITS)
    looked = look(deflater.compress(plain) + deflater.flush(), DEFLATED)
    assert looked.inflated
    assert looked.index is not None
    assert bytes(frame(plain, looked.index, 0)) == b"abcdef"


def test_a_data_set_in_another_syntax_than_announced() -> None:
    looked = look(header(2, 3) + native(b"abcdef"), IMPLICIT_LITTLE)
    assert looked.pixels is not None
    assert not looked.pixels.big


def test_chrominance_that_is_not_subsampled_whatever_it_is_called() -> None:
    data = header(2, 2, samples=3, photometric="YBR_FULL_422")
    pixels = look(data + native(b"abcdefghijkl"), EXPLICIT_LITTLE).pixels
    assert pixels is not None
    assert pixels.photometric == "YBR_FULL"
    pixels = look(data + native(b"abcdefgh"), EXPLICIT_LITTLE).pixels
    assert pixels is not None
    assert pixels.photometric == "YBR_FULL_422"


@pytest.mark.parametrize(("tag", "vr", "bits"), [(FLOAT, "OF", 32), (DOUBLE, "OD", 64)])
def test_pixels_that_are_floating_point(tag: int, vr: str, bits: int) -> None:
    pixels = look(header(1, 1) + element(tag, vr, bytes(bits // 8)), EXPLICIT_LITTLE).pixels
    assert pixels is not None
    assert (pixels.tag, pixels.allocated) == (tag, bits)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (header(frames="1A"), "Number of Frames is not a whole number"),
        (header(frames="-3"), "Number of Frames is -3"),
        (header(frames="2147483647"), "Number of Frames is 2147483647"),
        (header(frames="9" * 60), "Number of Frames is not a whole number"),
        (header(rows=0), "0 rows"),
        (header(columns=0), "0 columns"),
        (header(allocated=0), "0 allocated"),
        (header(allocated=7), "7 allocated"),
        (header(allocated=65535), "65535 allocated"),
        (header(stored=9), "9 bits stored in 8"),
        (header(samples=0), "Samples per Pixel is 0"),
        (header(samples=65535), "Samples per Pixel is 65535"),
        (b"", "there is no Bits Allocated"),
    ],
)
def test_a_header_that_makes_no_sense(data: bytes, text: str) -> None:
    with pytest.raises(BadPixels, match=text):
        look(data + native(b"abcdef"), EXPLICIT_LITTLE)


def test_a_huge_image_of_few_bytes() -> None:
    index = look(header(65535, 65535, "3") + native(bytes(100)), EXPLICIT_LITTLE).index
    assert index is not None
    with pytest.raises(BadPixels, match="4294836225 of the pixels, and 100 are there"):
        index.pieces(0)


@pytest.mark.parametrize("frames", ["", "0", " 1", "1.0", "1\\2"])
def test_one_frame_however_it_is_said(frames: str) -> None:
    index = look(header(frames=frames) + native(b"abcdef"), EXPLICIT_LITTLE).index
    assert index is not None
    assert index.frames == 1


def test_pixels_that_are_not_written_as_the_syntax_says() -> None:
    with pytest.raises(BadPixels, match="are not encapsulated"):
        look(header() + native(b"abcdef"), BASELINE)
    with pytest.raises(BadPixels, match="are encapsulated"):
        look(header() + encapsulated([b"abcdef"]), EXPLICIT_LITTLE)


def test_the_data_set_is_described_where_asked() -> None:
    lut = element(0x00281201, "OW", bytes(131072))
    looked = look(header() + lut + native(b"abcdef"), EXPLICIT_LITTLE, describe=True)
    assert looked.attributes is not None
    assert "InlineBinary" in looked.attributes["00281201"]
    assert "BulkDataURI" in looked.attributes["7FE00010"]


def test_the_samples_that_cannot_be_read_say_why() -> None:
    path = next((each for each in samples.EDGE if each.name == "badVR.dcm"), None)
    if path is not None:
        with pytest.raises(BadPixels):
            look(*sample(path))
