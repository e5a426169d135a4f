"""What a data set says beside its long values, read as its bytes come by."""

from struct import Struct
from typing import Final

from hilum.codec import dicom_json
from hilum.codec.dicom_json import MAX_TEXT, Described
from hilum.codec.elements import walk
from hilum.codec.header import (
    EXPLICIT_LITTLE,
    ITEM,
    PIXELS,
    SEQUENCE_END,
    UNDEFINED,
    settled,
    syntax_of,
)
from hilum.codec.walked import FRAGMENTS, LITTLE, Element, Walked, length_of
from hilum.model.errors import BadDataset

MAX_PREFIX: Final = 64 * 1024 * 1024
"""Bytes that a data set may have beside the long values at its root."""

_FIRST = 4096  # bytes before the first look
_MORE = 4096  # bytes between two looks, at least
_HEADER = 8  # bytes of an item's, and of an element's, with a length of 32 bits at its end
_LONG_HEADER = 12  # bytes
_ITEM_HEADER = Struct("<HHL")  # of encapsulated values, which are in little endian (PS3.5 §A.4)
_BINARY = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "UN"))


class Long:
    """A long value at the root, of which a part has come.

    Attributes:
        tag: of its element.
        vr: its own, settled.
        size: bytes; None for an encapsulated one of undefined length.
        big: it is in big endian.
        ended: nothing of it is to come.
    """

    def __init__(self, tag: int, vr: str, size: int | None, *, big: bool) -> None:
        self.tag = tag
        self.vr = vr
        self.size = size
        self.big = big
        self.ended = False
        self._left = size or 0
        self._header = b""

    def take(self, data: bytes) -> tuple[bytes, bytes]:
        """What of the next bytes belongs to the value, and what comes after it.

        Of an encapsulated one these are its items, without the delimiter.
        """
        if self.size is not None:
            taken = data[: self._left]
            self._left -= len(taken)
            self.ended = not self._left
            return taken, data[len(taken) :]
        parts: list[bytes] = []
        while data:
            if self._left:
                parts.append(data[: self._left])
                self._left -= len(parts[-1])
                data = data[len(parts[-1]) :]
                continue
            header = self._header + data[: _HEADER - len(self._header)]
            data = data[len(header) - len(self._header) :]
            self._header = header
            if len(header) < _HEADER:
                break
            group, number, length = _ITEM_HEADER.unpack(header)
            self._header = b""
            if group << 16 | number != ITEM or length == UNDEFINED:
                self.ended = True
                is_delimiter = group << 16 | number == SEQUENCE_END
                return b"".join(parts), data if is_delimiter else header + data
            parts.append(header)
            self._left = length
        return b"".join(parts), b""


class Prefix:
    """Push parser of one data set that keeps all but the long values at its root.

    Long is a value that is not wholly there when it is looked at, and that metadata leave out:
    pixels, other binary values, and text beyond `dicom_json.MAX_TEXT`.

    Args:
        transfer_syntax_uid: of the bytes; where it is deflated, they come inflated.

    Attributes:
        begun: of the long value that `feed` has given, the bytes that have come.
    """

    def __init__(self, transfer_syntax_uid: str) -> None:
        self.transfer_syntax_uid = (
            EXPLICIT_LITTLE if syntax_of(transfer_syntax_uid).deflated else transfer_syntax_uid
        )
        self.begun = b""
        self._buffer = bytearray()
        self._look_at = _FIRST
        self._long: Long | None = None
        self._left_out: dict[int, str] = {}

    @property
    def data(self) -> bytes:
        """What is kept of the data set so far."""
        return bytes(self._buffer)

    def feed(self, data: bytes) -> Long | None:
        """Take the next bytes.

        Returns:
            A long value that has begun. Its own bytes are passed over, unless they are taken
            by who calls, who is then done with this parser.

        Raises:
            BadDataset: there is more than `MAX_PREFIX` beside long values.
        """
        if self._long is not None:
            _, data = self._long.take(data)
            if not self._long.ended:
                return None
            self._long = None
        self._buffer += data
        if len(self._buffer) < self._look_at:
            return None
        self._long = self._look()
        self._look_at = 2 * len(self._buffer) + _MORE
        if len(self._buffer) > MAX_PREFIX:
            raise BadDataset("the data set is too long to be described")
        return self._long

    def described(self) -> Described:
        """The metadata as `dicom_json.from_encoded` makes them; what has not come is not there.

        Raises:
            BadDataset: as that does.
        """
        described = dicom_json.from_encoded(self._buffer, self.transfer_syntax_uid)
        if self._left_out:
            for tag, vr in self._left_out.items():
                key = f"{tag:08X}"
                described.attributes[key] = {"vr": vr, "BulkDataURI": f"/bulkdata/{key}"}
            ordered = sorted(described.attributes.items())
            described.attributes.clear()
            described.attributes.update(ordered)
        return described

    def _look(self) -> Long | None:
        """The long value that what is here ends in; it is taken out."""
        try:
            walked = walk(self._buffer, self.transfer_syntax_uid)
        except BadDataset:  # perhaps more bytes say more
            return None
        if not walked.elements:
            return None
        element = walked.elements[-1]
        start = element[2]
        long = _long_of(walked, element)
        if long is None:
            return None
        self.begun, _ = long.take(bytes(self._buffer[start:]))
        if long.ended:
            return None  # it only looked so
        del self._buffer[self._header_of(start, element[0], walked) :]
        self._left_out[long.tag] = long.vr
        return long

    def _header_of(self, start: int, tag: int, walked: Walked) -> int:
        """Where the header of the value at `start` begins."""
        order = ">" if walked.big else "<"
        name = Struct(order + "HH").pack(tag >> 16, tag & 0xFFFF)
        at = start - _LONG_HEADER
        is_long = at >= 0 and bytes(self._buffer[at : at + 4]) == name
        return at if is_long else start - _HEADER


def _long_of(walked: Walked, element: Element) -> Long | None:
    """The value of the last element, if it is long and not all of it is there."""
    tag, vr, start, length, items, kind = element
    if items is not None or start not in walked.cut:
        return None
    big = walked.big and kind != LITTLE
    if kind == FRAGMENTS:
        return Long(tag, "OB" if " " in vr else vr, None, big=False)
    size = length_of(walked, element)
    if size is None or size <= length:
        return None
    vr = settled(vr, size, signed=False)
    if tag in PIXELS or vr in _BINARY or size > MAX_TEXT:
        return Long(tag, vr, size, big=big)
    return None
