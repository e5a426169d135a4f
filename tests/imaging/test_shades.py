import tracemalloc

import numpy as np
import pytest

from hilum.imaging.grey import Grey
from hilum.imaging.shades import BLOCK, COUNTED, Shades, automatic, shaded
from hilum.imaging.window import Window


def test_some_rows_are_those_of_the_whole() -> None:
    frame = np.random.default_rng(1).integers(0, 4096, (300, BLOCK // 128), np.uint16)
    shown = shaded(frame, Grey(12, voi=Window(2000, 1000)))
    assert isinstance(shown, Shades)
    assert shown.shape == frame.shape
    whole = shown[:]
    assert np.array_equal(shown[100:217], whole[100:217])
    assert np.array_equal(shaded(frame.astype("i4"), Grey(12, voi=Window(2000, 1000))), whole)


def test_without_a_window_nearly_all_pixels_are_spread_but_no_padding() -> None:
    rng = np.random.default_rng(1)
    frame = rng.normal(1000, 100, (100, 100)).astype(np.int16)
    frame[:30] = -2000
    frame[50, 50] = 30000
    for each in (frame, frame.astype(np.int32), frame.astype(np.float32)):
        stored = 0 if each.dtype.kind == "f" else 16
        window = automatic(each, Grey(stored, signed=True, padding=(-2000, -2000)))
        assert 400 < window.width < 800
        assert window.center == pytest.approx(1000, abs=50)
        shown = shaded(each, Grey(stored, signed=True, padding=(-2000, -2000)))
        assert shown[:].std() > 30


def test_a_slope_below_zero_turns_the_window_of_the_pixels_too() -> None:
    frame = np.arange(1000, dtype=np.uint16)
    shown = shaded(frame, Grey(16, slope=-1))[:]
    assert (shown[0], shown[-1]) == (255, 0)


@pytest.mark.parametrize("dtype", ["u1", "i2", "u4", "f8"])
def test_pixels_that_are_all_the_same_or_none(dtype: str) -> None:
    stored = 0 if dtype[0] == "f" else int(dtype[1]) * 8
    assert shaded(np.full((4, 4), 7, dtype), Grey(stored, signed=dtype[0] == "i")).shape == (4, 4)
    padded = Grey(stored, padding=(7, 7), signed=dtype[0] == "i")
    assert not shaded(np.full((4, 4), 7, dtype), padded)[:].any()


def test_a_large_frame_takes_little_more_memory_than_its_pixels() -> None:
    frame = np.arange(4 * COUNTED + 5, dtype=np.uint16).reshape(1, -1)
    tracemalloc.start()
    try:
        result = shaded(frame, Grey(stored=16))[:]
        assert tracemalloc.get_traced_memory()[1] < 4 * frame.size
    finally:
        tracemalloc.stop()
    assert np.array_equal(result[0, -COUNTED:], result[0, -COUNTED - 65536 : -65536])
