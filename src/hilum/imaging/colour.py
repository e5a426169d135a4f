"""How do samples become red, green and blue? Colour spaces (PS3.3 §C.7.6.3.1.2)."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hilum.model.errors import NotAcceptable

_BYTE = 8  # bits
_AS_THEY_ARE = frozenset(("RGB", "YBR_ICT", "YBR_RCT"))  # a decoder gives RGB for the last two
_FULL = frozenset(("YBR_FULL", "YBR_FULL_422"))
_PARTIAL = frozenset(("YBR_PARTIAL_420", "YBR_PARTIAL_422"))


def red_green_blue(frame: NDArray[np.generic], photometric: str, stored: int) -> NDArray[np.uint8]:
    """RGB in 8 bits of a frame of three samples, whatever they are.

    Args:
        frame: rows, columns, samples; chrominance as fine as luminance.
        photometric: Photometric Interpretation, after decoding.
        stored: Bits Stored.

    Raises:
        NotAcceptable: a colour space that is not known here.
    """
    samples = _eight(frame[..., :3], stored)
    if photometric in _AS_THEY_ARE:
        return samples
    if photometric in _FULL:
        # What JFIF calls YCbCr is YBR_FULL to the bit (ITU-T T.871 §7).
        return np.asarray(Image.fromarray(samples, "YCbCr").convert("RGB"))
    if photometric in _PARTIAL:
        return _partial(samples)
    raise NotAcceptable("the colour space of these pixels is not rendered here")


def _eight(samples: NDArray[np.generic], stored: int) -> NDArray[np.uint8]:
    """The samples in 8 bits."""
    if samples.dtype == np.uint8 and stored == _BYTE:
        return np.ascontiguousarray(samples)
    whole = samples.astype(np.int64)
    if whole.size and whole.min() < 0:  # signed samples make no sense (PS3.3 §C.7.6.3.1.2)
        whole -= whole.min()
    shift = stored - _BYTE
    whole = whole >> shift if shift > 0 else whole * 255 // ((1 << stored) - 1)
    return np.clip(whole, 0, 255).astype(np.uint8)


def _partial(samples: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """RGB of YBR_PARTIAL: black is 16, white 235, chrominance 16 to 240 (ITU-R BT.601)."""
    luminance, blue, red = np.moveaxis(samples.astype(np.float32), -1, 0)
    luminance = (luminance - 16) * np.float32(255 / 219)
    blue, red = ((each - 128) * np.float32(255 / 224) for each in (blue, red))
    result = np.stack(
        (
            luminance + np.float32(1.402) * red,
            luminance - np.float32(0.344136) * blue - np.float32(0.714136) * red,
            luminance + np.float32(1.772) * blue,
        ),
        axis=-1,
    )
    return np.asarray(np.clip(np.rint(result), 0, 255), np.uint8)
