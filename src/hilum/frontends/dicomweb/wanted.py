"""In which Transfer Syntax is an instance given? (PS3.18 §8.7.3.5 and Table 8.7.3-2)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from hilum.codec import reencode
from hilum.codec.header import EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE
from hilum.codec.media_type import (
    DICOM,
    DICOM_PARTS,
    RELATED,
    ZIP,
    MediaType,
    includes,
    rules_out,
)
from hilum.core.backend import Transcodes
from hilum.imaging.codecs import CODECS
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

    @property
    def offer(self) -> str:
        """The media type of the answer."""
        if self.zipped:
            return ZIP
        return DICOM if self.alone else DICOM_PARTS

    def given(self, stored: str, transcodes: Transcodes | None = None) -> str | None:
        """The syntax in which an instance that is stored in `stored` goes out; None: it cannot.

        Where none is named the default is Explicit VR Little Endian; what is compressed with loss
        goes out as it is, and so does what cannot be decoded here (PS3.18 §8.7.3.4).

        Args:
            stored: its Transfer Syntax.
            transcodes: what takes pixels to another one; None: nobody does.
        """
        if self.syntax == AS_STORED and stored not in NEVER:
            return stored
        if self.syntax in {AS_STORED, DEFAULT}:
            decoded = _is_lossless(stored) and _can_become(stored, EXPLICIT_LITTLE, transcodes)
            return EXPLICIT_LITTLE if decoded else stored
        if self.syntax in NEVER or not _can_become(stored, self.syntax, transcodes):
            return None
        return self.syntax


def _can_become(stored: str, syntax: str, transcodes: Transcodes | None) -> bool:
    if stored == syntax or reencode.possible(stored, syntax):
        return True
    return transcodes is not None and transcodes.possible(stored, syntax)


def _is_lossless(syntax: str) -> bool:
    codec = CODECS.get(syntax)
    return codec is not None and codec.lossless


def wanted(ranges: Iterable[MediaType], *, one: bool) -> list[Wanted]:
    """The ways that the client takes instances, the best first; all zipped, or none.

    Args:
        ranges: what it accepts.
        one: whether a single instance is asked for: only that can stand alone.

    Raises:
        NotAcceptable: it takes no DICOM instances at all.
    """
    every = [*ranges]
    ways = [
        each
        for each in dict.fromkeys(_ways(every, one=one))
        if not rules_out(every, each.offer, each.syntax)
    ]
    if not ways:
        alone = f" or {DICOM}" if one else ""
        raise NotAcceptable(f"this can be given as {DICOM_PARTS}{alone} or {ZIP} only")
    return [each for each in ways if each.zipped == ways[0].zipped]


def _ways(ranges: Iterable[MediaType], *, one: bool) -> Iterator[Wanted]:
    for each in ranges:
        if not each.quality:
            return
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
