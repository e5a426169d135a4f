"""Pixels that are not compressed: from bytes to numbers without copying, and back (PS3.5 §8)."""

import numpy as np
from numpy.typing import NDArray

from hilum.imaging.pixels import PIXEL_DATA, Pixels
from hilum.model.errors import BadPixels

ONE_BIT = 1


def dtype_of(pixels: Pixels, order: str = "=") -> np.dtype[np.generic]:
    """The numbers that pixels are stored as; those of one bit get a byte each.

    Args:
        pixels: tells them.
        order: "<", ">" or "=", that of this machine.
    """
    size = max(1, pixels.allocated // 8)
    kind = "f" if pixels.tag != PIXEL_DATA else "i" if pixels.signed else "u"
    return np.dtype(f"{order}{kind}{size}")


def read(data: bytes | memoryview, pixels: Pixels, bit: int = 0) -> NDArray[np.generic]:
    """A frame as it is stored: rows, columns and, where there are several, samples.

    It is a view of `data`, which may not be written to, unless its bytes are in another order,
    its pixels have one bit, or two of them share their chrominance.

    Args:
        data: the bytes of the frame, as `FrameIndex.pieces` has them.
        pixels: how it is written.
        bit: where it begins in them, bits.

    Raises:
        BadPixels: there are too few bytes.
    """
    if len(data) * 8 < bit + pixels.bits:
        raise BadPixels(f"the frame has {len(data)} bytes, and needs {-(-pixels.bits // 8)}")
    if pixels.torn:
        words = np.frombuffer(data, np.uint16, len(data) // 2).byteswap().tobytes()
        data = words + bytes(data[len(words) :])
    if pixels.allocated == ONE_BIT:
        return shaped(_single_bits(data, pixels.bits, bit), pixels)
    dtype = dtype_of(pixels, ">" if pixels.big and not pixels.torn else "<")
    flat = np.frombuffer(data, dtype, pixels.bits // pixels.allocated, bit // 8)
    if not dtype.isnative:
        flat = flat.astype(dtype.newbyteorder("="))
    if pixels.subsampled:
        return _upsampled(flat).reshape(pixels.rows, pixels.columns, 3)
    return shaped(flat, pixels, by_plane=pixels.by_plane)


def shaped(
    flat: NDArray[np.generic], pixels: Pixels, *, by_plane: bool = False
) -> NDArray[np.generic]:
    """Rows and columns, and samples where there are several, which come last."""
    if pixels.samples == 1:
        return flat.reshape(pixels.rows, pixels.columns)
    if by_plane:
        return flat.reshape(pixels.samples, pixels.rows, pixels.columns).transpose(1, 2, 0)
    return flat.reshape(pixels.rows, pixels.columns, pixels.samples)


def _single_bits(data: bytes | memoryview, count: int, bit: int) -> NDArray[np.uint8]:
    """0 and 1, the least significant bit of a byte first (PS3.5 §8.1.1)."""
    raw = np.frombuffer(data, np.uint8)[bit // 8 :]
    return np.unpackbits(raw, count=bit % 8 + count, bitorder="little")[bit % 8 :]


def _upsampled(flat: NDArray[np.generic]) -> NDArray[np.generic]:
    """Each pixel with its chrominance, out of Y Y CB CR (PS3.3 §C.7.6.3.1.2)."""
    pairs = flat[: len(flat) // 4 * 4].reshape(-1, 4)
    full = np.empty((len(pairs), 2, 3), flat.dtype)
    full[:, :, 0] = pairs[:, :2]
    full[:, :, 1] = pairs[:, 2:3]
    full[:, :, 2] = pairs[:, 3:]
    return full


def clean(array: NDArray[np.generic], pixels: Pixels) -> NDArray[np.generic]:
    """Without what stands in the bits beyond Bits Stored, overlays perhaps (PS3.5 §8.1.1).

    What has nothing there comes back as it is, not copied.
    """
    spare = array.dtype.itemsize * 8 - pixels.stored
    if spare <= 0 or array.dtype.kind not in "iu" or not array.size:
        return array
    low, high = limits(pixels)
    if array.max() <= high and (not pixels.signed or array.min() >= low):
        return array
    return reread(array, pixels.stored, signed=pixels.signed)


def limits(pixels: Pixels) -> tuple[int, int]:
    """The lowest and the highest value that Bits Stored can hold."""
    if pixels.signed:
        return -(1 << pixels.stored - 1), (1 << pixels.stored - 1) - 1
    return 0, (1 << pixels.stored) - 1


def reread(array: NDArray[np.generic], precision: int, *, signed: bool) -> NDArray[np.generic]:
    """The lowest bits of whole numbers, read as signed or unsigned ones of so many bits."""
    dtype = np.dtype(f"{'i' if signed else 'u'}{array.dtype.itemsize}")
    spare = dtype.itemsize * 8 - precision
    moved: NDArray[np.generic] = np.left_shift(np.ascontiguousarray(array).view(dtype), spare)
    np.right_shift(moved, spare, out=moved)
    return moved


def write(array: NDArray[np.generic], pixels: Pixels) -> bytes:
    """The bytes of a frame, in the byte order and by pixel or by plane as `pixels` say.

    Pixels of one bit are packed, and begin with a byte of their own.
    """
    if array.ndim > 2 and pixels.by_plane:  # noqa: PLR2004 - rows and columns
        array = array.transpose(2, 0, 1)
    if pixels.allocated == ONE_BIT:
        return np.packbits(array.astype(np.uint8).reshape(-1), bitorder="little").tobytes()
    if pixels.torn:
        little = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
        return np.frombuffer(little, np.uint16).byteswap().tobytes()
    return array.astype(array.dtype.newbyteorder(">" if pixels.big else "<"), copy=False).tobytes()
