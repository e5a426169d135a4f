"""How the header of one data element is to be read: VR, length, syntax (PS3.5 §7.1)."""

import mmap
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from struct import Struct
from types import MappingProxyType
from typing import Final, TypeAlias

from hilum.model import dictionary

Buffer: TypeAlias = bytes | bytearray | memoryview | mmap.mmap
"""What a data set may lie in: anything with a length, slices and the buffer protocol."""

IMPLICIT_LITTLE: Final = "1.2.840.10008.1.2"
EXPLICIT_LITTLE: Final = "1.2.840.10008.1.2.1"
DEFLATED: Final = "1.2.840.10008.1.2.1.99"
EXPLICIT_BIG: Final = "1.2.840.10008.1.2.2"
_IMPLICIT = (IMPLICIT_LITTLE, "1.2.840.113619.5.2")  # GE's private one: big endian in pixels only
_DEFLATED = (DEFLATED, "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205")  # and JPIP's two

UNDEFINED: Final = 0xFFFFFFFF  # length, PS3.5 §7.1.1
ITEM: Final = 0xFFFEE000
ITEM_END: Final = 0xFFFEE00D
SEQUENCE_END: Final = 0xFFFEE0DD
ITEM_STARTS: Final = (
    b"\xfe\xff\x00\xe0",
    b"\xfe\xff\xdd\xe0",
    b"\xff\xfe\xe0\x00",
    b"\xff\xfe\xe0\xdd",
)
"""What a sequence of undefined length can begin with, in both byte orders: item, or its end."""
TRAILING_PADDING: Final = 0xFFFCFFFC
PIXELS: Final = frozenset((0x7FE00008, 0x7FE00009, 0x7FE00010))
"""Float Pixel Data, Double Float Pixel Data, Pixel Data."""

_SHORT = "AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US"
_LONG = "OB OD OF OL OV OW SQ SV UC UN UR UT UV"
LONG: Final = frozenset(_LONG.split())
"""VRs whose header has two reserved bytes and a length of 32 bits (PS3.5 Table 7.1-1)."""
VRS: Final[Mapping[bytes, str]] = MappingProxyType(
    {vr.encode(): vr for vr in (_SHORT + " " + _LONG).split()}
)
SHORT_VRS: Final[dict[bytes, str]] = {vr.encode(): vr for vr in _SHORT.split()}
"""Those whose header has a length of 16 bits. A dict, as it is asked for each element."""
WORD: Final[Mapping[str, int]] = MappingProxyType(
    {"AT": 2, "OW": 2, "SS": 2, "US": 2, "FL": 4, "OF": 4, "OL": 4, "SL": 4, "UL": 4}
    | dict.fromkeys(("FD", "OD", "OV", "SV", "UV"), 8)
)
"""VR -> bytes in the words that are swapped between byte orders (PS3.5 §7.3); others: none."""

TAGS: Final[dict[int, str]] = {
    tag: str(entry[0]) for tag, entry in dictionary.TAGS.items() if entry[0] != "NONE"
}
"""Tag -> VR of the dictionary of PS3.6, without repeating groups. A dict, for the same reason."""
_EXPLICIT = {"<": Struct("<HH2sH"), ">": Struct(">HH2sH")}
_IMPLICIT_HEADERS = {"<": Struct("<HHL"), ">": Struct(">HHL")}
_LONG_LENGTH = {"<": Struct("<L"), ">": Struct(">L")}
_ARRAY_TYPES = {array(code).itemsize: code for code in "HIQ"}
_HIGHEST = 0x7FE00010  # a tag that may stand among the first ones
_SURE = 3  # elements read before a guess is believed
_SANE = 1024 * 1024  # bytes, the most for a value among the first elements


@dataclass(frozen=True, slots=True)
class Syntax:
    """What a Transfer Syntax says about headers and byte order (PS3.5 Annex A).

    Every syntax but the named ones is encapsulated, with headers as in Explicit VR Little Endian.
    """

    implicit: bool = False
    big: bool = False
    deflated: bool = False


def syntax_of(transfer_syntax_uid: str) -> Syntax:
    """The way headers are written in a Transfer Syntax, private ones included."""
    return Syntax(
        implicit=transfer_syntax_uid in _IMPLICIT,
        big=transfer_syntax_uid == EXPLICIT_BIG,
        deflated=transfer_syntax_uid in _DEFLATED,
    )


def vr_of(tag: int, creators: Mapping[int, str]) -> str:
    """The VR that the dictionaries give a tag; "UN" when none knows it.

    May be ambiguous, "US or SS": `settled` decides.

    Args:
        tag: as a number.
        creators: the private creators of the same item, by the tag that reserves the block
            (PS3.5 §7.8.1).
    """
    known = TAGS.get(tag)
    if known is not None:
        return known
    creator = creators.get(tag & 0xFFFF0000 | (tag & 0xFFFF) >> 8, "") if tag & 0x10000 else ""
    return _looked_up(tag, creator)


@lru_cache(maxsize=8192)
def _looked_up(tag: int, creator: str) -> str:
    """The VR of a tag that is not in `TAGS`."""
    number = tag & 0xFFFF
    if number == 0:
        return "UL"  # group length
    if not tag & 0x10000:
        entry = dictionary.repeating(tag)
        return entry[0] if entry else "UN"
    if 0x10 <= number <= 0xFF:  # noqa: PLR2004 - PS3.5 §7.8.1
        return "LO"
    return dictionary.private_vr_of(tag, creator) or "UN" if creator else "UN"


def settled(vr: str, length: int, *, signed: bool) -> str:
    """One VR out of an ambiguous one, by Pixel Representation and length (PS3.5 Annex A).

    "US or SS" follows Pixel Representation (0028,0103). LUT Data of one entry is US, else OW.
    Where OB or OW may stand, Implicit VR means OW (PS3.5 §A.1).
    """
    if " " not in vr:
        return vr
    if vr == "US or SS":
        return "SS" if signed else "US"
    if vr == "US or OW" and length == 2:  # noqa: PLR2004 - bytes of one entry
        return "US"
    return "OW"


def swapped(raw: bytes, word: int) -> bytes:
    """The bytes of each whole word in reverse; what is left over stays.

    Args:
        raw: a value, or a part of it that begins at a word.
        word: bytes in a word: 2, 4 or 8.
    """
    whole = len(raw) - len(raw) % word
    words = array(_ARRAY_TYPES[word], raw[:whole])
    words.byteswap()
    return words.tobytes() + raw[whole:]


def sensible(data: Buffer, tag: int, form: tuple[int, int], end: int, order: str) -> bool:
    """Whether a value of this length is followed by the end, a higher tag or a delimiter.

    Args:
        data: holds the value.
        tag: of the value.
        form: where the value begins, and its length as the header says.
        end: where the item or data set ends.
        order: "<" or ">".
    """
    start, length = form
    if length == UNDEFINED:
        return bytes(data[start : start + 4]) in ITEM_STARTS
    after = start + length
    if after > end - 8:
        return after == end
    group, number, _ = _IMPLICIT_HEADERS[order].unpack_from(data, after)
    following = group << 16 | number
    if following in (ITEM_END, SEQUENCE_END):
        return True
    return tag < following and bool(group & 1 or vr_of(following, {}) != "UN")


def odd_form(data: Buffer, at: int, end: int, order: str) -> tuple[int, int]:
    """Where the value begins, and its length, in a header whose VR is none that is known.

    It is tried as a header of implicit VR, and with both lengths of explicit VR; the first one
    after which the next header makes sense is taken, best one in explicit VR. A VR of two
    letters may be a new one, with a long length (PS3.5 §7.1.2); "??" is an old one.
    """
    group, number, code, length = _EXPLICIT[order].unpack_from(data, at)
    short, implicit = (at + 8, length), (at + 8, _IMPLICIT_HEADERS[order].unpack_from(data, at)[2])
    written = code.isascii() and code.decode().isprintable()
    forms = [short, implicit] if written else [implicit, short]
    if end - at >= 12:  # noqa: PLR2004 - bytes of a long header
        long = (at + 12, int(_LONG_LENGTH[order].unpack_from(data, at + 8)[0]))
        forms.insert(0 if code.isalpha() else 2, long)
    tag = group << 16 | number
    found = [form for form in forms if sensible(data, tag, form, end, order)]
    for start, length in found:
        if bytes(data[start + length + 4 : start + length + 6]) in VRS:
            return start, length
    return found[0] if found else short if written else implicit


def looks_explicit(data: Buffer, at: int, end: int, order: str) -> bool:
    """Whether an element is in explicit VR though it stands where implicit VR should be."""
    if end - at < 8:  # noqa: PLR2004 - bytes of a header
        return False
    group, number, code, length = _EXPLICIT[order].unpack_from(data, at)
    if code not in VRS:
        return False
    tag = group << 16 | number
    implicit = _IMPLICIT_HEADERS[order].unpack_from(data, at)[2]
    if sensible(data, tag, (at + 8, implicit), end, order):
        return False
    return code.decode() in LONG or sensible(data, tag, (at + 8, length), end, order)


def true_syntax(data: Buffer, announced: Syntax, *, complete: bool = True) -> Syntax:
    """The way headers are really written: as announced, unless only another one makes sense.

    Args:
        data: the first elements, inflated.
        announced: by the Transfer Syntax.
        complete: the buffer holds all.
    """
    plain = Syntax(announced.implicit, announced.big)
    if len(data) < 8:  # noqa: PLR2004 - bytes of a header
        return plain
    explicit = bytes(data[4:6]) in VRS
    if explicit != announced.implicit and announced.big == (data[0] == 0):
        return plain
    found = guess(data, 0, complete=complete)
    return plain if found is None else syntax_of(found)


def guess(buffer: Buffer, start: int, *, complete: bool = True) -> str | None:
    """The uncompressed Transfer Syntax in which the elements at `start` make sense, or None.

    Args:
        buffer: the encoded elements.
        start: where the first one begins.
        complete: the buffer holds all; a value may then not reach beyond it.
    """
    for uid in (EXPLICIT_LITTLE, IMPLICIT_LITTLE, EXPLICIT_BIG):
        if _fits(buffer, start, uid, complete=complete):
            return uid
    return None


def _fits(buffer: Buffer, start: int, uid: str, *, complete: bool) -> bool:
    """Whether the first elements read in this syntax: known tags in order, with sane lengths."""
    position, last = start, 0
    for read in range(_SURE):
        if len(buffer) - position < 12:  # noqa: PLR2004 - bytes of the longest header
            return read > 0
        header = _plain_header(buffer, position, uid)
        if header is None:
            return False
        tag, vr, size, length = header
        known = vr_of(tag, {})
        strange = tag <= last or tag > _HIGHEST or (known == "UN" and not tag & 0x10000)
        if strange or _SANE < length < UNDEFINED:
            return False
        if length == UNDEFINED:
            return "SQ" in (vr, known) or known == "UN" or tag in PIXELS
        position, last = position + size + length, tag
        if complete and position > len(buffer):
            return read > 0
    return True


def _plain_header(buffer: Buffer, at: int, uid: str) -> tuple[int, str, int, int] | None:
    """Tag, VR or "", bytes in the header and length of value; None when the VR is none."""
    if uid == IMPLICIT_LITTLE:
        group, number, length = _IMPLICIT_HEADERS["<"].unpack_from(buffer, at)
        return group << 16 | number, "", 8, length
    order = ">" if uid == EXPLICIT_BIG else "<"
    group, number, code, length = _EXPLICIT[order].unpack_from(buffer, at)
    vr = VRS.get(code)
    if vr is None:
        return None
    if vr in LONG:
        length = _LONG_LENGTH[order].unpack_from(buffer, at + 8)[0]
    return group << 16 | number, vr, 12 if vr in LONG else 8, length
