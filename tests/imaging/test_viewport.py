import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from hilum.imaging import viewport as module
from hilum.imaging.viewport import WHOLE, fitting, seen
from hilum.imaging.wish import Viewport
from hilum.model.errors import BadRequest

SIZES = st.integers(1, 300)


@given(SIZES, SIZES, SIZES, SIZES)
def test_nothing_leaves_the_box_and_one_side_fills_it(
    width: int, height: int, most_width: int, most_height: int
) -> None:
    found = fitting(width, height, most_width, most_height)
    assert 1 <= found[0] <= most_width
    assert 1 <= found[1] <= most_height
    assert found[0] == most_width or found[1] == most_height


def test_a_part_is_cut_out_and_no_more_than_there_is() -> None:
    image = Image.linear_gradient("L")
    assert seen(image, Viewport(256, 256)).tobytes() == image.tobytes()
    lower = seen(image, Viewport(256, 128, 0, 128))
    assert lower.tobytes() == image.crop((0, 128, 256, 256)).tobytes()
    assert seen(image, Viewport(10, 10, 250, 250, 100, 100)).size == (10, 10)
    with pytest.raises(BadRequest, match="viewport"):
        seen(image, Viewport(10, 10, 256, 0))


def test_flipped_where_a_size_is_below_zero() -> None:
    image = Image.linear_gradient("L")  # black above, white below
    assert seen(image, Viewport(256, 256, 0, 0, -256, 256)).tobytes() == image.tobytes()
    upside = seen(image, Viewport(256, 256, 0, 0, 256, -256))
    assert (upside.getpixel((0, 0)), upside.getpixel((0, 255))) == (255, 0)


@pytest.mark.parametrize(
    ("viewport", "pixel", "size"),
    [
        (WHOLE, 1.0, (200, 100)),
        (WHOLE, 2.0, (200, 200)),
        (WHOLE, 0.5, (400, 100)),
        (Viewport(50, 50), 2.0, (50, 50)),
        (Viewport(50, 50), 1.0, (50, 25)),
        (Viewport(0, 0, 100, 50), 2.0, (100, 100)),
        (Viewport(80, 80, 0, 0, 100, 100), 0.5, (80, 40)),
    ],
)
def test_pixels_become_square(viewport: Viewport, pixel: float, size: tuple[int, int]) -> None:
    assert seen(Image.new("L", (200, 100)), viewport, pixel).size == size


def test_what_would_be_too_large_is_smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_PIXELS", 20_000)
    assert seen(Image.new("L", (200, 100)), WHOLE, 4.0).size == (100, 200)
