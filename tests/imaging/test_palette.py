import numpy as np
import pytest
from pydicom import Dataset
from tests.imaging.headers import BIG, EXPLICIT, dataset, values

from hilum.imaging.palette import coloured, palette_of
from hilum.model.errors import BadPixels


def tables(
    descriptor: list[int], data: list[bytes], *, segmented: bool = False, signed: int = 0
) -> Dataset:
    made = dataset(PixelRepresentation=signed)
    for colour in range(3):
        made.add_new(0x00281101 + colour, "US", descriptor)
        made.add_new((0x00281221 if segmented else 0x00281201) + colour, "OW", data[colour])
    return made


@pytest.mark.parametrize("syntax", [EXPLICIT, BIG])
def test_entries_of_sixteen_bits(syntax: str) -> None:
    kind = "<u2" if syntax == EXPLICIT else ">u2"
    data = [np.array(each, kind).tobytes() for each in ([0, 0xFF00], [0x8000, 0], [0, 0x1234])]
    palette = palette_of(values(tables([2, 10, 16], data), syntax))
    shown = coloured(np.array([[0, 10, 11, 200]], np.uint8), palette)
    assert shown.tolist() == [[[0, 128, 0], [0, 128, 0], [255, 0, 18], [255, 0, 18]]]


def test_entries_of_eight_bits_in_bytes() -> None:
    palette = palette_of(values(tables([4, 0, 8], [bytes([1, 2, 3, 4])] * 3)))
    assert coloured(np.array([3], np.uint16), palette).tolist() == [[4, 4, 4]]


def test_indices_with_a_sign() -> None:
    data = [np.array([7, 9], "<u2").tobytes()] * 3
    palette = palette_of(values(tables([2, 65535, 8], data, signed=1)))
    assert coloured(np.array([-1, 0, -5], np.int16), palette)[:, 0].tolist() == [7, 9, 7]


def test_segments() -> None:
    words = [0, 2, 10, 20, 1, 4, 60, 2, 2, 0, 0]  # discrete, linear, and both again
    data = [np.array(words, "<u2").tobytes()] * 3
    palette = palette_of(values(tables([12, 0, 8], data, segmented=True)))
    entries = np.frombuffer(palette.data, np.uint8)[::3].tolist()
    assert entries == [10, 20, 30, 40, 50, 60, 10, 20, 30, 40, 50, 60]


@pytest.mark.parametrize(
    "words",
    [[1, 4, 60], [9, 1, 1], [2, 65535, 0, 0], [2, 1, 0, 0, 2, 1, 0, 0], [0, 2, 10, 20, 1, 4], []],
)
def test_segments_that_make_no_sense(words: list[int]) -> None:
    data = [np.array(words, "<u2").tobytes()] * 3
    header = values(tables([12, 0, 8], data, segmented=True))
    with pytest.raises(BadPixels):
        palette_of(header)


def test_what_is_no_palette() -> None:
    with pytest.raises(BadPixels):
        palette_of(values(PatientID="1"))
    with pytest.raises(BadPixels):
        palette_of(values(tables([4, 0, 8], [b""] * 3)))
    palette = palette_of(values(tables([4, 0, 8], [bytes(4)] * 3)))
    for dtype in (np.float32, np.uint32):
        with pytest.raises(BadPixels):
            coloured(np.zeros(3, dtype), palette)
