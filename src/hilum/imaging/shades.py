"""Which shades of grey has a whole frame? Looked up when they are wanted, some rows at a time."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hilum.imaging.grey import BYTE, WORD, Grey, modal, plain, shades_of, table
from hilum.imaging.window import Floats, Window, spanning

BLOCK: Final = 64 * 1024
"""Pixels that are looked up at a time: numpy makes 8 bytes of each, which the processor keeps."""
COUNTED: Final = 1024 * 1024  # pixels that are counted at a time
_LOW, _HIGH = 0.005, 0.995  # where there is no window: the part of the pixels that it takes in


@dataclass(frozen=True, slots=True)
class Shades:
    """The shades of a frame of up to 16 bits, in its rows and columns.

    Attributes:
        frame: the stored values, read as unsigned.
        table: the shade of each value.
    """

    frame: NDArray[np.uint8] | NDArray[np.uint16]
    table: NDArray[np.uint8]

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and columns."""
        return self.frame.shape

    def __getitem__(self, rows: slice) -> NDArray[np.uint8]:
        """Some rows of it; numpy lets go of the interpreter meanwhile."""
        frame = self.frame[rows]
        result = np.empty(frame.shape, np.uint8)
        source, target = frame.reshape(-1), result.reshape(-1)
        for at in range(0, source.size, BLOCK):
            # "clip": all are in the table, so nobody looks first
            values = source[at : at + BLOCK]
            np.take(self.table, values, out=target[at : at + BLOCK], mode="clip")
        return result


def shaded(frame: NDArray[np.generic], grey: Grey) -> Shades | NDArray[np.uint8]:
    """The frame in 8 bits, 0 black.

    Args:
        frame: stored values of any type and shape.
        grey: how they are to be shown.
    """
    if grey.voi is None:
        grey = replace(grey, voi=automatic(frame, grey))
    if grey.stored and frame.dtype.itemsize * BYTE <= WORD:
        return Shades(_unsigned(frame), table(grey, frame.dtype.itemsize * BYTE))
    return shades_of(plain(frame, grey.stored, grey.signed), grey)


def automatic(frame: NDArray[np.generic], grey: Grey) -> Window:
    """The window for pixels that come without one: nearly all of them, but no padding."""
    if grey.full is not None:
        ends = np.array([0.0, grey.full])
    elif grey.stored and frame.dtype.itemsize * BYTE <= WORD:
        ends = _ends_counted(_unsigned(frame), grey)
    else:
        values = plain(frame, grey.stored, grey.signed)
        values = values[np.isfinite(values)]
        if grey.padding is not None:
            values = values[(values < grey.padding[0]) | (values > grey.padding[1])]
        ends = _ends(values)
    low, high = sorted(float(each) for each in modal(ends, grey))
    return spanning(low, high)


def _unsigned(frame: NDArray[np.generic]) -> NDArray[np.uint16]:
    """The bits of whole numbers; of up to 16 bits."""
    return frame.view(np.uint8 if frame.dtype.itemsize == 1 else np.uint16)


def _ends_counted(frame: NDArray[np.uint16], grey: Grey) -> Floats:
    """As `_ends`, of up to 16 bits: by counting how often each value is there."""
    bits = frame.dtype.itemsize * BYTE
    counts = np.zeros(1 << bits, np.int64)
    flat = frame.reshape(-1)
    for at in range(0, flat.size, COUNTED):
        counts += np.bincount(flat[at : at + COUNTED], minlength=1 << bits)
    values = plain(np.arange(1 << bits), grey.stored, grey.signed)
    there = np.flatnonzero(counts)
    values, counts = values[there], counts[there]
    if grey.padding is not None:
        kept = (values < grey.padding[0]) | (values > grey.padding[1])
        values, counts = values[kept], counts[kept]
    if not len(values):
        return np.zeros(2)
    order = np.argsort(values)
    values, sums = values[order], np.cumsum(counts[order])
    ends = values[np.searchsorted(sums, [sums[-1] * _LOW, sums[-1] * _HIGH])]
    return ends if ends[0] < ends[1] else values[[0, -1]]


def _ends(values: Floats) -> Floats:
    """Between which values nearly all of them lie."""
    if not values.size:
        return np.zeros(2)
    ends = np.quantile(values, [_LOW, _HIGH])
    return ends if ends[0] < ends[1] else np.array([values.min(), values.max()])
