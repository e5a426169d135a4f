"""A data set with some of its elements changed, the others as they are, as a stream (PS3.5 §7)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from struct import pack
from typing import Final

from hilum.codec.header import (
    ITEM,
    LONG,
    SEQUENCE_END,
    TRAILING_PADDING,
    UNDEFINED,
    Buffer,
    Syntax,
    syntax_of,
    true_syntax,
)
from hilum.codec.rewrite import Rewriter
from hilum.codec.walked import LITTLE, Element, Walked

PIECE: Final = 1024 * 1024
"""Bytes, the most that is handed on at a time."""

_DELIMITER: Final = 8  # bytes
_SHORT, _LONG_HEADER = 8, 12  # bytes of a header


@dataclass(frozen=True, slots=True)
class Value:
    """A new value.

    Attributes:
        vr: of the element.
        value: numbers of US, text, or the items of a sequence by tag.
        after: items stand behind those that are there already.
    """

    vr: str
    value: "int | str | list[dict[int, Value]]"
    after: bool = False


Changes = Mapping[int, Value | None]
"""Tag -> its new value; None: it goes."""


class Spliced:
    """A data set around its pixels, in another uncompressed Transfer Syntax, with changes.

    Args:
        walked: its elements.
        source_ts: its Transfer Syntax, as announced.
        target_ts: headers are written as there.
        pixels: tag of the element that stands between `before` and `after`; None: nothing does.
        changes: at the root level.
    """

    def __init__(
        self,
        walked: Walked,
        source_ts: str,
        target_ts: str,
        pixels: int | None,
        changes: Changes,
    ) -> None:
        self._walked = walked
        self._syntax = true_syntax(walked.data, syntax_of(source_ts))
        self._target = syntax_of(target_ts)
        self._changes = dict(changes)
        elements = walked.elements
        self._starts = [_header_at(walked.data, each, self._syntax) for each in elements]
        self._starts.append(len(walked.data))
        at = [number for number, each in enumerate(elements) if each[0] == pixels]
        self._pixels = at[-1] if at else len(elements)

    def before(self) -> Iterator[bytes]:
        """Everything in front of the pixels.

        Raises:
            BadDataset: it cannot be understood.
        """
        yield from self._rewritten(0, self._pixels, self._changes)

    def after(self) -> Iterator[bytes]:
        """Everything behind the pixels.

        Raises:
            BadDataset: it cannot be understood.
        """
        yield from self._rewritten(self._pixels + 1, len(self._walked.elements), {})

    def _rewritten(self, first: int, end: int, changes: Changes) -> Iterator[bytes]:
        rewriter = Rewriter(self._syntax, self._target)
        for piece in self._pieces(first, end, dict(sorted(changes.items()))):
            yield rewriter.feed(piece)
        yield rewriter.close()

    def _pieces(self, first: int, end: int, new: dict[int, Value | None]) -> Iterator[bytes]:
        """Elements as the source writes them: new ones where they belong, group lengths not."""
        old = {each[0]: each for each in self._walked.elements}
        for number in range(first, end):
            tag = self._walked.elements[number][0]
            for changed in [each for each in new if each < tag]:
                yield self._changed(changed, new.pop(changed), old)
            if tag in self._changes or not tag & 0xFFFF or tag == TRAILING_PADDING:
                continue
            start, stop = self._starts[number], self._starts[number + 1]
            for at in range(start, stop, PIECE):
                yield bytes(self._walked.data[at : min(at + PIECE, stop)])
        for changed, value in new.items():
            yield self._changed(changed, value, old)

    def _changed(self, tag: int, value: Value | None, old: dict[int, Element]) -> bytes:
        if value is None:
            return b""
        before = b""
        if value.after and tag in old:
            before = _items(self._walked.data, old[tag])
        return _element(tag, value, self._syntax, before)


def _header_at(data: Buffer, element: Element, syntax: Syntax) -> int:
    """Where the header of an element begins whose value is known."""
    tag, start = element[0], element[2]
    if not syntax.implicit and start >= _LONG_HEADER:
        order = ">" if syntax.big else "<"
        named = pack(order + "HH", tag >> 16, tag & 0xFFFF)
        long = bytes(data[start - _LONG_HEADER : start - _SHORT]) == named
        if long and bytes(data[start - _SHORT : start - _SHORT + 2]).decode("latin-1") in LONG:
            return start - _LONG_HEADER
        if long and bytes(data[start - _SHORT : start - 4]) != named:  # a VR that is not known
            return start - _LONG_HEADER
    return start - _SHORT


def _items(data: Buffer, element: Element) -> bytes:
    """The items of a sequence, as they are written, without its delimiter."""
    _, _, start, length, items, kind = element
    if items is None or kind == LITTLE:
        return b""
    raw = bytes(data[start : start + length])
    ends = [
        pack(order + "HHL", SEQUENCE_END >> 16, SEQUENCE_END & 0xFFFF, 0) for order in ("<", ">")
    ]
    return raw[:-_DELIMITER] if raw[-_DELIMITER:] in ends else raw


def _element(tag: int, value: Value, syntax: Syntax, before: bytes = b"") -> bytes:
    """One element, as the syntax has it; `before` are items that a sequence has already."""
    order, end = (">" if syntax.big else "<"), b""
    length: int | None = None
    if isinstance(value.value, int):
        raw = pack(order + "H", value.value)
    elif isinstance(value.value, str):
        raw = value.value.encode("latin-1", "replace")
        raw += (b"\0" if value.vr == "UI" else b" ") * (len(raw) % 2)
    else:
        raw = before + b"".join(_item(each, syntax) for each in value.value)
        length = UNDEFINED
        end = pack(order + "HHL", SEQUENCE_END >> 16, SEQUENCE_END & 0xFFFF, 0)
    length = len(raw) if length is None else length
    group, number = tag >> 16, tag & 0xFFFF
    if syntax.implicit:
        head = pack(order + "HHL", group, number, length)
    elif value.vr in LONG:
        head = pack(order + "HH2sHL", group, number, value.vr.encode(), 0, length)
    else:
        head = pack(order + "HH2sH", group, number, value.vr.encode(), length)
    return head + raw + end


def _item(elements: dict[int, Value], syntax: Syntax) -> bytes:
    raw = b"".join(_element(tag, value, syntax) for tag, value in sorted(elements.items()))
    order = ">" if syntax.big else "<"
    return pack(order + "HHL", ITEM >> 16, ITEM & 0xFFFF, len(raw)) + raw
