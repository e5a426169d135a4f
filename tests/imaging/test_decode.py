import random
import warnings
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from struct import pack
from typing import Any
from zlib import compress

import imagecodecs
import numpy as np
import pytest
from PIL import Image
from pydicom.pixels import get_decoder
from tests.imaging.images import dataset, images, sample

from hilum.codec.deflate import inflate
from hilum.imaging import codecs, decode, native
from hilum.imaging.decode import MAX_DECODED
from hilum.imaging.index import frame
from hilum.imaging.pixels import Pixels
from hilum.imaging.read import look
from hilum.model.errors import BadPixels, HilumError, NotAcceptable

GREY = Pixels("1.2.840.10008.1.2.1", rows=8, columns=6, allocated=8, stored=8)
COLOUR = replace(GREY, samples=3, photometric="RGB")
RAMP = np.arange(48, dtype=np.uint8).reshape(8, 6)
PICTURE = np.random.default_rng(7).integers(0, 256, (8, 6, 3), np.uint8)


def opened(path: Path) -> tuple[bytes, Pixels, Any]:
    data, syntax = sample(path)
    looked = look(data, syntax)
    assert looked.pixels is not None
    return inflate(data)[0] if looked.inflated else data, looked.pixels, looked.index


def pydicoms(path: Path, index: int) -> np.ndarray[Any, Any] | None:
    """What pydicom decodes; None where it has no decoder, or cannot."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            decoder = get_decoder(sample(path)[1])
            return decoder.as_array(dataset(path), index=index, raw=True)[0]
        except (NotImplementedError, RuntimeError, ValueError, OSError):
            return None


@pytest.mark.parametrize("path", images(), ids=lambda path: path.name)
def test_a_sample_is_decoded_as_pydicom_does(path: Path) -> None:
    data, pixels, index = opened(path)
    if pixels.torn and pixels.allocated > 16:
        pytest.skip("pydicom takes words of big endian for larger numbers")
    for number in {0, index.frames // 2, index.frames - 1}:
        theirs = pydicoms(path, number)
        if theirs is None:
            continue
        ours = decode.decode(frame(data, index, number), pixels, index.bit(number))
        assert ours.array.dtype == theirs.dtype.newbyteorder("=")
        assert np.array_equal(ours.array, theirs)


@pytest.mark.parametrize("syntax", ["4.51", "4.53", "4.55", "4.57", "4.70", "5", "8.1"])
def test_what_pydicom_cannot_decode_is_decoded(syntax: str) -> None:
    for path in images():
        if sample(path)[1] == "1.2.840.10008.1.2." + syntax:
            data, pixels, index = opened(path)
            array = decode.decode(frame(data, index, 0), pixels).array
            assert array.shape[:2] == (pixels.rows, pixels.columns)
            assert array.min() < array.max() < 1 << pixels.stored


def test_the_same_image_by_any_codec() -> None:
    by_name = {path.name: path for path in images()}
    for name, others in {
        "MR_small.dcm": ["MR_small_RLE.dcm", "MR_small_expb.dcm", "MR_small_jp2klossless.dcm"],
        "liver_nonbyte_aligned.dcm": ["liver_nonbyte_aligned_rle.dcm"],
        "liver.dcm": ["liver_deflate.dcm", "liver_j2k.dcm"],
    }.items():
        for other in others:
            if name not in by_name or other not in by_name:
                continue
            for number in range(opened(by_name[name])[2].frames):
                arrays = [
                    decode.decode(frame(data, index, number), pixels, index.bit(number)).array
                    for data, pixels, index in (opened(by_name[each]) for each in (name, other))
                ]
                assert np.array_equal(*arrays), other


def test_words_are_not_copied() -> None:
    data = bytes(range(96))
    array = decode.decode(data, replace(GREY, allocated=16, stored=16)).array
    assert np.shares_memory(array, np.frombuffer(data, np.uint8))


def test_overlays_in_the_high_bits_are_no_pixels() -> None:
    pixels = Pixels("1.2.840.10008.1.2.1", 1, 2, allocated=16, stored=12)
    data = pack("<2H", 0x8123, 0x0FFF)
    assert decode.decode(data, pixels).array.tolist() == [[0x123, 0xFFF]]
    assert decode.decode(data, pixels, whole=True).array.tolist() == [[0x8123, 0xFFF]]
    data = pack("<2H", 0x0FFF, 0x17FF)
    assert decode.decode(data, replace(pixels, signed=True)).array.tolist() == [[-1, 2047]]


def jpeg(array: np.ndarray[Any, Any], **how: Any) -> bytes:
    out = BytesIO()
    Image.fromarray(array).save(out, "JPEG", **how)
    return out.getvalue()


def test_ycbcr_of_jpeg_stays_so_or_becomes_rgb_as_asked() -> None:
    flat = np.full((8, 6, 3), (200, 30, 60), np.uint8)
    stored = jpeg(flat, quality=95, subsampling=0)
    pixels = replace(COLOUR, transfer_syntax_uid=codecs.BASELINE, photometric="YBR_FULL_422")
    raw = decode.decode(stored, pixels)
    assert raw.photometric == "YBR_FULL"
    assert np.abs(raw.array[0, 0].astype(int) - (84, 114, 210)).max() <= 2
    assert decode.decode(stored, pixels, rgb=True).photometric == "RGB"
    converted = decode.decode(stored, pixels, rgb=True).array
    assert np.abs(converted.astype(int) - flat).max() <= 3


def test_a_marker_of_adobe_is_believed_before_the_header() -> None:
    stored = imagecodecs.jpeg_encode(PICTURE, 100, colorspace="RGB", outcolorspace="RGB")
    pixels = replace(COLOUR, transfer_syntax_uid=codecs.BASELINE, photometric="YBR_FULL")
    decoded = decode.decode(stored, pixels)
    assert decoded.photometric == "RGB"
    assert np.abs(decoded.array.astype(int) - PICTURE).max() <= 3


def test_rgb_without_any_marker_is_rgb_where_the_header_says_so() -> None:
    stored = imagecodecs.jpeg_encode(PICTURE, 100, colorspace="RGB", outcolorspace="RGB")
    at = stored.index(b"\xff\xee")
    bare = stored[:at] + stored[at + 16 :]
    decoded = decode.decode(bare, replace(COLOUR, transfer_syntax_uid=codecs.BASELINE))
    assert decoded.photometric == "RGB"
    assert np.abs(decoded.array.astype(int) - PICTURE).max() <= 3


def test_what_jfif_calls_ycbcr_is_so_whatever_the_header_says() -> None:
    stored = jpeg(np.full((8, 6, 3), (200, 30, 60), np.uint8), quality=95, subsampling=0)
    decoded = decode.decode(stored, replace(COLOUR, transfer_syntax_uid=codecs.BASELINE))
    assert decoded.photometric == "RGB"
    assert np.abs(decoded.array[0, 0].astype(int) - (200, 30, 60)).max() <= 3


def test_jpeg_2000_whose_sign_is_not_that_of_the_header() -> None:
    values = np.array([[0, 5, 4095, 2048]], np.uint16)
    stored = imagecodecs.jpeg2k_encode(
        values, codecformat="j2k", bitspersample=12, reversible=True, resolutions=1
    )
    pixels = Pixels(codecs.J2K_LOSSLESS, 1, 4, stored=12, signed=True)
    assert decode.decode(stored, pixels).array.tolist() == [[0, 5, -1, -2048]]


def test_jpeg_xl() -> None:
    stored = imagecodecs.jpegxl_encode(PICTURE, lossless=True)
    pixels = replace(COLOUR, transfer_syntax_uid=codecs.JXL_LOSSLESS)
    assert np.array_equal(decode.decode(stored, pixels).array, PICTURE)
    with pytest.raises(BadPixels, match="8 rows and 6 columns"):
        decode.decode(stored, replace(pixels, rows=9))


def test_frames_that_are_deflated_one_by_one() -> None:
    stored = compress(RAMP.tobytes())[2:-4]
    pixels = replace(GREY, transfer_syntax_uid=codecs.DEFLATED_FRAMES)
    assert np.array_equal(decode.decode(stored, pixels).array, RAMP)


def test_a_byte_of_padding_does_no_harm() -> None:
    stored = jpeg(RAMP)
    pixels = replace(GREY, transfer_syntax_uid=codecs.BASELINE)
    padded = decode.decode(stored + b"\0", pixels).array
    assert np.array_equal(padded, decode.decode(stored, pixels).array)


LOSSLESS_JPEG = imagecodecs.jpeg_encode(
    RAMP.astype(np.uint16), lossless=True, predictor=1, bitspersample=16
)
STREAMS = {
    codecs.BASELINE: jpeg(RAMP),
    codecs.LOSSLESS_SV1: LOSSLESS_JPEG,
    codecs.JLS_LOSSLESS: imagecodecs.jpegls_encode(RAMP),
    codecs.J2K_LOSSLESS: imagecodecs.jpeg2k_encode(
        RAMP, codecformat="j2k", reversible=True, resolutions=1
    ),
    codecs.HTJ2K_LOSSLESS: imagecodecs.htj2k_encode(RAMP),
}


@pytest.mark.parametrize("syntax", STREAMS)
def test_a_codestream_of_another_size_is_refused_before_it_is_decoded(
    syntax: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    width = 16 if syntax == codecs.LOSSLESS_SV1 else 8
    pixels = replace(GREY, transfer_syntax_uid=syntax, allocated=width, stored=width)
    assert np.array_equal(decode.decode(STREAMS[syntax], pixels).array, RAMP) or (
        syntax == codecs.BASELINE
    )
    monkeypatch.setattr(native, "shaped", None)  # no codec comes as far
    monkeypatch.setattr(decode, "_pillow", None)
    for changed in (replace(pixels, rows=9), replace(pixels, columns=5)):
        with pytest.raises(BadPixels, match="the codestream has 8 rows, 6 columns"):
            decode.decode(STREAMS[syntax], changed)


@pytest.mark.parametrize("syntax", [*STREAMS, codecs.RLE_LOSSLESS, codecs.DEFLATED_FRAMES])
@pytest.mark.parametrize("junk", [b"", b"\0", b"\xff\xd8\xff", bytes(1000), b"\xff" * 100])
def test_bytes_that_are_nothing(syntax: str, junk: bytes) -> None:
    with pytest.raises(BadPixels):
        decode.decode(junk, replace(GREY, rows=80, transfer_syntax_uid=syntax))


@pytest.mark.parametrize("syntax", STREAMS)
def test_a_frame_that_is_cut_off(syntax: str) -> None:
    width = 16 if syntax == codecs.LOSSLESS_SV1 else 8
    pixels = replace(GREY, transfer_syntax_uid=syntax, allocated=width, stored=width)
    with pytest.raises(BadPixels):
        decode.decode(STREAMS[syntax][: -len(STREAMS[syntax]) // 4], pixels)


@pytest.mark.parametrize("syntax", codecs.CODECS)
def test_a_bomb_is_refused_before_anything_is_allocated(syntax: str) -> None:
    pixels = Pixels(syntax, 65535, 65535, allocated=8, stored=8)
    with pytest.raises(BadPixels):
        decode.decode(bytes(100), pixels)


@pytest.mark.parametrize("syntax", [codecs.RLE_LOSSLESS, codecs.DEFLATED_FRAMES])
def test_a_few_bytes_are_never_many(syntax: str) -> None:
    pixels = Pixels(syntax, 16384, 16384, allocated=8, stored=8)
    assert pixels.bits // 8 < MAX_DECODED
    with pytest.raises(BadPixels, match=r"100 .* cannot be 268435456 bytes"):
        decode.decode(bytes(100), pixels)


def test_too_few_bytes_of_uncompressed_pixels() -> None:
    with pytest.raises(BadPixels, match="the frame has 47 bytes, and needs 48"):
        decode.decode(bytes(47), GREY)


def test_video_is_not_decoded() -> None:
    with pytest.raises(NotAcceptable, match="not decoded here"):
        decode.decode(b"", replace(GREY, transfer_syntax_uid="1.2.840.10008.1.2.4.102"))


def test_twelve_bits_need_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codecs, "installed", lambda package: package != "imagecodecs")
    stored = imagecodecs.jpeg_encode(RAMP.astype(np.uint16), bitspersample=12)
    pixels = Pixels(codecs.EXTENDED, 8, 6, stored=12)
    with pytest.raises(NotAcceptable, match=r"hilum\[codecs\]"):
        decode.decode(stored, pixels)


@pytest.mark.parametrize("syntax", [*STREAMS, codecs.RLE_LOSSLESS])
def test_whatever_is_changed_in_a_frame_is_pixels_or_an_error(syntax: str) -> None:
    chance = random.Random(syntax)  # noqa: S311 - the same each time
    width = 16 if syntax == codecs.LOSSLESS_SV1 else 8
    pixels = replace(GREY, transfer_syntax_uid=syntax, allocated=width, stored=width)
    segment = pack("<16L", 1, 64, *bytes(14)) + b"\x2f" + bytes(48)
    stored = STREAMS.get(syntax, segment)
    for _ in range(40):
        broken = bytearray(stored)
        for _ in range(chance.randint(1, 4)):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        try:
            assert decode.decode(bytes(broken), pixels).array.shape == (8, 6)
        except HilumError:
            continue
