"""One frame's bytes into an array of pixels, in every Transfer Syntax that is decoded here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from io import BytesIO
from types import MappingProxyType
from typing import Any, Final, TypeAlias
from zlib import MAX_WBITS, decompressobj

import jpeg_ls  # type: ignore[import-untyped]
import numpy as np
from numpy.typing import NDArray
from openjpeg.utils import decode_pixel_data as inverse_wavelet
from PIL import Image
from rle.utils import decode_pixel_data as unrle

from hilum.imaging import codecs, codestream, jpeg_xl, native
from hilum.imaging.codestream import Codestream
from hilum.imaging.pixels import Pixels
from hilum.model.errors import BadPixels, HilumError

MAX_DECODED: Final = 512 * 1024 * 1024
"""Bytes of one decoded frame."""

_RUN: Final = 128  # bytes that two of RLE may become, at most (PS3.5 §G.3.1)
_DEFLATED: Final = 1032  # bytes that one of deflate may become, at most
_COLOUR: Final = 3  # samples
_BYTE: Final = 8  # bits
_LOSSLESS: Final = 0xC3  # SOF of JPEG Process 14
_END: Final = b"\xff\xd9"
_TAIL: Final = 16  # bytes after an end of image that may be padding
_ICT: Final = frozenset(("YBR_ICT", "YBR_RCT"))  # which a decoder of JPEG 2000 undoes

Image.MAX_IMAGE_PIXELS = None  # our own limit is kept, before

Array: TypeAlias = NDArray[np.generic]


@dataclass(frozen=True, slots=True)
class Decoded:
    """A frame.

    Attributes:
        array: of rows and columns, and samples where there are several; of native byte order.
            It may be a view of what was decoded, and read only.
        photometric: Photometric Interpretation after decoding.
        precision: bits of a sample as the codestream says, in JPEG-LS and JPEG 2000; else 0.
    """

    array: Array
    photometric: str
    precision: int = 0


def decode(
    frame: bytes | memoryview,
    pixels: Pixels,
    bit: int = 0,
    *,
    rgb: bool = False,
    whole: bool = False,
) -> Decoded:
    """The pixels of a frame.

    Colours are as they are stored, unless the codec itself converts them: JPEG 2000 gives RGB
    for YBR_RCT and YBR_ICT.

    Args:
        frame: its bytes, as `index.frame` has them.
        pixels: how it is written.
        bit: where it begins in them (`FrameIndex.bit`).
        rgb: JPEG that is stored as YCbCr becomes RGB; that is quick while it is decoded.
        whole: the bits beyond Bits Stored stay, as far as the syntax has them.

    Raises:
        BadPixels: they cannot be decoded, are not of the size that the header says, or are more
            than `MAX_DECODED`.
        NotAcceptable: there is no codec for the Transfer Syntax.
    """
    codec = codecs.decoder(pixels.transfer_syntax_uid)
    samples = pixels.rows * pixels.columns * pixels.samples
    if samples * max(1, pixels.allocated // 8) > MAX_DECODED:
        raise BadPixels(f"a frame of {samples} samples is more than is decoded here")
    if codec.kind == codecs.NATIVE:
        array, photometric = native.read(frame, pixels, bit), pixels.photometric
        if pixels.subsampled:
            photometric = "YBR_FULL"
        return Decoded(array if whole else native.clean(array, pixels), photometric)
    try:
        decoded = _decoded(codec.kind, bytes(frame), pixels, rgb=rgb)
    except HilumError:
        raise
    except Exception as error:
        raise BadPixels(f"the frame cannot be decoded as {codec.kind}") from error
    except BaseException as error:  # codecs written in Rust panic like this
        if type(error).__name__ != "PanicException":
            raise
        raise BadPixels(f"the frame cannot be decoded as {codec.kind}") from error
    if whole or codec.kind in {codecs.JPEG_2000, codecs.JPEG_LS, codecs.JPEG_XL}:
        return decoded  # these have nothing beyond the bits that they say
    return Decoded(native.clean(decoded.array, pixels), decoded.photometric)


def _decoded(kind: str, frame: bytes, pixels: Pixels, *, rgb: bool) -> Decoded:
    """A frame as its codec gives it, in rows, columns and words of Bits Allocated.

    Raises:
        BadPixels: it is not of the size that the header says.
        Exception: whatever the codec raises.
    """
    array, photometric = _DECODERS[kind](frame, pixels, rgb)
    if array.size != pixels.rows * pixels.columns * pixels.samples:
        raise BadPixels("the decoded frame is not of the size that its header says")
    tail = () if pixels.samples == 1 else (pixels.samples,)
    array = array.reshape(pixels.rows, pixels.columns, *tail)
    precision = 0
    if kind in {codecs.JPEG_2000, codecs.JPEG_LS}:
        read = codestream.jpeg_2000 if kind == codecs.JPEG_2000 else codestream.jpeg
        precision = read(frame).precision
    return Decoded(_widened(array, pixels), photometric, precision)


def _widened(array: Array, pixels: Pixels) -> Array:
    """In words of Bits Allocated, where the codec gives smaller ones."""
    dtype = native.dtype_of(pixels)
    if array.dtype.kind == "u" and dtype.kind == "i":
        array = native.reread(array, min(pixels.stored, array.dtype.itemsize * 8), signed=True)
    if array.dtype.itemsize < dtype.itemsize:
        return array.astype(dtype)
    return array


def _held(found: Codestream, pixels: Pixels) -> Codestream:
    """A codestream's header, held against that of the data set.

    Raises:
        BadPixels: they differ.
    """
    theirs = (found.rows, found.columns, found.samples)
    if theirs != (pixels.rows, pixels.columns, pixels.samples):
        raise BadPixels(
            f"the codestream has {found.rows} rows, {found.columns} columns, {found.samples}"
            f" samples, and the header {pixels.rows}, {pixels.columns}, {pixels.samples}"
        )
    return found


def _rle(frame: bytes, pixels: Pixels, _rgb: bool) -> tuple[Array, str]:  # noqa: FBT001 - one signature for all
    size = -(-pixels.rows * pixels.columns * pixels.samples * pixels.allocated // 8)
    if len(frame) * _RUN < size:
        raise BadPixels(f"{len(frame)} bytes of RLE cannot be {size} bytes of pixels")
    if pixels.allocated == native.ONE_BIT:  # packed, then as if they were bytes
        packed = unrle(frame, version=2, rows=1, columns=size, bits_allocated=8)
        return native.read(bytes(packed), pixels), pixels.photometric
    decoded = unrle(
        frame,
        version=2,
        rows=pixels.rows,
        columns=pixels.columns,
        bits_allocated=pixels.allocated,
    )
    flat = np.frombuffer(decoded, native.dtype_of(pixels, "<"))
    flat = flat.astype(flat.dtype.newbyteorder("="), copy=False)
    return native.shaped(flat, pixels, by_plane=True), pixels.photometric


def _jpeg(frame: bytes, pixels: Pixels, rgb: bool) -> tuple[Array, str]:  # noqa: FBT001
    """JPEG of 8 bits by Pillow; of more, and lossless, by the extra."""
    found = _held(codestream.jpeg(frame), pixels)
    photometric, stored = pixels.photometric, "RGB"
    if found.samples == _COLOUR and found.marker != _LOSSLESS:
        ycc = found.transform == 1 if found.transform is not None else photometric != "RGB"
        stored = "YCbCr" if ycc else "RGB"
        rgb = rgb or photometric == "RGB"
        photometric = "RGB" if rgb or not ycc else "YBR_FULL"
    colours = ("RGB" if rgb else stored, stored) if found.samples == _COLOUR else ("L", "L")
    if found.precision == _BYTE and found.marker != _LOSSLESS:
        return _pillow(frame, colours), photometric
    if not codecs.installed("imagecodecs"):
        raise codecs.missing(f"JPEG of {found.precision} bits is decoded")
    if _END not in frame[-_TAIL:]:  # libjpeg would go on in grey
        raise BadPixels("the frame is cut off")
    imagecodecs: Any = import_module("imagecodecs")
    if found.samples == 1:
        return imagecodecs.jpeg_decode(frame), photometric
    return imagecodecs.jpeg_decode(
        frame, colorspace=colours[1], outcolorspace=colours[0]
    ), photometric


def _pillow(frame: bytes, colours: tuple[str, str]) -> Array:
    """JPEG of 8 bits.

    Args:
        frame: the codestream.
        colours: as they shall be, and as they are stored; the same where nothing is converted.
    """
    with Image.open(BytesIO(frame), formats=("JPEG",)) as image:
        wanted, stored = colours
        if wanted == stored:
            wanted = stored = image.mode  # whatever it is called: nothing is converted
        image.tile = [image.tile[0]._replace(args=(wanted, stored))]
        return np.asarray(image)


def _jpeg_ls(frame: bytes, pixels: Pixels, _rgb: bool) -> tuple[Array, str]:  # noqa: FBT001
    found = _held(codestream.jpeg(frame), pixels)
    decoded, info = jpeg_ls.decode_pixel_data(frame)
    flat = np.frombuffer(decoded, np.uint8 if found.precision <= _BYTE else "<u2")
    by_plane = found.samples > 1 and info["interleave_mode"] == 0
    array = native.shaped(flat, pixels, by_plane=by_plane)
    if pixels.signed:  # it knows no sign
        array = native.reread(array, found.precision, signed=True)
    return array, pixels.photometric


def _jpeg_2000(frame: bytes, pixels: Pixels, _rgb: bool) -> tuple[Array, str]:  # noqa: FBT001
    found = _held(codestream.jpeg_2000(frame), pixels)
    decoded = inverse_wavelet(frame[found.start :], version=2)
    size = next(size for size in (1, 2, 4) if found.precision <= size * 8)
    flat = np.frombuffer(decoded, f"<{'i' if found.signed else 'u'}{size}")
    array = native.shaped(flat, pixels)
    if found.signed != pixels.signed:  # the header of the data set is right
        array = native.reread(array, found.precision, signed=pixels.signed)
    return array, "RGB" if pixels.photometric in _ICT else pixels.photometric


def _jpeg_xl(frame: bytes, pixels: Pixels, _rgb: bool) -> tuple[Array, str]:  # noqa: FBT001
    rows, columns = jpeg_xl.size(frame)
    if (rows, columns) != (pixels.rows, pixels.columns):
        raise BadPixels(f"the codestream has {rows} rows and {columns} columns, the header others")
    imagecodecs: Any = import_module("imagecodecs")
    array: Array = imagecodecs.jpegxl_decode(frame)
    return array, "RGB" if pixels.samples == _COLOUR else pixels.photometric


def _deflated(frame: bytes, pixels: Pixels, _rgb: bool) -> tuple[Array, str]:  # noqa: FBT001
    size = -(-pixels.bits // 8)
    if len(frame) * _DEFLATED < size:
        raise BadPixels(f"{len(frame)} deflated bytes cannot be {size} bytes of pixels")
    plain = decompressobj(-MAX_WBITS).decompress(frame, size)
    return native.read(plain, pixels), "YBR_FULL" if pixels.subsampled else pixels.photometric


_Decoder: TypeAlias = Callable[[bytes, Pixels, bool], tuple[Array, str]]
_DECODERS: Final[Mapping[str, _Decoder]] = MappingProxyType({
    codecs.RLE: _rle,
    codecs.JPEG: _jpeg,
    codecs.JPEG_LOSSLESS: _jpeg,
    codecs.JPEG_LS: _jpeg_ls,
    codecs.JPEG_2000: _jpeg_2000,
    codecs.JPEG_XL: _jpeg_xl,
    codecs.FRAMED: _deflated,
})  # fmt: skip
