from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageCms
from tests.imaging.headers import dataset, values

from hilum.imaging.profile import in_space, made, profile_of

RGB = Image.fromarray(np.random.default_rng(1).integers(0, 256, (8, 8, 3), np.uint8))


@pytest.mark.parametrize("name", ["srgb", "adobergb", "rommrgb"])
def test_a_profile_is_one_and_white_stays_white(name: str) -> None:
    profile = ImageCms.ImageCmsProfile(BytesIO(made(name)))
    assert profile.profile.xcolor_space.strip() == "RGB"
    white = Image.new("RGB", (2, 2), "white")
    shown, embedded = in_space(white, b"", name)
    assert embedded == made(name)
    assert np.asarray(shown).min() >= 253


def test_a_wider_space_needs_less_of_it() -> None:
    red = Image.new("RGB", (1, 1), (255, 0, 0))
    shown, _ = in_space(red, b"", "adobergb")
    assert shown.getpixel((0, 0))[0] < 240


def test_nothing_is_done_where_nothing_is_wished() -> None:
    for wanted in ("", "no"):
        assert in_space(RGB, made("srgb"), wanted) == (RGB, b"")
    assert in_space(RGB, b"", "srgb")[0] is RGB
    assert in_space(Image.new("L", (1, 1)), b"", "yes")[1] == b""


def test_the_profile_of_the_instance() -> None:
    own = made("adobergb")
    assert in_space(RGB, own, "yes") == (RGB, own)
    assert in_space(RGB, own, "srgb")[0].tobytes() != RGB.tobytes()
    assert profile_of(values(ICCProfile=own)).rstrip(b"\0") == own.rstrip(b"\0")
    path = dataset(ICCProfile=own)
    assert profile_of(values(OpticalPathSequence=[path])).rstrip(b"\0") == own.rstrip(b"\0")
    assert profile_of(values(Rows=1)) == b""


@pytest.mark.parametrize("own", [b"rubbish", bytes(500), made("srgb")[:200]])
@pytest.mark.parametrize("wanted", ["yes", "srgb", "rommrgb"])
def test_a_profile_that_is_none_is_as_if_it_were_not_there(own: bytes, wanted: str) -> None:
    assert in_space(RGB, own, wanted)[1] == made("srgb" if wanted == "yes" else wanted)
