"""Which attributes has a data set that is like those before it? Elements are known as a whole.

Of a data set in Explicit VR Little Endian, an element whose header and value were read before is
found by its bytes; the others are read one by one in the general way. A hundred elements cost a
third of `dicom_json.from_encoded`, which is asked where something is unusual.
"""

from struct import Struct

from hilum.codec import dicom_json
from hilum.codec.dicom_json import Attributes, Described, Scope, Writer, with_charset
from hilum.codec.elements import Level, Walker
from hilum.codec.flat import kind
from hilum.codec.header import EXPLICIT_LITTLE, VRS, Buffer
from hilum.codec.remembered import BEGIN, ElementRead, Remembered
from hilum.codec.walked import Element, Walked

_LENGTH = Struct("<H")
_HEADER = 8  # bytes
_LONG = 256  # bytes of a value that is read without looking at what is around it
_CHARSET = 0x00080005
_UNKNOWN = 32  # elements that are read one by one; then the rest is read at once
_LAST_CREATOR = 0xFF  # element number


class _UnusualError(Exception):
    """It has to be read as a whole."""


def read(buffer: Buffer, transfer_syntax_uid: str, remembered: Remembered) -> Described:
    """The same as `dicom_json.from_encoded` gives; not to be changed below its first level.

    Raises:
        BadDataset: not even the headers of the elements can be read.
    """
    usual = transfer_syntax_uid == EXPLICIT_LITTLE and bytes(buffer[4:6]) in VRS and buffer[0]
    if usual:
        try:
            return _Reader(buffer, remembered).described()
        except _UnusualError:
            pass
    return dicom_json.from_encoded(buffer, transfer_syntax_uid, remembered=remembered)


class _Reader:
    """One pass over one data set."""

    def __init__(self, buffer: Buffer, remembered: Remembered) -> None:
        self._begin = bytes(buffer[:BEGIN])
        self._remembered = remembered
        self._walked = Walked(buffer)
        self._walker = Walker(self._walked, big=False)
        self._writer = Writer(self._walked, 1024, None, remembered)
        self._root = Level(len(buffer), 0, implicit=False, open_ended=False)
        self._creators: dict[int, str] = {}
        self._charset: list[Element] = []
        self._scope: Scope | None = None
        self._attributes: Attributes = {}

    def described(self) -> Described:
        """All of it.

        Raises:
            _UnusualError: it has to be read in the general way.
            BadDataset: it cannot be read.
        """
        attributes, known, begin = self._attributes, self._remembered.elements, self._begin
        at, last, end, unknown = 0, 0, len(begin) - _HEADER, 0
        while at <= end and unknown < _UNKNOWN:
            (length,) = _LENGTH.unpack_from(begin, at + 6)
            raw = begin[at : at + _HEADER + length]
            found = known.get(raw) or self._plain(raw, length)
            if found is None:
                last, at = self._one(at, last, raw)
                unknown += 1
                continue
            tag, key, attribute = found
            if tag <= last:
                raise _UnusualError
            attributes[key] = attribute
            last = tag
            at += _HEADER + length
        if at < self._root.end or not attributes:
            self._general(at, last, most=None)
        if self._walked.cut:
            raise _UnusualError
        return with_charset(self._writer, self._walked, attributes)

    def _plain(self, raw: bytes, length: int) -> ElementRead | None:
        """An element with a short value of numbers or ASCII text; None: it is anything else."""
        if length > _LONG or len(raw) != _HEADER + length:
            return None
        field = raw[_HEADER:]
        try:
            tag, key, vr, reader, words = kind(raw[:6])
            if tag == _CHARSET:
                return None
            if reader is not None:
                if not field.isascii() or b"\x1b" in field:
                    return None
                text = field.decode("ascii").rstrip(" \0")
                attribute = {"vr": vr, "Value": reader(text)} if text else {"vr": vr}
            elif words is not None and words.size == length:
                attribute = {"vr": vr, "Value": [*words.unpack(field)]}
            else:
                return None
        except ValueError:
            return None
        found = tag, key, attribute
        self._remembered.keep_element(raw, found)
        return found

    def _one(self, at: int, last: int, raw: bytes) -> tuple[int, int]:
        """Read one element in the general way; its tag, and where the next one begins."""
        walked = self._walked
        told = len(walked.warnings) + len(walked.notes)
        elements, after = self._general(at, last, most=1)
        if not elements:
            raise _UnusualError
        tag, vr, start, length, _, _ = elements[0]
        if start == at + _HEADER and length + _HEADER == len(raw):
            key = f"{tag:08X}"
            attribute = self._attributes.get(key)
            is_same = told == len(walked.warnings) + len(walked.notes) and tag != _CHARSET
            is_creator = tag >> 16 & 1 and tag & 0xFFFF <= _LAST_CREATOR  # PS3.5 §7.8.1
            if attribute is not None and is_same and not is_creator:
                self._remembered.put_element(vr, raw, (tag, key, attribute))
        return tag, after

    def _general(self, at: int, last: int, *, most: int | None) -> tuple[list[Element], int]:
        elements: list[Element] = []
        after = self._walker.explicit(elements, at, self._root, self._creators, most)
        for tag, vr, *_ in elements:
            if tag <= last or " " in vr:
                raise _UnusualError
            last = tag
            if tag == _CHARSET:
                self._charset = elements
        if elements and elements is not self._charset and self._scope is None:
            self._scope = Scope(self._charset, None, self._walked.data, None)
        self._attributes |= self._writer.level(elements, self._scope, "", big=False)
        return elements, after
