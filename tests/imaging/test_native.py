from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilum.imaging import native
from hilum.imaging.pixels import DOUBLE, FLOAT, Pixels
from hilum.model.errors import BadPixels

LITTLE, BIG = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"


@pytest.mark.parametrize("syntax", [LITTLE, BIG])
@pytest.mark.parametrize("allocated", [8, 16, 32, 64])
@pytest.mark.parametrize("signed", [True, False])
def test_numbers_of_any_size(syntax: str, allocated: int, signed: bool) -> None:  # noqa: FBT001
    order = ">" if syntax == BIG else "<"
    pixels = Pixels(syntax, 1, 3, allocated=allocated, stored=allocated, signed=signed, vr="OB")
    values = np.array([[1, 2, 100]], f"{order}{'i' if signed else 'u'}{allocated // 8}")
    read = native.read(values.tobytes(), pixels)
    assert read.dtype.isnative
    assert read.tolist() == [[1, 2, 100]]


@pytest.mark.parametrize(("tag", "code", "bits"), [(FLOAT, "f4", 32), (DOUBLE, "f8", 64)])
def test_floating_point(tag: int, code: str, bits: int) -> None:
    pixels = Pixels(LITTLE, 1, 2, allocated=bits, stored=bits, tag=tag)
    values = np.array([[1.5, -2.25]], "<" + code)
    assert native.read(values.tobytes(), pixels).tolist() == [[1.5, -2.25]]


def test_samples_that_come_by_plane() -> None:
    pixels = Pixels(LITTLE, 1, 2, samples=3, photometric="RGB", allocated=8, stored=8)
    by_plane = native.read(b"rRgGbB", replace(pixels, by_plane=True))
    assert np.array_equal(by_plane, native.read(b"rgbRGB", pixels))


def test_chrominance_is_given_to_both_pixels() -> None:
    pixels = Pixels(LITTLE, 1, 4, samples=3, photometric="YBR_FULL_422", allocated=8, stored=8)
    read = native.read(b"01br23BR", pixels)
    assert bytes(read.tobytes()) == b"0br1br2BR3BR"


def test_single_bits_begin_anywhere() -> None:
    pixels = Pixels(LITTLE, 1, 3, allocated=1, stored=1)
    assert native.read(b"\xe8\x00", pixels, 3).tolist() == [[1, 0, 1]]
    assert native.read(b"\x00\x01", pixels, 8).tolist() == [[1, 0, 0]]


def test_bytes_in_big_endian_words() -> None:
    pixels = Pixels(BIG, 1, 3, allocated=8, stored=8)
    assert bytes(native.read(b"badc", pixels).tobytes()) == b"abc"
    assert bytes(native.read(b"badc", pixels, 8).tobytes()) == b"bcd"


@pytest.mark.parametrize("allocated", [32, 64])
def test_large_numbers_in_big_endian_words(allocated: int) -> None:
    pixels = Pixels(BIG, 1, 1, allocated=allocated, stored=allocated)
    value = np.array([[0x01020304]], f"u{allocated // 8}")
    written = native.write(value, pixels)
    assert written[:4] == b"\x03\x04\x01\x02"
    assert np.array_equal(native.read(written, pixels), value)


def test_too_few_bytes() -> None:
    with pytest.raises(BadPixels):
        native.read(b"abc", Pixels(LITTLE, 2, 2, allocated=8, stored=8))


@given(
    st.integers(1, 5),
    st.integers(1, 5),
    st.sampled_from([1, 8, 16, 32]),
    st.sampled_from([1, 3]),
    st.booleans(),
    st.data(),
)
def test_what_is_written_is_read(  # noqa: PLR0913, PLR0917
    rows: int,
    columns: int,
    allocated: int,
    samples: int,
    by_plane: bool,  # noqa: FBT001
    data: st.DataObject,
) -> None:
    samples = 1 if allocated == 1 else samples
    pixels = Pixels(
        LITTLE,
        rows,
        columns,
        samples=samples,
        photometric="RGB" if samples == 3 else "MONOCHROME2",
        allocated=allocated,
        stored=allocated,
        by_plane=by_plane,
    )
    raw = data.draw(st.binary(min_size=-(-pixels.bits // 8), max_size=-(-pixels.bits // 8)))
    array = native.read(raw, pixels)
    assert np.array_equal(native.read(native.write(array, pixels), pixels), array)


@given(st.integers(-2048, 2047))
def test_a_sign_is_found_again(value: int) -> None:
    raw = np.array([value & 0xFFF | 0x5000], np.uint16)
    assert native.reread(raw, 12, signed=True).tolist() == [value]
    assert native.reread(raw, 12, signed=False).tolist() == [value & 0xFFF]


def test_what_is_clean_is_not_copied() -> None:
    array = np.array([[0, 4095]], np.uint16)
    pixels = Pixels(LITTLE, 1, 2, stored=12)
    assert native.clean(array, pixels) is array
    assert native.limits(replace(pixels, signed=True)) == (-2048, 2047)
