"""Data elements from one VR mode and byte order to another, as their bytes come by."""

from dataclasses import dataclass, field
from struct import Struct
from typing import Final, Literal

from hilum.codec.elements import MAX_DEPTH
from hilum.codec.header import (
    ITEM,
    ITEM_END,
    ITEM_STARTS,
    LONG,
    PIXELS,
    SEQUENCE_END,
    SHORT_VRS,
    UNDEFINED,
    VRS,
    WORD,
    Syntax,
    looks_explicit,
    odd_form,
    settled,
    swapped,
    true_syntax,
    vr_of,
)
from hilum.model.errors import BadDataset

_LOOK_AHEAD = 64 * 1024 + 32  # bytes: one short value and the headers around it
_FIRST = 4096  # bytes that are looked at to see how the data set is really written
_MAX_SHORT = 0xFFFE  # bytes, PS3.5 §7.1.2
_MAX_CREATORS = 4096  # in one item
_CREATOR_LENGTH = 64  # bytes of LO, PS3.5 §6.2
_PIXEL_REPRESENTATION = 0x00280103
_META = 0x0002  # group
_DELIMITERS = 0xFFFE  # group
_HEADER = 8  # bytes
_LONG_HEADER = 12  # bytes
_HEADERS = {False: Struct("<HHL"), True: Struct(">HHL")}  # by big endian
_ORDERS: Final[dict[str, Literal["little", "big"]]] = {"<": "little", ">": "big"}
_BINARY = frozenset(("OB", "OW", "OF", "OD", "OL", "OV", "OB or OW", "US or OW", "US or SS or OW"))
_SPACED = frozenset(SHORT_VRS.values()) - {"AT", "FD", "FL", "SL", "SS", "UI", "UL", "US"} | {
    "UC",
    "UR",
    "UT",
}  # VRs that are padded with a blank (PS3.5 §6.2)


@dataclass(slots=True)
class _Scope:
    """The root, a sequence or an item that is being read.

    Attributes:
        syntax: how it is written in the source.
        end: the offset where it ends; None when a delimiter ends it.
        limit: the nearest known end of it or of what is around it.
        items: it is a sequence.
        signed: Pixel Representation (0028,0103) is 1, here or around.
        creators: private creators, by tag.
        fresh: nothing was read from it yet.
    """

    syntax: Syntax
    end: int | None = None
    limit: int | None = None
    items: bool = False
    signed: bool = False
    creators: dict[int, str] = field(default_factory=dict)
    fresh: bool = True


class Rewriter:
    """Rewrites a data set in pieces. Holds no more of it than one header and 64 KiB.

    Sequences and items go out with undefined length, group lengths not at all, odd values
    padded. VRs that are not in the source come from the dictionaries; `signed`, for those that
    depend on Pixel Representation, from what was read before.
    """

    def __init__(self, source: Syntax, target: Syntax) -> None:
        self._announced = Syntax(source.implicit, source.big)
        self._target = Syntax(target.implicit, target.big)
        self._buffer = bytearray()
        self._at = 0  # of the next byte, in the buffer
        self._base = 0  # of the buffer, in the data set
        self._left = 0  # bytes of the present value
        self._word = 1  # bytes that are swapped in it
        self._drop = False  # the present value does not go out
        self._padding = b""  # after the present value
        self._out: list[bytes] = []
        self._scopes: list[_Scope] = []
        self._complete = False
        self._verbatim = False  # it already is as it shall be
        self._ended = False  # only padding may follow
        order = ">" if target.big else "<"
        self._put_explicit = Struct(order + "HH2sH").pack
        self._put_long = Struct(order + "HH2sHL").pack
        self._put_implicit = Struct(order + "HHL").pack

    def feed(self, data: bytes) -> bytes:
        """What can be said after these further bytes.

        Raises:
            BadDataset: they are no data elements, or pixels are encapsulated.
        """
        self._buffer += data
        return self._run()

    def close(self, *, cut: bool = False) -> bytes:
        """What is left to say.

        Args:
            cut: a data set that ends within an element becomes one that ends there as well.

        Raises:
            BadDataset: the data set ends within an element and may not, or as `feed`.
        """
        self._complete = True
        rest = self._run()
        if cut:
            return rest
        if self._left or len(self._scopes) > 1 or any(self._buffer):
            raise BadDataset("the data set ends within an element")
        return rest

    def _run(self) -> bytes:
        """Read as far as the buffer goes."""
        if not self._scopes:
            if not self._complete and len(self._buffer) < _FIRST:
                return b""
            syntax = true_syntax(self._buffer, self._announced, complete=self._complete)
            self._scopes.append(_Scope(syntax))
            self._verbatim = syntax == self._target
        while self._value() if self._left else self._step():
            pass
        del self._buffer[: self._at]
        self._base += self._at
        self._at = 0
        out = b"".join(self._out)
        self._out.clear()
        return out

    @property
    def _offset(self) -> int:
        """Where we are in the data set."""
        return self._base + self._at

    def _take(self, count: int) -> bytes:
        with memoryview(self._buffer) as view:
            taken = bytes(view[self._at : self._at + count])
        self._at += len(taken)
        return taken

    def _sees(self, count: int) -> bool:
        """Whether so many bytes are here, or all there are."""
        return self._complete or len(self._buffer) - self._at >= count

    def _value(self) -> bool:
        """Pass on what is here of the present value; False when more bytes are needed."""
        count = min(self._left, len(self._buffer) - self._at)
        if count < self._left:
            count -= count % self._word
        if not count:
            return False
        piece = self._take(count)
        self._left -= count
        if not self._drop:
            self._out.append(swapped(piece, self._word) if self._word > 1 else piece)
            if not self._left and self._padding:
                self._out.append(self._padding)
        return True

    def _step(self) -> bool:
        """Read one header, and what it needs; False when more bytes are needed."""
        if self._verbatim or self._ended:
            rest = self._take(len(self._buffer) - self._at)
            if self._verbatim:
                self._out.append(rest)
            elif any(rest):
                raise BadDataset("bytes that are no data element")
            return False
        scope = self._scopes[-1]
        if scope.end is not None and self._offset >= scope.end:
            self._leave()
            return True
        if len(self._buffer) - self._at < _HEADER:
            return False
        self._within(scope, _HEADER)
        header = _HEADERS[scope.syntax.big]
        group, number, length = header.unpack_from(self._buffer, self._at)
        tag = group << 16 | number
        if scope.items:
            self._item(scope, tag, length)
            return True
        if group in (0x0000, _DELIMITERS):
            self._delimiter(scope, tag)
            return True
        return self._element(scope, tag)

    def _within(self, scope: _Scope, length: int) -> None:
        """Check that so many bytes from here on are not beyond the item or sequence."""
        if scope.limit is not None and self._offset + length > scope.limit:
            raise BadDataset("an element is longer than the item around it")

    def _enter(self, scope: _Scope) -> None:
        if len(self._scopes) > 2 * MAX_DEPTH:
            raise BadDataset("sequences are nested too deep")
        self._scopes.append(scope)

    def _leave(self) -> None:
        """End a sequence or an item."""
        end = SEQUENCE_END if self._scopes.pop().items else ITEM_END
        self._out.append(self._put_implicit(end >> 16, end & 0xFFFF, 0))

    def _item(self, scope: _Scope, tag: int, length: int) -> None:
        """What stands between the items of a sequence."""
        if tag == ITEM:
            self._at += _HEADER
            end = None
            if length != UNDEFINED:
                self._within(scope, length)
                end = self._offset + length
            limit = scope.limit if end is None else end
            self._enter(_Scope(scope.syntax, end, limit, signed=scope.signed))
            self._out.append(self._put_implicit(ITEM >> 16, ITEM & 0xFFFF, UNDEFINED))
        elif tag == SEQUENCE_END:
            self._at += _HEADER
            if scope.end not in (None, self._offset):
                raise BadDataset("a sequence ends before its length")
            self._leave()
        elif scope.end is None:  # its delimiter was forgotten
            self._leave()
        else:
            raise BadDataset("bytes between the items of a sequence")

    def _delimiter(self, scope: _Scope, tag: int) -> None:
        """What stands between elements and is none."""
        inside = len(self._scopes) > 1 and scope.end is None
        if inside and tag == ITEM_END:
            self._at += _HEADER
            self._leave()
        elif inside and tag in (ITEM, SEQUENCE_END):  # the item's delimiter was forgotten
            self._leave()
        elif tag in (ITEM_END, SEQUENCE_END):  # one too many
            self._at += _HEADER
        elif not tag and len(self._scopes) == 1:
            self._ended = True
        else:
            raise BadDataset("bytes that are no data element")

    def _element(self, scope: _Scope, tag: int) -> bool:
        """The header of one element; False when more bytes are needed."""
        read = self._header(scope, tag)
        if read is None:
            return False
        vr, size, length = read
        if length == UNDEFINED:
            return self._sequence(scope, tag, vr, size)
        if vr == "SQ":
            self._at += size
            self._within(scope, length)
            end = self._offset + length
            self._begin(tag, _Scope(scope.syntax, end, end, items=True, signed=scope.signed))
            return True
        creator = tag & 0x10000 and 0x10 <= tag & 0xFFFF <= 0xFF  # noqa: PLR2004 - PS3.5 §7.8.1
        if (creator and length <= _CREATOR_LENGTH) or tag == _PIXEL_REPRESENTATION:
            if not self._sees(size + min(length, _CREATOR_LENGTH)):
                return False
            start = self._at + size
            value = bytes(self._buffer[start : start + min(length, _CREATOR_LENGTH)])
            if not creator:
                scope.signed = any(value)
            elif len(scope.creators) < _MAX_CREATORS:
                scope.creators[tag] = value.decode("latin-1").strip("\0 ")
        self._at += size
        self._within(scope, length)
        self._begin_value(scope, tag, settled(vr, length, signed=scope.signed), length)
        return True

    def _header(self, scope: _Scope, tag: int) -> tuple[str, int, int] | None:
        """VR, bytes in the header, and length of value. None: more bytes are needed."""
        buffer, at = self._buffer, self._at
        order = ">" if scope.syntax.big else "<"
        vr = VRS.get(bytes(buffer[at + 4 : at + 6]))
        fresh, scope.fresh = scope.fresh and len(self._scopes) > 1, False
        if (fresh and scope.syntax.implicit and vr) or not (scope.syntax.implicit or vr):
            if not self._sees(_LOOK_AHEAD):
                scope.fresh = fresh
                return None
            end = len(buffer) if scope.limit is None else min(len(buffer), scope.limit - self._base)
            if not vr:
                start, length = odd_form(buffer, at, end, order)
                return vr_of(tag, scope.creators), start - at, length
            if looks_explicit(buffer, at, end, order):
                scope.syntax = Syntax(implicit=False, big=scope.syntax.big)
        if scope.syntax.implicit:
            length = int(_HEADERS[scope.syntax.big].unpack_from(buffer, at)[2])
            return vr_of(tag, scope.creators), _HEADER, length
        if vr not in LONG:
            return str(vr), _HEADER, int.from_bytes(buffer[at + 6 : at + 8], _ORDERS[order])
        if len(buffer) - at < _LONG_HEADER:
            return None
        return str(vr), _LONG_HEADER, int.from_bytes(buffer[at + 8 : at + 12], _ORDERS[order])

    def _sequence(self, scope: _Scope, tag: int, vr: str, size: int) -> bool:
        """An element of undefined length; False when more bytes are needed."""
        if not self._sees(size + 4):
            return False
        start = self._at + size
        first = bytes(self._buffer[start : start + 4])
        if vr != "SQ" and (tag in PIXELS or vr in _BINARY or first not in ITEM_STARTS):
            raise BadDataset("encapsulated pixels in an uncompressed Transfer Syntax")
        syntax = scope.syntax
        if vr == "UN" and not syntax.implicit:  # PS3.5 §6.2.2
            syntax = Syntax(implicit=True, big=first in ITEM_STARTS[2:])
        self._at += size
        self._begin(tag, _Scope(syntax, None, scope.limit, items=True, signed=scope.signed))
        return True

    def _begin(self, tag: int, scope: _Scope) -> None:
        """A sequence goes out, with undefined length."""
        self._enter(scope)
        group, number = tag >> 16, tag & 0xFFFF
        if self._target.implicit:
            self._out.append(self._put_implicit(group, number, UNDEFINED))
        else:
            self._out.append(self._put_long(group, number, b"SQ", 0, UNDEFINED))

    def _begin_value(self, scope: _Scope, tag: int, vr: str, length: int) -> None:
        """A header goes out, and its value is to follow."""
        group, number, padded = tag >> 16, tag & 0xFFFF, length + (length & 1)
        self._left = length
        self._drop = not number or group == _META
        if self._drop:
            return
        self._padding = b"" if padded == length else b" " if vr in _SPACED else b"\0"
        self._word = WORD.get(vr, 1) if scope.syntax.big != self._target.big else 1
        if self._target.implicit:
            self._out.append(self._put_implicit(group, number, padded))
        elif vr in LONG:
            self._out.append(self._put_long(group, number, vr.encode(), 0, padded))
        elif padded > _MAX_SHORT:  # PS3.5 §6.2.2: as UN, which is in little endian
            self._word = WORD.get(vr, 1) if scope.syntax.big else 1
            self._out.append(self._put_long(group, number, b"UN", 0, padded))
        else:
            self._out.append(self._put_explicit(group, number, vr.encode(), padded))
