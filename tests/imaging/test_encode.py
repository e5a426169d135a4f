from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate

from hilum.imaging import codecs, native
from hilum.imaging.decode import decode
from hilum.imaging.encode import Loss, becomes, encode
from hilum.imaging.pixels import FLOAT, Pixels
from hilum.model.errors import NotAcceptable

NATIVE = "1.2.840.10008.1.2.1"
LOSSLESS = [
    *(codecs.RLE_LOSSLESS, codecs.LOSSLESS, codecs.LOSSLESS_SV1, codecs.JLS_LOSSLESS),
    *(codecs.J2K_LOSSLESS, codecs.J2K, codecs.HTJ2K_LOSSLESS, codecs.HTJ2K),
    *(codecs.DEFLATED_FRAMES, codecs.ENCAPSULATED_NATIVE, NATIVE, "1.2.840.10008.1.2.2"),
]
GREY = Pixels(NATIVE, 64, 48, allocated=16, stored=12)
COLOUR = Pixels(NATIVE, 64, 48, samples=3, photometric="RGB", allocated=8, stored=8)
SMOOTH = np.add.outer(np.arange(64), np.arange(48)).astype(np.uint8)


def noise(pixels: Pixels) -> np.ndarray[Any, Any]:
    low, high = native.limits(pixels)
    shape = (pixels.rows, pixels.columns, *((3,) if pixels.samples == 3 else ()))
    chance = np.random.default_rng(pixels.rows * pixels.stored)
    return chance.integers(low, high, shape, endpoint=True).astype(native.dtype_of(pixels))


@pytest.mark.parametrize("syntax", LOSSLESS)
@settings(max_examples=25)
@given(
    st.integers(1, 70),
    st.integers(1, 70),
    st.sampled_from([(8, 8), (8, 7), (8, 2), (16, 16), (16, 12), (16, 10), (16, 8)]),
    st.booleans(),
    st.sampled_from(["MONOCHROME2", "RGB", "YBR_FULL"]),
)
def test_nothing_is_lost(  # noqa: PLR0913, PLR0917
    syntax: str,
    rows: int,
    columns: int,
    bits: tuple[int, int],
    signed: bool,  # noqa: FBT001
    photometric: str,
) -> None:
    pixels = Pixels(
        NATIVE,
        rows,
        columns,
        samples=1 if photometric == "MONOCHROME2" else 3,
        photometric=photometric,
        allocated=bits[0],
        stored=bits[1],
        signed=signed,
    )
    target = becomes(pixels, syntax)
    array = noise(pixels)
    try:
        frame = encode(array, target)
    except NotAcceptable:
        assert array.nbytes < 512
        assert syntax == codecs.JLS_LOSSLESS
        return
    decoded = decode(frame, target)
    assert decoded.array.dtype == array.dtype
    assert np.array_equal(decoded.array, array)
    assert decoded.photometric == photometric


@pytest.mark.parametrize(
    "syntax", [codecs.RLE_LOSSLESS, codecs.JLS_LOSSLESS, codecs.J2K_LOSSLESS, codecs.HTJ2K_LOSSLESS]
)
@pytest.mark.parametrize("pixels", [GREY, replace(GREY, signed=True), COLOUR])
def test_pydicom_decodes_what_is_encoded(syntax: str, pixels: Pixels) -> None:
    array = noise(pixels)
    target = becomes(pixels, syntax)
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = 64, 48, target.samples
    dataset.PhotometricInterpretation = target.photometric
    dataset.PlanarConfiguration = int(target.by_plane)
    dataset.BitsAllocated, dataset.BitsStored = target.allocated, target.stored
    dataset.HighBit, dataset.PixelRepresentation = target.stored - 1, int(target.signed)
    frame = encode(array, target)
    dataset.PixelData = encapsulate([frame + b"\0" * (len(frame) % 2)])
    dataset["PixelData"].is_undefined_length = True
    assert np.array_equal(dataset.pixel_array, array)


@pytest.mark.parametrize(
    ("syntax", "pixels", "photometric"),
    [
        (codecs.J2K_LOSSLESS, COLOUR, "YBR_RCT"),
        (codecs.HTJ2K_LOSSLESS, COLOUR, "YBR_RCT"),
        (codecs.J2K_LOSSLESS, replace(COLOUR, photometric="YBR_FULL"), "YBR_FULL"),
        (codecs.JLS_LOSSLESS, COLOUR, "RGB"),
        (codecs.RLE_LOSSLESS, COLOUR, "RGB"),
        (codecs.J2K_LOSSLESS, GREY, "MONOCHROME2"),
    ],
)
def test_colours_are_said_to_be_what_they_are(
    syntax: str, pixels: Pixels, photometric: str
) -> None:
    assert becomes(pixels, syntax).photometric == photometric


def test_planes_are_for_rle_and_uncompressed_pixels() -> None:
    by_plane = replace(COLOUR, by_plane=True)
    assert becomes(COLOUR, codecs.RLE_LOSSLESS).by_plane
    assert not becomes(GREY, codecs.RLE_LOSSLESS).by_plane
    assert not becomes(by_plane, codecs.JLS_LOSSLESS).by_plane
    assert becomes(by_plane, "1.2.840.10008.1.2").by_plane


@pytest.mark.parametrize(
    ("syntax", "pixels"),
    [
        (codecs.JLS_NEAR, GREY),
        (codecs.BASELINE, COLOUR),
        (codecs.J2K_LOSSLESS, replace(GREY, allocated=32, stored=32)),
        (codecs.JLS_LOSSLESS, replace(GREY, allocated=1, stored=1)),
        (codecs.RLE_LOSSLESS, replace(GREY, allocated=64, stored=64, samples=3)),
        (codecs.DEFLATED_FRAMES, replace(GREY, allocated=32, stored=32, tag=FLOAT)),
        (codecs.HTJ2K_RPCL, GREY),
        ("1.2.840.10008.1.2.4.102", GREY),
    ],
)
def test_what_cannot_be_encoded_without_loss_is_refused(syntax: str, pixels: Pixels) -> None:
    with pytest.raises(NotAcceptable):
        becomes(pixels, syntax)


@pytest.mark.parametrize(
    ("syntax", "pixels"),
    [
        (codecs.BASELINE, GREY),
        (codecs.BASELINE, replace(COLOUR, signed=True)),
        (codecs.JLS_NEAR, replace(GREY, photometric="PALETTE COLOR")),
        (codecs.RLE_LOSSLESS, GREY),
        (NATIVE, GREY),
    ],
)
def test_what_cannot_be_encoded_with_loss_is_refused(syntax: str, pixels: Pixels) -> None:
    with pytest.raises(NotAcceptable):
        becomes(pixels, syntax, Loss())


def test_near_lossless_is_as_near_as_asked() -> None:
    target = becomes(GREY, codecs.JLS_NEAR, Loss(near=3))
    array = noise(GREY)
    decoded = decode(encode(array, target, Loss(near=3)), target).array
    assert 0 < np.abs(decoded.astype(int) - array).max() <= 3


@pytest.mark.parametrize("pixels", [replace(GREY, allocated=8, stored=8), COLOUR])
def test_baseline_is_close(pixels: Pixels) -> None:
    array = SMOOTH if pixels.samples == 1 else np.stack([SMOOTH] * 3, axis=-1)
    target = becomes(pixels, codecs.BASELINE, Loss())
    decoded = decode(encode(array, target, Loss(quality=95)), target, rgb=True)
    assert decoded.photometric == pixels.photometric
    assert np.abs(decoded.array.astype(int) - array).max() <= 4


def test_twelve_bits_are_close() -> None:
    array = SMOOTH.astype(np.uint16) * 16
    target = becomes(GREY, codecs.EXTENDED, Loss())
    decoded = decode(encode(array, target, Loss(quality=95)), target).array
    assert np.abs(decoded.astype(int) - array).max() <= 64


def test_jpeg_2000_is_as_small_as_asked() -> None:
    array = np.tile(noise(GREY) // 16, (4, 4))
    pixels = replace(GREY, rows=256, columns=192)
    target = becomes(pixels, codecs.J2K, Loss(ratio=8))
    assert len(encode(array, target, Loss(ratio=8))) <= array.nbytes / 7


def test_overlays_in_the_high_bits_are_not_thrown_away() -> None:
    array = np.full((64, 48), 0x1005, np.uint16)
    for syntax in (codecs.JLS_LOSSLESS, codecs.J2K_LOSSLESS, codecs.LOSSLESS_SV1):
        with pytest.raises(NotAcceptable, match="overlays"):
            encode(array, becomes(GREY, syntax))
    target = becomes(GREY, codecs.RLE_LOSSLESS)
    assert np.array_equal(decode(encode(array, target), target, whole=True).array, array)


def test_a_sign_that_is_not_extended_is_no_overlay() -> None:
    pixels = replace(GREY, signed=True)
    array = np.full((64, 48), 0x0FFF, np.int16)
    target = becomes(pixels, codecs.JLS_LOSSLESS)
    assert np.all(decode(encode(array, target), target).array == -1)


def test_small_images_need_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = replace(GREY, rows=3, columns=4)
    monkeypatch.setattr(codecs, "installed", lambda package: package != "imagecodecs")
    with pytest.raises(NotAcceptable, match="codecs extra"):
        encode(noise(pixels), becomes(pixels, codecs.J2K_LOSSLESS))
