from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageSequence

from hilum.imaging.picture import JPEG, STILL, animated, written

RNG = np.random.default_rng(2)


@pytest.mark.parametrize("kind", STILL)
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_each_media_type_is_read_by_others(kind: str, mode: str) -> None:
    image = Image.linear_gradient("L").convert(mode)
    back = Image.open(BytesIO(written(image, kind, 90)))
    assert Image.MIME[back.format or ""] == kind
    off = np.asarray(back.convert("L")).astype(int) - np.asarray(image.convert("L"))
    assert abs(off).max() <= 6


def test_quality_costs_bytes() -> None:
    image = Image.fromarray(RNG.integers(0, 256, (64, 64, 3), np.uint8))
    sizes = [len(written(image, JPEG, quality)) for quality in (1, 50, 90, 100)]
    assert sizes == sorted(sizes)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_gif_that_moves(mode: str) -> None:
    frames = [
        Image.new(mode, (20, 10), level if mode == "L" else (level, 0, 90))
        for level in range(0, 250, 50)
    ]
    data = b"".join(animated(iter(frames), [40, 100, 1, 100, 1e9]))
    with Image.open(BytesIO(data)) as back:
        assert back.info["loop"] == 0
        shown = [
            (each.convert(mode), each.info["duration"]) for each in ImageSequence.Iterator(back)
        ]
    assert [duration for _, duration in shown] == [40, 100, 20, 100, 655350]
    for (image, _), frame in zip(shown, frames, strict=True):
        assert image.getpixel((5, 5)) == frame.getpixel((5, 5))
