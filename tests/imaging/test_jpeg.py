from io import BytesIO

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from hilum.imaging import jpeg
from hilum.imaging.jpeg import LONGEST, Alone, written
from hilum.model.errors import NotAcceptable

RNG = np.random.default_rng(3)


class Several(Alone):
    def __init__(self, count: int) -> None:
        self.count = count


def picture(*shape: int) -> NDArray[np.uint8]:
    """Noise upon a slope, as of a slice."""
    slope = np.linspace(0, 200, shape[0]).reshape(-1, *[1] * (len(shape) - 1))
    return np.asarray(slope + RNG.integers(0, 56, shape), np.uint8)


def read(data: bytes) -> NDArray[np.uint8]:
    with Image.open(BytesIO(data)) as image:
        return np.asarray(image)


@pytest.mark.parametrize("quality", [1, 60, 89, 90, 100])
@pytest.mark.parametrize("shape", [(512, 512), (515, 701), (403, 517, 3), (1000, 400, 3)])
def test_strips_are_the_picture_that_one_hand_writes(shape: tuple[int, ...], quality: int) -> None:
    made = picture(*shape)
    alone = read(written(made, quality))
    assert alone.shape == shape
    for count in (2, 3, 4):
        data = written(made, quality, Several(count))
        assert b"\xff\xd0" in data  # there are strips
        assert np.array_equal(read(data), alone)


@pytest.mark.parametrize("shape", [(1, 1), (7, 9), (8, 100_000 // 2), (31, 17, 3)])
def test_small_and_narrow_pictures(shape: tuple[int, ...]) -> None:
    made = picture(*shape)
    off = read(written(made, 100, Several(4))).astype(int) - made
    assert off.shape == shape
    assert abs(off).max() <= (3 if len(shape) == 2 else 40)


def test_no_strip_has_more_blocks_than_a_marker_can_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(jpeg, "_MOST_BLOCKS", 200)
    made = picture(512, 640)
    data = written(made, 90, Several(2))
    assert data.count(b"\xff\xd7") >= 3  # the eight markers in turn, more than once
    assert np.array_equal(read(data), read(written(made, 90)))


def test_a_picture_that_is_too_long_is_told() -> None:
    with pytest.raises(NotAcceptable, match=str(LONGEST)):
        written(np.zeros((LONGEST + 1, 1), np.uint8), 90)
