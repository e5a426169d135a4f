import imagecodecs
import numpy as np
import pytest

from hilum.imaging import jpeg_xl
from hilum.model.errors import BadPixels


@pytest.mark.parametrize("container", [True, False])
@pytest.mark.parametrize(
    ("rows", "columns"),
    [(8, 8), (8, 6), (256, 256), (30, 40), (9, 16), (600, 601), (3, 5000), (10, 12), (64, 128)],
)
def test_the_size_of_an_image(rows: int, columns: int, container: bool) -> None:  # noqa: FBT001
    stored = imagecodecs.jpegxl_encode(
        np.zeros((rows, columns), np.uint8), lossless=True, usecontainer=container
    )
    assert jpeg_xl.size(stored) == (rows, columns)


@pytest.mark.parametrize(
    "junk", [b"", b"\xff", b"\0\0\0\x0cJXL \r\n\x87\n", b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(64)]
)
def test_what_is_none(junk: bytes) -> None:
    with pytest.raises(BadPixels):
        jpeg_xl.size(junk)
