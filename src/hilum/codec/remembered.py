"""Which values of attributes were read before? Instances of one study differ in few of them."""

from typing import Any, Final

from hilum.codec.flat import READERS, WORDS
from hilum.codec.header import Buffer

BEGIN: Final = 16 * 1024
"""Bytes of a data set in which values are looked for among those that are remembered."""
_HEADER = 8  # bytes before the value of an element
_LONGEST: Final = 64  # bytes of a value that is remembered
_MOST: Final = 2048  # values of each VR, then all of them are forgotten

Table = dict[bytes, dict[str, Any]]
"""Encoded value -> attribute object of the DICOM JSON Model."""
ElementRead = tuple[int, str, dict[str, Any]]
"""Tag, its key, attribute object."""


class Remembered:
    """Attribute objects by VR and encoded value, as far as nothing else makes them what they are.

    Numbers in little endian, and ASCII text, which is the same in all character sets. Who reads
    with it must not change what it gets; any number of threads may.

    Attributes:
        tables: VR -> what is remembered.
        elements: encoded element in Explicit VR Little Endian -> tag, its key, attribute object.
    """

    def __init__(self) -> None:
        self.tables: dict[str, Table] = {vr: {} for vr in (*READERS, *WORDS[False])}
        self.elements: dict[bytes, ElementRead] = {}

    def put(self, vr: str, raw: bytes, attribute: dict[str, Any]) -> None:
        """Remember one, if it is worth it."""
        if len(raw) <= _LONGEST:
            table = self.tables[vr]
            if len(table) >= _MOST:
                table.clear()
            table[raw] = attribute

    def put_element(self, vr: str, raw: bytes, found: ElementRead) -> None:
        """Remember an element whose value is remembered."""
        if self.tables.get(vr, {}).get(raw[_HEADER:]) is found[2]:
            self.keep_element(raw, found)

    def keep_element(self, raw: bytes, found: ElementRead) -> None:
        """Remember an element of which nothing else makes what it is, if it is worth it."""
        if len(raw) <= _HEADER + _LONGEST:
            if len(self.elements) >= 2 * _MOST:
                self.elements.clear()
            self.elements[raw] = found


def beginning(data: Buffer) -> bytes:
    """The part of a data set that is looked at."""
    return bytes(data[:BEGIN])
