"""Where in an encoded data set each element lies: one pass, nothing decoded (PS3.5 §7)."""

from dataclasses import dataclass
from functools import partial
from struct import Struct
from typing import Final

from hilum.codec import deflate
from hilum.codec.header import (
    EXPLICIT_LITTLE,
    ITEM,
    ITEM_END,
    ITEM_STARTS,
    LONG,
    PIXELS,
    SEQUENCE_END,
    SHORT_VRS,
    TAGS,
    UNDEFINED,
    VRS,
    Buffer,
    looks_explicit,
    odd_form,
    syntax_of,
    true_syntax,
    vr_of,
)
from hilum.codec.walked import FRAGMENTS, LITTLE, PLAIN, Element, Walked, length_of
from hilum.model.errors import BadDataset

MAX_DEPTH: Final = 64
"""Sequences within sequences; more is an attack (orjson, too, writes no more than 84)."""
MAX_ELEMENTS: Final = 1_000_000
"""Elements, items and fragments in one data set; an element costs 200 bytes of memory."""

_HEADER = 8  # bytes
_LONG_HEADER = 12  # bytes
_NO_ELEMENTS = frozenset((0x0000, 0xFFFE))  # groups that are no data: padding, delimiters
_BINARY = frozenset(("OB", "OW", "OF", "OD", "OL", "OV", "OB or OW", "US or OW", "US or SS or OW"))
_SQ_AS_UN = "UN SQ"  # written as UN, known to be a sequence


def walk(
    buffer: Buffer, transfer_syntax_uid: str, most: int | None = None, *, header: bool = False
) -> Walked:
    """All elements of an encoded data set, without its File Meta Information.

    Takes what the field sends: undefined lengths anywhere, missing delimiters, headers in the
    other VR mode than the Transfer Syntax says, unknown VRs, values that end too early.

    Args:
        buffer: the encoded data set.
        transfer_syntax_uid: as announced; another uncompressed one is taken, with a note,
            where the first elements make sense in that one only.
        most: bytes of a deflated data set that are looked at; None: `deflate.MAX_INFLATED`.
        header: of a deflated data set, a value at its root that ends behind those is not
            inflated at all: nothing that follows it could be read.

    Raises:
        BadDataset: not one element could be read; or nested deeper than `MAX_DEPTH`, or more
            elements than `MAX_ELEMENTS`; or deflated data that do not inflate.
    """
    syntax = syntax_of(transfer_syntax_uid)
    walked = Walked(buffer)
    if syntax.deflated:
        most = most or deflate.MAX_INFLATED
        ends = partial(_leads_beyond, most) if header else None
        walked.data, walked.partial = deflate.inflate(buffer, most, ends)
        if walked.partial:
            walked.warn("deflated data set is too long to be looked at as a whole")
    announced, syntax = syntax, true_syntax(walked.data, syntax)
    if (syntax.implicit, syntax.big) != (announced.implicit, announced.big):
        walked.note("data set is not in the Transfer Syntax that was announced")
    walked.big = syntax.big
    root = Level(len(walked.data), 0, implicit=syntax.implicit, open_ended=False)
    walked.elements, _ = Walker(walked, big=syntax.big).level(0, root)
    if not walked.elements and len(buffer):
        raise BadDataset("not one data element can be read")
    if walked.partial:
        walked.truncated = False
    return walked


def _leads_beyond(most: int, data: bytearray) -> bool:
    """Whether the data set that begins so has a value at its root that ends behind `most`."""
    try:
        walked = walk(data, EXPLICIT_LITTLE)
    except BadDataset:  # said once all of it is there
        return False
    if not walked.elements:
        return False
    last = walked.elements[-1]
    length = length_of(walked, last) if last[2] in walked.cut else None
    return length is not None and last[2] + length > most


@dataclass(frozen=True, slots=True)
class Level:
    """The root or one item: where it ends at the latest, and how it is written.

    Attributes:
        end: no byte from here on belongs to it.
        depth: sequences around it.
        implicit: headers are in implicit VR.
        open_ended: it ends at its delimiter.
    """

    end: int
    depth: int
    implicit: bool
    open_ended: bool


class Walker:
    """One pass over one data set, in one byte order."""

    def __init__(self, walked: Walked, *, big: bool) -> None:
        self._order = order = ">" if big else "<"
        self._walked = walked
        self._data = walked.data
        self._big = big
        self._explicit_header = Struct(order + "HH2sH").unpack_from
        self._implicit_header = Struct(order + "HHL").unpack_from
        self._long_length = Struct(order + "L").unpack_from

    def level(self, position: int, level: Level) -> tuple[list[Element], int]:
        """The elements of the root or of one item, and where what follows it begins."""
        elements: list[Element] = []
        read = self._implicit if level.implicit else self.explicit
        position = read(elements, position, level)
        self._spend(len(elements))
        return elements, position

    def _spend(self, count: int) -> None:
        self._walked.count += count
        if self._walked.count > MAX_ELEMENTS:
            raise BadDataset("too many data elements")

    def explicit(
        self,
        elements: list[Element],
        position: int,
        level: Level,
        creators: dict[int, str] | None = None,
        most: int | None = None,
    ) -> int:
        """Add what is read in explicit VR, and say where it ends.

        Args:
            elements: to be added to.
            position: of the first header.
            level: where it ends at the latest.
            creators: private creators before it, to be added to.
            most: stop after so many headers; None: at the end of the level.
        """
        unpack, vrs, data = self._explicit_header, SHORT_VRS, self._data
        append, last = elements.append, level.end - _HEADER
        creators = {} if creators is None else creators
        for _ in range(most or MAX_ELEMENTS + 1):
            if position > last:
                break
            group, number, code, length = unpack(data, position)
            vr = vrs.get(code)
            if vr is not None and length <= last - position:
                position += _HEADER
                append((group << 16 | number, vr, position, length, None, PLAIN))
                if group & 1 and 0x10 <= number <= 0xFF:  # noqa: PLR2004 - PS3.5 §7.8.1
                    creators[group << 16 | number] = self._creator(position, length)
                position += length
                continue
            tag = group << 16 | number
            if group in _NO_ELEMENTS:
                position, ended = self._delimiter(tag, position, level)
                if ended:
                    return position
                continue
            vr, position, length = self._odd_header(tag, code, length, position, level, creators)
            element, position = self._value(tag, vr, position, length, level)
            if self._big and code == b"UN":
                element = (*element[:5], LITTLE)
            append(element)
        else:
            return position
        return self._ended_early(position, level)

    def _implicit(self, elements: list[Element], position: int, level: Level) -> int:
        unpack, vrs, data = self._implicit_header, TAGS, self._data
        append, last = elements.append, level.end - _HEADER
        creators: dict[int, str] = {}
        for _ in range(MAX_ELEMENTS + 1):
            if position > last:
                break
            group, number, length = unpack(data, position)
            tag = group << 16 | number
            vr = vrs.get(tag)
            if vr is not None and vr != "SQ" and length <= last - position and group:
                position += _HEADER
                append((tag, vr, position, length, None, PLAIN))
                position += length
                continue
            if group in _NO_ELEMENTS:
                position, ended = self._delimiter(tag, position, level)
                if ended:
                    return position
                continue
            vr, position = vr_of(tag, creators), position + _HEADER
            if group & 1 and 0x10 <= number <= 0xFF:  # noqa: PLR2004 - PS3.5 §7.8.1
                creators[tag] = self._creator(position, min(length, level.end - position))
            element, position = self._value(tag, vr, position, length, level)
            append(element)
        return self._ended_early(position, level)

    def _creator(self, start: int, length: int) -> str:
        """A private creator's name, as the private dictionaries write it."""
        return bytes(self._data[start : start + min(length, 64)]).decode("latin-1").strip("\0 ")

    def _delimiter(self, tag: int, position: int, level: Level) -> tuple[int, bool]:
        """Where to go on after something that is no element, and whether the level has ended."""
        if not tag >> 16:
            if any(bytes(self._data[position : min(level.end, position + 4096)])):
                self._short(level, "bytes that are no data element")
            else:
                self._walked.note("NUL bytes after the last data element")
            return level.end, True
        if level.open_ended:
            if tag == ITEM_END:
                return position + _HEADER, True
            self._walked.warn("an item has no delimiter")
            return position, True
        self._walked.warn("an item or delimiter stands outside of a sequence")
        length = int(self._implicit_header(self._data, position)[2])
        if tag != ITEM or length == UNDEFINED:
            return position + _HEADER, False
        return min(level.end, position + _HEADER + length), False

    def _ended_early(self, position: int, level: Level) -> int:
        """The end of a level that ended without a delimiter."""
        if level.open_ended:
            self._short(level, "an item of undefined length has no delimiter")
        elif position < level.end:
            if any(bytes(self._data[position : min(level.end, position + 4096)])):
                self._short(level, "bytes that are no data element")
            else:
                self._walked.note("NUL bytes after the last data element")
        return level.end

    def _short(self, level: Level, text: str) -> None:
        """Note that something is not as long as it says; at the end of all it is truncation."""
        self._walked.warn(text)
        if level.end == len(self._data):
            self._walked.truncated = True

    def _odd_header(  # noqa: PLR0913, PLR0917 - the parts of one header
        self, tag: int, code: bytes, length: int, at: int, level: Level, creators: dict[int, str]
    ) -> tuple[str, int, int]:
        """VR, start of value and length, where the header is not a short one that is known."""
        vr, short = VRS.get(code), (at + _HEADER, length)
        if vr is not None and vr not in LONG:
            return vr, *short
        long = (at + _LONG_HEADER, UNDEFINED)
        if level.end - at >= _LONG_HEADER:
            long = (long[0], int(self._long_length(self._data, at + _HEADER)[0]))
        elif vr is not None:
            self._short(level, _named(tag, "is cut off"))
            return vr, level.end, 0
        if vr == "UN":
            known = vr_of(tag, creators)
            return _SQ_AS_UN if known == "SQ" else known, *long
        if vr is not None:
            return vr, *long
        self._walked.warn(_named(tag, "has an unknown VR"))
        return vr_of(tag, creators), *odd_form(self._data, at, level.end, self._order)

    def _value(
        self, tag: int, vr: str, start: int, length: int, level: Level
    ) -> tuple[Element, int]:
        """One element that may be a sequence, encapsulated, or longer than what is there."""
        if length == UNDEFINED:
            return self._undefined(tag, vr, start, level)
        after = start + length
        if after > level.end:
            after, length = level.end, max(0, level.end - start)
            self._walked.cut.add(start)
            self._short(level, _named(tag, "is cut off"))
        if vr == "SQ":
            items, _ = self._items(start, _inside(level, after, open_ended=False))
            return (tag, vr, start, length, items, PLAIN), after
        if vr == _SQ_AS_UN:
            if length and bytes(self._data[start : start + 4]) not in ITEM_STARTS:
                return (tag, "UN", start, length, None, PLAIN), after
            items, _ = self._foreign(start, _inside(level, after, open_ended=False))
            return (tag, "SQ", start, length, items, LITTLE), after
        return (tag, vr, start, length, None, PLAIN), after

    def _undefined(self, tag: int, vr: str, start: int, level: Level) -> tuple[Element, int]:
        """One element of undefined length: a sequence, or encapsulated pixels (PS3.5 §7.1.1)."""
        if tag in PIXELS or vr in _BINARY:
            length, after = self._fragments(start, level)
            return (tag, vr, start, length, None, FRAGMENTS), after
        if vr != "SQ" and bytes(self._data[start : start + 4]) not in ITEM_STARTS:
            length = max(0, level.end - start)
            self._walked.cut.add(start)
            self._short(level, _named(tag, "has no length"))
            return (tag, vr.split(" ", 1)[0], start, length, None, PLAIN), level.end
        inside = _inside(level, level.end, open_ended=True)
        if vr in ("UN", _SQ_AS_UN) and not level.implicit:
            items, after = self._foreign(start, inside)
            return (tag, "SQ", start, after - start, items, LITTLE), after
        items, after = self._items(start, inside)
        return (tag, "SQ", start, after - start, items, PLAIN), after

    def _fragments(self, start: int, level: Level) -> tuple[int, int]:
        """How long the fragments are together, and where the next element begins."""
        position, last = start, level.end - _HEADER
        unpack, data, found = self._implicit_header, self._data, 0
        while position <= last:
            group, number, length = unpack(data, position)
            tag = group << 16 | number
            if tag != ITEM or length == UNDEFINED:
                self._spend(found)
                if tag == SEQUENCE_END:
                    return position - start, position + _HEADER
                self._walked.warn("encapsulated pixels have no delimiter")
                return position - start, position
            position += _HEADER + length
            found += 1
            if found > MAX_ELEMENTS:
                break
        self._spend(found)
        self._walked.cut.add(start)
        self._short(level, "encapsulated pixels are cut off")
        return max(0, min(position, level.end) - start), level.end

    def _foreign(self, start: int, level: Level) -> tuple[list[list[Element]], int]:
        """The items of a sequence that was written as UN (PS3.5 §6.2.2)."""
        if self._big and bytes(self._data[start : start + 4]) in ITEM_STARTS[:2]:
            walker = Walker(self._walked, big=False)
        else:
            walker = self
        implicit = Level(level.end, level.depth, implicit=True, open_ended=level.open_ended)
        return walker._items(start, implicit)

    def _items(self, position: int, level: Level) -> tuple[list[list[Element]], int]:
        """The items of a sequence, and where the next element begins.

        Args:
            position: of the first item.
            level: what the items lie in; open ended where the sequence is of undefined length.
        """
        if level.depth > MAX_DEPTH:
            raise BadDataset("sequences are nested too deep")
        items: list[list[Element]] = []
        unpack, data, end = self._implicit_header, self._data, level.end
        while end - position >= _HEADER:
            group, number, length = unpack(data, position)
            tag = group << 16 | number
            if tag == SEQUENCE_END:
                self._spend(len(items))
                return items, position + _HEADER
            if tag != ITEM:
                self._walked.warn("a sequence has no delimiter, or bytes between its items")
                self._spend(len(items))
                return items, position if level.open_ended else end
            position += _HEADER
            stop = end if length == UNDEFINED else position + length
            if stop > end:
                self._short(level, "an item is cut off")
                stop = end
            inside = Level(
                stop,
                level.depth,
                implicit=level.implicit and not looks_explicit(data, position, stop, self._order),
                open_ended=length == UNDEFINED,
            )
            item, after = self.level(position, inside)
            items.append(item)
            position = after if length == UNDEFINED else stop
            if len(items) > MAX_ELEMENTS:
                break
        self._spend(len(items))
        if level.open_ended:
            self._short(level, "a sequence of undefined length has no delimiter")
        return items, end


def _inside(level: Level, end: int, *, open_ended: bool) -> Level:
    """What the items of a sequence in this level lie in."""
    return Level(end, level.depth + 1, implicit=level.implicit, open_ended=open_ended)


def _named(tag: int, fault: str) -> str:
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X}) {fault}"
