"""How does a frame look that is not compressed? In little endian, from its first bit on."""

from hilum.codec.header import swapped
from hilum.imaging.pixels import Pixels


def is_plain(pixels: Pixels) -> bool:
    """Whether frames lie in the data set as they go out: byte by byte (PS3.5 §8.1.1)."""
    return not pixels.big and pixels.bits % 8 == 0


def size(pixels: Pixels) -> int:
    """Bytes of a frame that stands alone."""
    return -(-pixels.bits // 8)


def little(raw: bytes, pixels: Pixels, bit: int) -> bytes:
    """A frame in little endian, beginning at its first bit; bits behind its last are 0.

    Args:
        raw: the bytes that hold it.
        pixels: how it is written.
        bit: those before it in `raw`, of a neighbour that shares its first byte or word.
    """
    if pixels.big and (pixels.torn or pixels.allocated > 8):  # noqa: PLR2004 - bits of a byte
        raw = swapped(raw, 2 if pixels.torn else pixels.allocated // 8)
    length = size(pixels)
    if bit % 8 == 0 and pixels.bits % 8 == 0:
        return raw[bit // 8 : bit // 8 + length]
    number = int.from_bytes(raw, "little") >> bit & (1 << pixels.bits) - 1
    return number.to_bytes(length, "little")
