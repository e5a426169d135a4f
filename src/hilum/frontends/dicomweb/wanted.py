"""In which Transfer Syntax is an instance given? (PS3.18 §8.7.3.5 and Table 8.7.3-2)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from hilum.codec import reencode
from hilum.codec.header import EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE
from hilum.codec.media_type import DICOM, DICOM_PARTS, RELATED, ZIP, MediaType, includes
from hilum.model.errors import NotAcceptable

NEVER = frozenset({IMPLICIT_LITTLE, EXPLICIT_BIG})
"""Syntaxes that "shall not be used with Web Services" (PS3.18 §8.7.3)."""

AS_STORED = "*"
DEFAULT = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One way that the client takes instances.

    Attributes:
        syntax: a Transfer Syntax UID, `AS_STORED`, or `DEFAULT` where none was named.
        alone: as single part `application/dicom`, not in a multipart.
        zipped: as files of a ZIP, not in a multipart.
    """

    syntax: str
    alone: bool = False
    zipped: bool = False

    def given(self, stored: str) -> str | None:
        """The syntax in which an instance that is stored in `stored` goes out; None: it cannot.

        Where none is named the default is Explicit VR Little Endian; what is compressed goes
        out as it is, for it is not decoded here.
        """
        if self.syntax == AS_STORED and stored not in NEVER:
            return stored
        if self.syntax in {AS_STORED, DEFAULT}:
            return EXPLICIT_LITTLE if reencode.possible(stored, EXPLICIT_LITTLE) else stored
        if self.syntax in NEVER:
            return None
        if stored == self.syntax or reencode.possible(stored, self.syntax):
            return self.syntax
        return None


def wanted(ranges: Iterable[MediaType], *, one: bool) -> list[Wanted]:
    """The ways that the client takes instances, the best first; all zipped, or none.

    Args:
        ranges: what it accepts.
        one: whether a single instance is asked for: only that can stand alone.

    Raises:
        NotAcceptable: it takes no DICOM instances at all.
    """
    ways = list(dict.fromkeys(_ways(ranges, one=one)))
    if not ways:
        alone = f" or {DICOM}" if one else ""
        raise NotAcceptable(f"this can be given as {DICOM_PARTS}{alone} or {ZIP} only")
    return [each for each in ways if each.zipped == ways[0].zipped]


def _ways(ranges: Iterable[MediaType], *, one: bool) -> Iterator[Wanted]:
    for each in ranges:
        if each.kind == DICOM:
            if one:
                yield Wanted(each.transfer_syntax, alone=True)
        elif each.kind == ZIP:
            yield Wanted(each.transfer_syntax, zipped=True)
        elif each.kind == RELATED or each.kind.startswith("multipart/*"):
            if not each.related or includes(each.related, DICOM):
                yield Wanted(each.transfer_syntax)
        elif each.takes(RELATED) or each.takes(DICOM):
            yield Wanted(each.transfer_syntax)
