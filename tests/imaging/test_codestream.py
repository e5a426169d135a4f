import imagecodecs
import numpy as np
import pytest

from hilum.imaging import codestream
from hilum.imaging.codestream import Codestream
from hilum.model.errors import BadPixels

GREY = np.arange(48, dtype=np.uint8).reshape(8, 6)
COLOUR = np.stack([GREY] * 3, axis=-1)


def test_jpeg() -> None:
    found = codestream.jpeg(imagecodecs.jpeg_encode(COLOUR))
    assert (found.rows, found.columns, found.samples, found.precision) == (8, 6, 3, 8)
    assert found.transform == 1  # it is a JFIF file


def test_jpeg_with_a_marker_of_adobe() -> None:
    stored = imagecodecs.jpeg_encode(COLOUR, colorspace="RGB", outcolorspace="RGB")
    assert codestream.jpeg(stored).transform == 0


def test_jpeg_whose_colours_only_the_names_of_its_components_tell() -> None:
    stored = bytearray(imagecodecs.jpeg_encode(COLOUR))
    stored[6:10] = b"NONE"  # of JFIF
    assert codestream.jpeg(bytes(stored)).transform is None
    frame = stored.index(b"\xff\xc0")
    stored[frame + 10 : frame + 19 : 3] = b"RGB"
    assert codestream.jpeg(bytes(stored)).transform == 0


def test_fill_bytes_before_a_marker() -> None:
    stored = imagecodecs.jpeg_encode(GREY)
    assert codestream.jpeg(stored[:2] + b"\xff\xff\xff" + stored[2:]).rows == 8


def test_jpeg_ls() -> None:
    found = codestream.jpeg(imagecodecs.jpegls_encode(GREY.astype(np.uint16) << 8))
    assert (found.rows, found.columns, found.samples, found.precision) == (8, 6, 1, 16)


@pytest.mark.parametrize("kind", ["j2k", "jp2"])
def test_jpeg_2000(kind: str) -> None:
    values = COLOUR.astype(np.int16)
    stored = imagecodecs.jpeg2k_encode(values, codecformat=kind, reversible=True, resolutions=1)
    found = codestream.jpeg_2000(stored)
    assert found == Codestream(8, 6, 3, 16, signed=True, start=found.start)
    assert (found.start > 0) == (kind == "jp2")


def test_htj2k() -> None:
    assert codestream.jpeg_2000(imagecodecs.htj2k_encode(GREY)).columns == 6


@pytest.mark.parametrize(
    "junk",
    [
        b"",
        b"\xff\xd8",
        b"\xff\xd8\xff\xda\0\2",
        b"\xff\xd8" + b"\xff\xd0" * 100_000,
        b"\xff\xd8" + b"\xff\xe0\0\0" * 20_000,
        b"\xff\x4f\xff\x51" + b"\xff" * 200,
        b"\xff\x4f\xff\x51\0",
    ],
)
def test_no_header_at_all(junk: bytes) -> None:
    with pytest.raises(BadPixels):
        codestream.jpeg(junk)
    with pytest.raises(BadPixels):
        codestream.jpeg_2000(junk)


def test_components_that_are_not_alike() -> None:
    stored = imagecodecs.jpeg2k_encode(COLOUR, codecformat="j2k", reversible=True, resolutions=1)
    at = stored.index(b"\x07\x01\x01")
    with pytest.raises(BadPixels, match="not all alike"):
        codestream.jpeg_2000(stored[: at + 1] + b"\x02" + stored[at + 2 :])
