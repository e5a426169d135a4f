"""How large is a JPEG XL image? The first bits of its codestream (ISO 18181-1 §A.3)."""

from typing import Final

from hilum.model.errors import BadPixels

_BARE: Final = b"\xff\x0a"
_BOXES: Final = b"\0\0\0\x0cJXL \r\n\x87\n"  # the signature of a file of boxes (ISO 18181-2)
_CODESTREAMS: Final = {b"jxlc": 0, b"jxlp": 4}  # boxes that hold it, bytes before it in them
_MAX_BOXES: Final = 1000
_RATIOS: Final = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}
_WIDTHS: Final = (9, 13, 18, 30)  # bits of a dimension, by its two bits before


def size(frame: bytes) -> tuple[int, int]:
    """Rows and columns.

    Raises:
        BadPixels: this is no JPEG XL.
    """
    if frame.startswith(_BARE):
        return _size(frame[2:16])
    if frame.startswith(_BOXES):
        position = 0
        for _ in range(_MAX_BOXES):
            length = int.from_bytes(frame[position : position + 4], "big")
            before = _CODESTREAMS.get(frame[position + 4 : position + 8])
            start = position + 8 + (before or 0)
            if before is not None and frame[start : start + 2] == _BARE:
                return _size(frame[start + 2 : start + 16])
            if length < 8 or position + length > len(frame):  # noqa: PLR2004 - bytes of a box's header
                break
            position += length
    raise BadPixels("the frame is no JPEG XL codestream")


def _size(head: bytes) -> tuple[int, int]:
    """Rows and columns, read from the least significant bit on."""
    bits = _Bits(head)
    small = bits.take(1)
    rows = _dimension(bits, small=small)
    ratio = bits.take(3)
    if ratio:
        across, down = _RATIOS[ratio]
        return rows, rows * across // down
    return rows, _dimension(bits, small=small)


def _dimension(bits: "_Bits", *, small: int) -> int:
    if small:
        return (bits.take(5) + 1) * 8
    return bits.take(_WIDTHS[bits.take(2)]) + 1


class _Bits:
    """Takes bits from the start of some bytes."""

    def __init__(self, data: bytes) -> None:
        self._rest = int.from_bytes(data, "little")

    def take(self, count: int) -> int:
        """The next bits as a number."""
        taken = self._rest & ((1 << count) - 1)
        self._rest >>= count
        return taken
