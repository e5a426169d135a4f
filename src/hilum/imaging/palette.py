"""Which colour has an index? Palette Color Lookup Tables (PS3.3 §C.7.6.3.1.5 and §C.7.9)."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilum.imaging.values import Values
from hilum.model.errors import BadPixels

_RED, _GREEN, _BLUE = 0, 1, 2
_DESCRIPTOR = 0x00281101  # of red; green and blue follow
_DATA = 0x00281201
_SEGMENTED = 0x00281221
_BYTE, _WORD = 8, 16  # bits
_MOST = 1 << 16  # entries
_DISCRETE, _LINEAR, _INDIRECT = 0, 1, 2  # opcodes of PS3.3 §C.7.9.2


@dataclass(frozen=True, slots=True)
class Palette:
    """Three tables; an index before or behind them gets the first or last colour.

    Attributes:
        first: the index of the first entry.
        data: the entries, red, green and blue of 8 bits each.
    """

    first: int
    data: bytes


def palette_of(header: Values) -> Palette:
    """The tables of an instance.

    Raises:
        BadPixels: they are not there, or not what they say.
    """
    tables = [_table(header, colour) for colour in (_RED, _GREEN, _BLUE)]
    count = max(len(entries) for _, entries in tables)
    padded = [np.pad(entries, (0, count - len(entries)), "edge") for _, entries in tables]
    return Palette(tables[0][0], np.stack(padded, axis=-1).tobytes())


def coloured(frame: NDArray[np.generic], palette: Palette) -> NDArray[np.uint8]:
    """RGB of a frame of indices."""
    bits = frame.dtype.itemsize * _BYTE
    if frame.dtype.kind not in "iu" or bits > _WORD:
        raise BadPixels("a palette has an index of at most 16 bits")
    indices: NDArray[np.integer[Any]] = frame.view(np.uint8 if bits == _BYTE else np.uint16)
    signed = frame.dtype.kind == "i"
    return np.take(_colours(palette, bits, signed), indices, axis=0)


@lru_cache(maxsize=16)
def _colours(palette: Palette, bits: int, signed: bool) -> NDArray[np.uint8]:  # noqa: FBT001 - a cached table's key
    """The colour of each index that `bits` can write, read as unsigned."""
    entries = np.frombuffer(palette.data, np.uint8).reshape(-1, 3)
    indices = np.arange(1 << bits, dtype=np.int64)
    if signed:
        indices = np.where(indices >> (bits - 1), indices - (1 << bits), indices)
    return entries[np.clip(indices - palette.first, 0, len(entries) - 1)]


def _table(header: Values, colour: int) -> tuple[int, NDArray[np.uint8]]:
    """The first index and the entries of one colour, in 8 bits."""
    numbers = header.numbers(_DESCRIPTOR + colour)
    if len(numbers) < 3:  # noqa: PLR2004 - entries, first index, bits
        raise BadPixels("the palette has no descriptor")
    count, first, bits = (int(each) for each in numbers[:3])
    count = count % _MOST or _MOST
    if header.signed and first >= _MOST // 2:
        first -= _MOST
    data, segmented = header.little(_DATA + colour), header.little(_SEGMENTED + colour)
    if not data and segmented:
        words = np.frombuffer(segmented[: len(segmented) // 2 * 2], "<u2").tolist()
        if bits == _BYTE and len(segmented) >= 3 and segmented[1]:  # noqa: PLR2004 - a segment's length
            words = list(segmented)  # in bytes, as OB allowed it
        entries: NDArray[np.uint16] = np.array(_expanded(words, count), np.uint16)
    elif len(data) in {count, count + 1} and count > 1:
        entries = np.frombuffer(data, np.uint8)[:count].astype(np.uint16)
        bits = _BYTE
    else:
        entries = np.frombuffer(data[: min(2 * count, len(data) // 2 * 2)], "<u2")
    if not len(entries):
        raise BadPixels("the palette has no data")
    if bits > _BYTE or entries.max() > 255:  # noqa: PLR2004 - more than 8 bits, whatever is said
        entries = (entries >> _BYTE).astype(np.uint16)
    return first, entries.astype(np.uint8)


def _expanded(words: list[int], count: int) -> list[int]:
    """The entries of a segmented table.

    Raises:
        BadPixels: the segments make no sense.
    """
    entries: list[int] = []
    offsets = _Reading(words, count, entries)
    offsets.run(0, len(words), nested=False)
    if not entries:
        raise BadPixels("the palette has no data")
    return entries[:count]


class _Reading:
    """One pass over the segments of a table."""

    def __init__(self, words: list[int], count: int, entries: list[int]) -> None:
        self._words = words
        self._count = count
        self._entries = entries

    def run(self, at: int, segments: int, *, nested: bool) -> None:
        """Read that many segments from a word on, as far as entries are needed."""
        words = self._words
        while segments and at + 1 < len(words) and len(self._entries) < self._count:
            opcode, length = words[at : at + 2]
            if opcode == _DISCRETE:
                self._entries += words[at + 2 : at + 2 + length]
                at += 2 + length
            elif opcode == _LINEAR and self._entries and at + 2 < len(words):
                line = np.linspace(self._entries[-1], words[at + 2], length + 1)[1:]
                self._entries += np.rint(line).astype(int).tolist()
                at += 3
            elif opcode == _INDIRECT and not nested and at + 3 < len(words):
                offset = words[at + 2] | words[at + 3] << _WORD
                self.run(offset, length, nested=True)
                at += 4
            else:
                raise BadPixels("a segment of the palette makes no sense")
            segments -= 1
