from typing import Any

import numpy as np
import pytest
from pydicom import Sequence
from tests.imaging.headers import dataset, values

from hilum.imaging.grey import Grey, grey_of
from hilum.imaging.lut import Lut
from hilum.imaging.pixels import DOUBLE, FLOAT, Pixels
from hilum.imaging.shades import shaded
from hilum.imaging.window import LINEAR_EXACT, Window, spanning

SYNTAX = "1.2.840.10008.1.2.1"
FULL = spanning(0, 255)


def shades(values_: list[float], dtype: str, grey: Grey) -> list[int]:
    return shaded(np.array(values_, dtype), grey)[:].tolist()


def read(pixels: dict[str, Any] | None = None, frame: int = 0, **attributes: object) -> Grey:
    return grey_of(values(**attributes), Pixels(SYNTAX, 2, 2, **(pixels or {})), frame)


@pytest.mark.parametrize("dtype", ["u1", "u2", "u4", "i4", "f4", "f8"])
def test_a_window_over_every_type(dtype: str) -> None:
    stored = 0 if dtype[0] == "f" else min(int(dtype[1]) * 8, 16)
    grey = Grey(stored, voi=Window(100, 100, LINEAR_EXACT))
    assert shades([0, 50, 75, 100, 150, 200], dtype, grey) == [0, 0, 64, 128, 255, 255]


def test_rescaling_goes_before_the_window() -> None:
    grey = Grey(16, signed=True, slope=2, intercept=-1000, voi=Window(0, 400, LINEAR_EXACT))
    assert shades([-5, 400, 500, 600], "i2", grey) == [0, 0, 128, 255]


def test_bits_above_those_that_are_stored_say_nothing() -> None:
    assert shades([0xF0FF, 0xFFFF], "u2", Grey(8, voi=FULL)) == [255, 255]
    grey = Grey(12, signed=True, voi=spanning(-2048, 2047))
    assert shades([0x0FFF, 0xF800, 0x07FF], "u2", grey) == [127, 0, 255]


def test_tables_go_before_slopes() -> None:
    modality = Lut(0, 16, np.array([0, 1000, 2000], "<u2").tobytes())
    grey = Grey(8, modality=modality, voi=spanning(0, 2000))
    assert shades([0, 1, 2, 9], "u1", grey) == [0, 128, 255, 255]
    voi = Lut(0, 8, np.array([0, 100, 255], "<u2").tobytes())
    assert shades([0, 1, 2, 9], "u1", Grey(8, voi=voi)) == [0, 100, 255, 255]
    presented = Grey(8, voi=FULL, presentation=Lut(0, 8, bytes([255, 0, 0, 0])))
    assert shades([0, 255], "u1", presented) == [255, 0]


def test_inversion() -> None:
    assert shades([0, 255], "u1", Grey(8, voi=FULL, inverted=True)) == [255, 0]
    mono1 = {"photometric": "MONOCHROME1"}
    assert read(mono1).inverted
    assert not read().inverted
    assert read(mono1, PresentationLUTShape="INVERSE").inverted
    assert not read(mono1, PresentationLUTShape="IDENTITY").inverted


def test_padding_is_black_also_where_black_is_white() -> None:
    grey = Grey(16, voi=spanning(0, 100), inverted=True, padding=(2000, 2010))
    assert shades([0, 100, 2000, 2005, 2010], "u2", grey) == [255, 0, 0, 0, 0]


@pytest.mark.parametrize(("first", "limit"), [(63536, None), (63536, 63500), (63500, 63536)])
def test_padding_is_read_with_the_sign_of_the_pixels(first: int, limit: int | None) -> None:
    made = dataset(PixelRepresentation=1)
    made.add_new(0x00280120, "US", first)
    if limit is not None:
        made.add_new(0x00280121, "US", limit)
    found = grey_of(values(made), Pixels(SYNTAX, 2, 2, signed=True), 0).padding
    assert found == ((-2000, -2000) if limit is None else (-2036, -2000))


def test_padding_of_floats() -> None:
    found = read({"tag": FLOAT}, FloatPixelPaddingValue=-1.0, FloatPixelPaddingRangeLimit=0.0)
    assert found.padding == (-1, 0)
    assert read({"tag": DOUBLE}, DoubleFloatPixelPaddingValue=5.0).padding == (5, 5)


def test_eight_bits_without_a_window_are_shown_as_they_are() -> None:
    eight = read({"allocated": 8, "stored": 8})
    assert shades([0, 3, 200, 255], "u1", eight) == [0, 3, 200, 255]
    one = read({"allocated": 1, "stored": 1})
    assert shades([0, 1], "u1", one) == [0, 255]


def test_fractions_of_a_segment_are_shown_up_to_their_most() -> None:
    found = read(
        {"allocated": 8, "stored": 8}, SegmentationType="FRACTIONAL", MaximumFractionalValue=100
    )
    assert shades([0, 50, 100], "u1", found) == [0, 128, 255]


def test_what_is_no_number_is_black() -> None:
    grey = Grey(0, voi=spanning(-1, 1))
    assert shades([np.nan, np.inf, -np.inf, 0], "f4", grey) == [128, 255, 0, 128]
    assert shaded(np.full((2, 2), np.nan, "f4"), Grey(0)).shape == (2, 2)


def test_what_a_frame_says_goes_before_what_all_say() -> None:
    def group(center: int, slope: int) -> object:
        window = dataset(WindowCenter=center, WindowWidth=10, VOILUTFunction="SIGMOID")
        rescale = dataset(RescaleSlope=slope, RescaleIntercept=1)
        return dataset(
            FrameVOILUTSequence=Sequence([window]),
            PixelValueTransformationSequence=Sequence([rescale]),
        )

    attributes = {
        "SharedFunctionalGroupsSequence": Sequence([group(5, 9)]),
        "PerFrameFunctionalGroupsSequence": Sequence([group(50, 2), group(60, 3)]),
        "WindowCenter": 1,
        "WindowWidth": 1,
    }
    second = read({"frames": 3}, 1, **attributes)
    assert (second.slope, second.intercept) == (3, 1)
    assert second.voi == Window(60, 10, "SIGMOID")
    assert read({"frames": 3}, 2, **attributes).voi == Window(5, 10, "SIGMOID")


def test_a_window_that_cannot_be_is_none() -> None:
    assert read(WindowCenter=40, WindowWidth=0).voi is None
    assert read(WindowCenter=[40, 300], WindowWidth=[400, 1500]).voi == Window(40, 400)
    assert read(WindowCenter=40, WindowWidth=400, VOILUTFunction="CUBIC").voi == Window(40, 400)
