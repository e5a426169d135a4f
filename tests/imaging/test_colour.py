import numpy as np
import pytest
from pydicom.pixels import convert_color_space

from hilum.imaging.colour import red_green_blue
from hilum.model.errors import NotAcceptable

RNG = np.random.default_rng(3)
SAMPLES = RNG.integers(0, 256, (20, 30, 3), np.uint8)


@pytest.mark.parametrize("space", ["RGB", "YBR_RCT", "YBR_ICT"])
def test_red_green_and_blue_are_what_they_are(space: str) -> None:
    assert (red_green_blue(SAMPLES, space, 8) == SAMPLES).all()


@pytest.mark.parametrize("space", ["YBR_FULL", "YBR_FULL_422"])
def test_luminance_and_chrominance_as_pydicom_has_them(space: str) -> None:
    ours = red_green_blue(SAMPLES, space, 8).astype(int)
    theirs = convert_color_space(SAMPLES, "YBR_FULL", "RGB").astype(int)
    assert abs(ours - theirs).max() <= 2


def test_the_narrow_range() -> None:
    pixels = np.array([[[16, 128, 128], [235, 128, 128], [0, 128, 128]]], np.uint8)
    shown = red_green_blue(pixels, "YBR_PARTIAL_420", 8)
    assert shown.tolist() == [[[0, 0, 0], [255, 255, 255], [0, 0, 0]]]


def test_more_and_fewer_bits() -> None:
    assert red_green_blue(np.full((1, 1, 3), 0xFFFF, np.uint16), "RGB", 16).max() == 255
    assert red_green_blue(np.full((1, 1, 3), 0xFFF, np.uint16), "RGB", 12).max() == 255
    assert red_green_blue(np.full((1, 1, 3), 31, np.uint8), "RGB", 5).max() == 255
    assert red_green_blue(np.full((1, 1, 4), -5, np.int16), "RGB", 16).shape == (1, 1, 3)


def test_a_space_that_is_not_known() -> None:
    with pytest.raises(NotAcceptable):
        red_green_blue(SAMPLES, "HSV", 8)
