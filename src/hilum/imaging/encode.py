"""One frame's pixels into bytes: without loss, or in the lossy syntaxes as good as asked."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from io import BytesIO
from types import MappingProxyType
from typing import Any, Final, TypeAlias
from zlib import MAX_WBITS, compressobj

import jpeg_ls  # type: ignore[import-untyped]
import numpy as np
from numpy.typing import NDArray
from openjpeg.utils import encode_buffer as wavelet
from PIL import Image
from rle.utils import encode_pixel_data as run_lengths

from hilum.imaging import codecs, native
from hilum.imaging.pixels import PIXEL_DATA, Pixels
from hilum.model.errors import BadPixels, HilumError, NotAcceptable

Array: TypeAlias = NDArray[np.generic]

_COLOUR: Final = 3  # samples
_MAX_SEGMENTS: Final = 15  # of RLE, PS3.5 §G.2
_SRGB, _ANY_COLOUR = 1, 0  # OpenJPEG's names
_MIN_SIDE: Final = 32  # pixels: OpenJPEG halves an image five times
_TINY: Final = 512  # bytes of an image that may be longer when it is encoded
_LINES: Final = 1  # interleaved lines, as DCMTK writes it
_HTJ2K: Final = (codecs.HTJ2K_LOSSLESS, codecs.HTJ2K)
_DEPTHS: Final[Mapping[str, tuple[int, ...]]] = MappingProxyType({
    codecs.NATIVE: (1, 8, 16, 32, 64),
    codecs.FRAMED: (1, 8, 16, 32, 64),
    codecs.RLE: (8, 16, 32),
    codecs.JPEG: (8, 16),
    codecs.JPEG_LOSSLESS: (8, 16),
    codecs.JPEG_LS: (8, 16),
    codecs.JPEG_2000: (8, 16),
})  # fmt: skip
"""Bits Allocated that each can encode (PS3.5 §8.2)."""


@dataclass(frozen=True, slots=True)
class Loss:
    """How much may be lost.

    Attributes:
        quality: of JPEG, 1 to 100.
        near: of JPEG-LS, by how much a sample may be wrong.
        ratio: of JPEG 2000, how many times smaller.
    """

    quality: int = 90
    near: int = 2
    ratio: float = 10.0


def becomes(pixels: Pixels, transfer_syntax_uid: str, loss: Loss | None = None) -> Pixels:
    """How the pixels of a decoded frame are written in a Transfer Syntax (PS3.5 §8.2).

    Args:
        pixels: of the frame, with its Photometric Interpretation after decoding.
        transfer_syntax_uid: to encode it in.
        loss: that is taken; None: nothing may be lost.

    Raises:
        NotAcceptable: these pixels cannot be encoded so, or nobody here can.
    """
    codec = codecs.encoder(transfer_syntax_uid)
    kind, stored = codec.kind, pixels.stored
    if loss is None and not codec.lossless:
        raise NotAcceptable(f"Transfer Syntax {transfer_syntax_uid} does not keep pixels")
    if loss is not None and (pixels.signed or pixels.photometric == "PALETTE COLOR"):
        raise NotAcceptable("pixels with a sign or a palette are not encoded with loss")
    if loss is not None and (codec.lossless and transfer_syntax_uid != codecs.J2K):
        raise NotAcceptable(f"nothing is lost on purpose in Transfer Syntax {transfer_syntax_uid}")
    codestream = codec.kind not in {codecs.NATIVE, codecs.FRAMED}
    fits = pixels.allocated in _DEPTHS[kind] and (
        pixels.tag == PIXEL_DATA or (kind == codecs.NATIVE and not codec.encapsulated)
    )
    if kind == codecs.RLE:
        fits = fits and pixels.samples * pixels.allocated <= _MAX_SEGMENTS * 8
    if kind == codecs.JPEG:
        baseline = transfer_syntax_uid == codecs.BASELINE
        fits = fits and (pixels.allocated == 8 if baseline else stored <= 12)  # noqa: PLR2004 - bits
        fits = fits and (pixels.samples == 1 or stored <= 8)  # noqa: PLR2004 - bits
    if not fits or (codestream and (pixels.samples not in {1, _COLOUR} or stored < 2)):  # noqa: PLR2004 - bits
        raise NotAcceptable(
            f"pixels of {stored} bits, {pixels.samples} samples are not encoded in {kind}"
        )
    return replace(
        pixels,
        transfer_syntax_uid=transfer_syntax_uid,
        photometric=_photometric(pixels, kind, loss),
        by_plane=pixels.samples > 1
        and (kind == codecs.RLE or (pixels.by_plane and not codestream)),
        vr="OB" if codec.encapsulated or pixels.allocated <= 8 else "OW",  # noqa: PLR2004 - bits
    )


def _photometric(pixels: Pixels, kind: str, loss: Loss | None) -> str:
    """Photometric Interpretation once encoded."""
    if pixels.samples == _COLOUR:
        if kind == codecs.JPEG:
            return "YBR_FULL_422"
        if kind == codecs.JPEG_2000 and pixels.photometric == "RGB":
            return "YBR_RCT" if loss is None else "YBR_ICT"
    return pixels.photometric


def encode(array: Array, pixels: Pixels, loss: Loss | None = None) -> bytes:
    """The bytes of a frame, of any length.

    Args:
        array: of rows and columns, and samples where there are several. Its colours are those
            before `becomes`.
        pixels: what `becomes` gave.
        loss: as there.

    Raises:
        NotAcceptable: there is something in the bits beyond Bits Stored that would be lost, or
            an image is too small for the codecs at hand.
        BadPixels: the codec fails.
    """
    kind = codecs.encoder(pixels.transfer_syntax_uid).kind
    if kind not in {codecs.NATIVE, codecs.FRAMED, codecs.RLE}:
        array = _within(array, pixels)
    try:
        return _ENCODERS[kind](np.ascontiguousarray(array), pixels, loss)
    except HilumError:
        raise
    except Exception as error:
        raise BadPixels(f"the frame cannot be encoded as {kind}") from error


def _within(array: Array, pixels: Pixels) -> Array:
    """Values of Bits Stored, in as many bytes as these need.

    Raises:
        NotAcceptable: there is more in them than these bits and their sign.
    """
    cleaned = native.clean(array, pixels)
    if cleaned is not array:
        unsigned = array.view(f"u{array.dtype.itemsize}")
        if (cleaned != array).any() and (unsigned >> np.uint8(pixels.stored)).any():
            raise NotAcceptable("there are overlays in the pixels, which would be lost")
    if pixels.stored <= 8 < array.dtype.itemsize * 8:  # noqa: PLR2004 - bits
        return cleaned.astype("i1" if pixels.signed else "u1")
    return cleaned


def _bare(array: Array, pixels: Pixels) -> Array:
    """The same without a sign, in the lowest bits: for codecs that know none."""
    unsigned = array.view(f"u{array.dtype.itemsize}")
    return unsigned & unsigned.dtype.type((1 << pixels.stored) - 1) if pixels.signed else unsigned


def _native(array: Array, pixels: Pixels, _loss: Loss | None) -> bytes:
    return native.write(array, pixels)


def _framed(array: Array, pixels: Pixels, _loss: Loss | None) -> bytes:
    deflater = compressobj(wbits=-MAX_WBITS)
    return deflater.compress(native.write(array, pixels)) + deflater.flush()


def _rle(array: Array, pixels: Pixels, _loss: Loss | None) -> bytes:
    encoded: bytes = run_lengths(
        array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes(),
        byteorder="<",
        rows=pixels.rows,
        columns=pixels.columns,
        samples_per_pixel=pixels.samples,
        bits_allocated=pixels.allocated,
    )
    return encoded


def _jpeg(array: Array, pixels: Pixels, loss: Loss | None) -> bytes:
    """Baseline by Pillow; twelve bits by the extra."""
    quality = (loss or Loss()).quality
    if array.dtype.itemsize > 1:
        imagecodecs: Any = import_module("imagecodecs")
        return bytes(imagecodecs.jpeg_encode(array, quality, bitspersample=12))
    image = Image.fromarray(array)
    out = BytesIO()
    if pixels.samples == _COLOUR:
        image.save(out, "JPEG", quality=quality, subsampling="4:2:2")
    else:
        image.save(out, "JPEG", quality=quality)
    return out.getvalue()


def _jpeg_lossless(array: Array, pixels: Pixels, _loss: Loss | None) -> bytes:
    """Process 14, Selection Value 1, whose syntax has a name of its own."""
    imagecodecs: Any = import_module("imagecodecs")
    colour = {"colorspace": "RGB", "outcolorspace": "RGB"} if pixels.samples == _COLOUR else {}
    bits = max(pixels.stored, 2)
    return bytes(
        imagecodecs.jpeg_encode(
            _bare(array, pixels), lossless=True, predictor=1, bitspersample=bits, **colour
        )
    )


def _jpeg_ls(array: Array, pixels: Pixels, loss: Loss | None) -> bytes:
    bare, near = _bare(array, pixels), 0 if loss is None else loss.near
    samples = bare.astype(bare.dtype.newbyteorder("<"), copy=False).tobytes()
    try:
        return bytes(
            jpeg_ls.encode_buffer(
                samples,
                rows=pixels.rows,
                columns=pixels.columns,
                samples_per_pixel=pixels.samples,
                bits_stored=pixels.stored,
                lossy_error=near,
                interleave_mode=_LINES if pixels.samples > 1 else 0,
            )
        )
    except RuntimeError as error:
        if len(samples) < _TINY:  # the codec has no room for what the encoding adds to noise
            raise NotAcceptable("an image of so few pixels is not encoded in JPEG-LS") from error
        raise


def _jpeg_2000(array: Array, pixels: Pixels, loss: Loss | None) -> bytes:
    mixed = pixels.photometric in {"YBR_RCT", "YBR_ICT"}
    if pixels.transfer_syntax_uid in _HTJ2K:
        imagecodecs: Any = import_module("imagecodecs")
        return bytes(imagecodecs.htj2k_encode(array, reversible=True, rgb=mixed))
    if min(pixels.rows, pixels.columns) < _MIN_SIDE:
        if loss is not None:
            raise NotAcceptable("small images are not encoded with loss")
        encoder = _extra("small images").jpeg2k_encode
        bits = {"bitspersample": pixels.stored, "resolutions": 1}
        return bytes(encoder(array, codecformat="j2k", reversible=True, mct=mixed, **bits))
    return wavelet(
        array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes(),
        pixels.columns,
        pixels.rows,
        pixels.samples,
        pixels.stored,
        pixels.signed,
        photometric_interpretation=_SRGB if mixed else _ANY_COLOUR,
        use_mct=mixed,
        compression_ratios=None if loss is None else [loss.ratio],
    )


def _extra(what: str) -> Any:  # noqa: ANN401 - a module without types
    """The codecs of the extra.

    Raises:
        NotAcceptable: they are not installed.
    """
    if not codecs.installed("imagecodecs"):
        raise codecs.missing(f"{what} are encoded")
    return import_module("imagecodecs")


_Encoder: TypeAlias = Callable[[Array, Pixels, Loss | None], bytes]
_ENCODERS: Final[Mapping[str, _Encoder]] = MappingProxyType({
    codecs.NATIVE: _native,
    codecs.FRAMED: _framed,
    codecs.RLE: _rle,
    codecs.JPEG: _jpeg,
    codecs.JPEG_LOSSLESS: _jpeg_lossless,
    codecs.JPEG_LS: _jpeg_ls,
    codecs.JPEG_2000: _jpeg_2000,
})  # fmt: skip
