"""What does a data set say? Values by tag, each read when it is asked for, leniently."""

from collections.abc import Iterator
from math import isfinite
from typing import Final

from hilum.codec import value
from hilum.codec.charset import Charset, charset_of
from hilum.codec.header import WORD, settled, swapped
from hilum.codec.walked import FRAGMENTS, LITTLE, Element, Walked

MAX_VALUE: Final = 16 * 1024 * 1024  # bytes; a longer one is as if it were not there

_CHARSET = 0x00080005
_SIGNED = 0x00280103
_TEXTS = frozenset(("LO", "LT", "PN", "SH", "ST", "UC", "UT"))


class Values:
    """The root or one item of a data set; what is not there or makes no sense is empty."""

    def __init__(
        self,
        walked: Walked,
        elements: list[Element] | None = None,
        *,
        big: bool | None = None,
        above: "Values | None" = None,
    ) -> None:
        elements = walked.elements if elements is None else elements
        self._walked = walked
        self._big = walked.big if big is None else big
        self._above = above
        self._by_tag = {element[0]: element for element in elements}
        raw = self.raw(_CHARSET)
        if raw:
            self._charset = charset_of(raw[:1024])
        else:
            self._charset = Charset() if above is None else above._charset  # noqa: SLF001 - its own kind

    def __contains__(self, tag: int) -> bool:
        """Whether the attribute is there, be it empty."""
        return tag in self._by_tag

    def __iter__(self) -> Iterator[int]:
        """The tags."""
        return iter(self._by_tag)

    @property
    def signed(self) -> bool:
        """Pixel Representation (0028,0103) is 1, here or around."""
        if _SIGNED in self._by_tag or self._above is None:
            return any(self.raw(_SIGNED)[:2])
        return self._above.signed

    def raw(self, tag: int) -> bytes:
        """The value as it is written."""
        element = self._by_tag.get(tag)
        if element is None or element[3] > MAX_VALUE or element[5] == FRAGMENTS:
            return b""
        return bytes(self._walked.data[element[2] : element[2] + element[3]])

    def span(self, tag: int) -> tuple[int, int] | None:
        """Where a plain value lies in `Walked.data`, and its length."""
        element = self._by_tag.get(tag)
        return None if element is None or element[4] is not None else (element[2], element[3])

    def little(self, tag: int) -> bytes:
        """The value in words of 16 bits, little endian; an OB is as it is written."""
        element = self._by_tag.get(tag)
        if element is None:
            return b""
        raw = self.raw(tag)
        vr = settled(element[1], element[3], signed=False)
        return swapped(raw, 2) if self._is_big(element) and WORD.get(vr) == 2 else raw  # noqa: PLR2004 - bytes in a word

    def text(self, tag: int) -> str:
        """The value of an attribute that is characters, the first one of several."""
        return next(iter(self.texts(tag)), "")

    def texts(self, tag: int) -> list[str]:
        """The values of an attribute that is characters."""
        element = self._by_tag.get(tag)
        if element is None or element[4] is not None:
            return []
        raw = self.raw(tag)
        if element[1] not in _TEXTS:
            text = raw.decode("latin-1")
        else:
            text, _ = self._charset.decode(raw, person=element[1] == "PN")
        if element[1] in {"LT", "ST", "UT"}:
            return [text.rstrip(" \0")]
        return [part.strip(" \0") for part in text.split("\\")] if text else []

    def number(self, tag: int) -> float | None:
        """The value of an attribute that is a number, the first one of several."""
        return next(iter(self.numbers(tag)), None)

    def whole(self, tag: int, default: int = 0) -> int:
        """The same as a whole number."""
        number = self.number(tag)
        return default if number is None else int(number)

    def numbers(self, tag: int) -> list[float]:
        """The values of an attribute that is numbers; empty where one of them is none."""
        element = self._by_tag.get(tag)
        if element is None or element[4] is not None or element[5] == FRAGMENTS:
            return []
        _, vr, start, length, _, _ = element
        if not 0 < length <= MAX_VALUE:
            return []
        vr = settled(vr, 2, signed=self.signed)
        try:
            if vr in value.NUMBERS:
                order = ">" if self._is_big(element) else "<"
                return [
                    float(each)
                    for each in value.numbers(vr, self._walked.data, start, length, order)
                ]
            text = self.raw(tag).decode("ascii").strip(" \0")
            found = value.decimals(text) if text else []
        except ValueError:
            return []
        return [each for each in found if each is not None and isfinite(each)]

    def items(self, tag: int) -> "list[Values]":
        """The items of a sequence."""
        count = self.count(tag)
        return [item for index in range(count) if (item := self.item(tag, index)) is not None]

    def count(self, tag: int) -> int:
        """How many items a sequence has."""
        element = self._by_tag.get(tag)
        return 0 if element is None or element[4] is None else len(element[4])

    def item(self, tag: int, index: int = 0) -> "Values | None":
        """One item of a sequence, counted from 0."""
        element = self._by_tag.get(tag)
        if element is None or element[4] is None or not 0 <= index < len(element[4]):
            return None
        return Values(self._walked, element[4][index], big=self._is_big(element), above=self)

    def _is_big(self, element: Element) -> bool:
        return self._big and element[5] != LITTLE
