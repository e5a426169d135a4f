"""What does a lookup table give? Modality, VOI and Presentation LUT (PS3.3 §C.11.1.1)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hilum.imaging.values import Values
from hilum.imaging.window import Floats

_DESCRIPTOR = 0x00283002
_DATA = 0x00283006
_MOST = 1 << 16  # entries
_WORD = 16  # bits


@dataclass(frozen=True, slots=True)
class Lut:
    """A table of values; what lies before or behind it gets its first or last one.

    Attributes:
        first: the input of the first entry.
        bits: of an entry.
        data: the entries, two bytes each, little endian; at least one.
    """

    first: int
    bits: int
    data: bytes

    @property
    def entries(self) -> NDArray[np.uint16]:
        """The entries."""
        return np.frombuffer(self.data, "<u2").astype(np.uint16)

    def values(self, inputs: Floats) -> Floats:
        """The entries at these inputs."""
        entries = self.entries
        index = np.clip(np.rint(inputs) - self.first, 0, len(entries) - 1)
        return np.asarray(entries[index.astype(np.intp)], np.float64)

    def shades(self, inputs: Floats) -> Floats:
        """The same from 0 to 1."""
        return np.clip(self.values(inputs) / ((1 << self.bits) - 1), 0, 1)


def lut_of(item: Values | None) -> Lut | None:
    """The table in an item of a LUT sequence; None where there is none that can be used."""
    if item is None:
        return None
    numbers = item.numbers(_DESCRIPTOR)
    if len(numbers) < 3:  # noqa: PLR2004 - entries, first input, bits
        return None
    count, first, bits = (int(each) for each in numbers[:3])
    count = count % _MOST or _MOST
    if item.signed and first >= _MOST // 2:  # written as US
        first -= _MOST
    data = item.little(_DATA)
    if len(data) == count and count > 1:  # a byte per entry, as some write it
        data = np.frombuffer(data, np.uint8).astype("<u2").tobytes()
    data = data[: min(2 * count, len(data) // 2 * 2)]
    if not data:
        return None
    highest = int(np.frombuffer(data, "<u2").max())
    if not 0 < bits <= _WORD or highest >> bits:
        bits = max(1, highest.bit_length())
    return Lut(first, bits, data)
