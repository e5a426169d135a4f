"""What does one pass over an encoded data set find? Elements, and what was wrong with them."""

from dataclasses import dataclass, field
from typing import Final, TypeAlias

from hilum.codec.header import LONG, UNDEFINED, Buffer

MAX_WARNINGS: Final = 50
"""Different warnings about one data set."""

PLAIN: Final = 0
"""Element kind: a value, or a sequence whose items are in the byte order of the data set."""
FRAGMENTS: Final = 1
"""Element kind: encapsulated (PS3.5 §A.4); the value is the items without their delimiter."""
LITTLE: Final = 2
"""Element kind: was UN, so its value or items are in little endian (PS3.5 §6.2.2)."""

Element: TypeAlias = tuple[int, str, int, int, "list[list[Element]] | None", int]
"""Tag, VR (perhaps ambiguous, see `header.settled`), where the value begins, its length as far as
it is there, the items of a sequence, kind. A plain tuple, as a hundred are made per image."""


@dataclass(slots=True)
class Walked:
    """What one pass over an encoded data set found.

    Attributes:
        data: the bytes that offsets refer to: the buffer itself, or the inflated data set.
        big: whether values are in big endian.
        elements: the root level, in the order they stand there.
        warnings: what was wrong, so that something may not be read as it was meant.
        notes: what was wrong and could be read all the same.
        truncated: the data set ends within an element.
        cut: offsets of values that are shorter than their header says.
        partial: a deflated data set that was looked at only as far as `walk` was to.
        count: elements, items and fragments.
    """

    data: Buffer
    big: bool = False
    elements: list[Element] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    truncated: bool = False
    cut: set[int] = field(default_factory=set)
    partial: bool = False
    count: int = 0

    def warn(self, text: str) -> None:
        """Keep a warning, once, within `MAX_WARNINGS`."""
        _keep(self.warnings, text)

    def note(self, text: str) -> None:
        """Keep a note, as `warn` does."""
        _keep(self.notes, text)


def length_of(walked: Walked, element: Element) -> int | None:
    """What the header of an element says of its length; None: a short one, or none at all."""
    _, vr, start, _, _, kind = element
    written = bytes(walked.data[start - 4 : start])
    if kind == FRAGMENTS or (vr not in LONG and " " not in vr and written[:2] == vr.encode()):
        return None
    length = int.from_bytes(written, "big" if walked.big else "little")
    return None if length == UNDEFINED else length


def _keep(texts: list[str], text: str) -> None:
    if len(texts) < MAX_WARNINGS and text not in texts:
        texts.append(text)
