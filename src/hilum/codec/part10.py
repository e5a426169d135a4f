"""How a file of PS3.10 begins: preamble, prefix and File Meta Information."""

from dataclasses import dataclass
from struct import Struct, pack
from typing import Final
from zlib import MAX_WBITS, decompressobj
from zlib import error as ZlibError  # noqa: N812 - it is a class

import hilum
from hilum.codec.header import (
    DEFLATED,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    LONG,
    UNDEFINED,
    VRS,
    Buffer,
    guess,
)
from hilum.model.errors import BadDataset

IMPLEMENTATION_CLASS_UID: Final = "2.25.302999649356861509281869159563796504765"
"""Implementation Class UID (0002,0012), ours: UUID e3f39c1a-c5d9-4d1c-9a5f-8d4e6b1d60bd."""
IMPLEMENTATION_VERSION_NAME: Final = f"HILUM_{hilum.__version__}"[:16]
"""Implementation Version Name (0002,0013), at most 16 characters."""
NOT_AS_ANNOUNCED: Final = "the Transfer Syntax is not that of the data set"
"""A warning."""
PRIVATE_CREATOR_UID: Final = IMPLEMENTATION_CLASS_UID + ".1"
"""Private Information Creator UID (0002,0100) of what we put into (0002,0102)."""

_MEDIA_STORAGE_DIRECTORY = "1.2.840.10008.1.3.10"
_PREAMBLE = 128  # bytes, PS3.10 §7.1
_PREFIX = b"DICM"
_MAX_HEAD = 1024 * 1024  # bytes
_HEADER = Struct("<HH2sH")
_LONG_LENGTH = Struct("<L")
_IMPLICIT = Struct("<HHL")
_META = 0x0002  # group
_GROUP = b"\x02\x00"  # as it is written
_TOLD_APART = frozenset((EXPLICIT_LITTLE, IMPLICIT_LITTLE))
_ENOUGH = 4096  # bytes, to guess a Transfer Syntax from


@dataclass(frozen=True, slots=True)
class Head:
    """What a file says of itself before its data set.

    Attributes:
        sop_class_uid: Media Storage SOP Class UID (0002,0002), or "".
        sop_instance_uid: Media Storage SOP Instance UID (0002,0003), or "".
        transfer_syntax_uid: Transfer Syntax UID (0002,0010), guessed where it is missing.
        offset: bytes before the data set.
        warnings: what was wrong and could be read all the same.
        private: what `encode_meta` was given as `private`; b"" when it is not ours.
    """

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    offset: int
    warnings: tuple[str, ...] = ()
    private: bytes = b""


def encode_meta(
    sop_class_uid: str,
    sop_instance_uid: str,
    transfer_syntax_uid: str,
    source_ae_title: str = "",
    private: bytes = b"",
) -> bytes:
    """Preamble, prefix and File Meta Information (PS3.10 §7.1), the data set to follow.

    Args:
        sop_class_uid: of the instance, into (0002,0002).
        sop_instance_uid: of the instance, into (0002,0003).
        transfer_syntax_uid: of the data set that follows, into (0002,0010).
        source_ae_title: who sent it, into (0002,0016); left out when empty.
        private: kept in (0002,0102) under our creator UID; may not end in NUL, which is padding.

    Raises:
        ValueError: a value is longer than its length field can say, or `private` ends in NUL.
    """
    if private.endswith(b"\0"):
        raise ValueError("private information may not end in NUL")
    meta = _long(0x0001, b"OB", b"\x00\x01")
    meta += _text(0x0002, b"UI", sop_class_uid) + _text(0x0003, b"UI", sop_instance_uid)
    meta += _text(0x0010, b"UI", transfer_syntax_uid)
    meta += _text(0x0012, b"UI", IMPLEMENTATION_CLASS_UID)
    meta += _text(0x0013, b"SH", IMPLEMENTATION_VERSION_NAME)
    if source_ae_title:
        meta += _text(0x0016, b"AE", source_ae_title)
    if private:
        meta += _text(0x0100, b"UI", PRIVATE_CREATOR_UID)
        meta += _long(0x0102, b"OB", private + b"\0" * (len(private) & 1))
    group_length = _HEADER.pack(_META, 0x0000, b"UL", 4) + _LONG_LENGTH.pack(len(meta))
    return bytes(_PREAMBLE) + _PREFIX + group_length + meta


def _text(number: int, vr: bytes, text: str) -> bytes:
    """One short element of group 0002, padded to even length (PS3.5 §6.2)."""
    value = text.encode("latin-1", "replace")
    if len(value) & 1:
        value += b"\0" if vr == b"UI" else b" "
    if len(value) > 0xFFFE:  # noqa: PLR2004 - PS3.5 §7.1.2
        raise ValueError(f"value of (0002,{number:04X}) is too long")
    return _HEADER.pack(_META, number, vr, len(value)) + value


def _long(number: int, vr: bytes, value: bytes) -> bytes:
    """One element of group 0002 with a 32-bit length."""
    return pack("<HH2sHL", _META, number, vr, 0, len(value)) + value


def read_head(buffer: Buffer, *, complete: bool) -> Head | None:
    """The head of a file, read leniently.

    A missing preamble or group length, a wrong group length, File Meta Information in implicit
    VR, a missing Transfer Syntax, implicit VR that is called explicit or the other way round,
    and no File Meta Information at all are taken with a warning.

    Args:
        buffer: the first bytes of the file.
        complete: these are all its bytes.

    Returns:
        None when more bytes are needed (never when `complete`).

    Raises:
        BadDataset: nothing here is DICOM, the head is longer than 1 MiB, or it is a DICOMDIR.
    """
    head = bytes(buffer[: _MAX_HEAD + 16])
    if not complete and len(head) < _PREAMBLE + len(_PREFIX):
        return None
    warnings: list[str] = []
    meta = _read_meta(head, _start(head, warnings), complete=complete, warnings=warnings)
    if meta is None:
        return None
    values, offset = meta
    sop_class_uid = _uid(values.get(0x0002, b""))
    if sop_class_uid == _MEDIA_STORAGE_DIRECTORY:
        raise BadDataset("a DICOMDIR is no instance that can be stored")
    syntax: str | None = _uid(values.get(0x0010, b""))
    if not syntax:
        if not complete and len(head) < min(offset + _ENOUGH, _MAX_HEAD):
            return None
        syntax = _guessed(head, offset, complete=complete and len(head) == len(buffer))
        if values:
            warnings.append("no Transfer Syntax UID (0002,0010): guessed from the first elements")
    else:
        given, syntax = syntax, as_written(head, offset, syntax, complete=complete)
        if syntax is None:
            return None
        if syntax != given:
            warnings.append(NOT_AS_ANNOUNCED)
    ours = _uid(values.get(0x0100, b"")) == PRIVATE_CREATOR_UID
    return Head(
        sop_class_uid=sop_class_uid,
        sop_instance_uid=_uid(values.get(0x0003, b"")),
        transfer_syntax_uid=syntax,
        offset=offset,
        warnings=tuple(warnings),
        private=values.get(0x0102, b"").removesuffix(b"\0") if ours else b"",
    )


def _start(head: bytes, warnings: list[str]) -> int:
    """Where File Meta Information begins, or where the data set does when there is none."""
    if head[_PREAMBLE : _PREAMBLE + 4] == _PREFIX:
        return _PREAMBLE + 4
    if head[:4] == _PREFIX:
        warnings.append("no preamble before the DICM prefix")
        return 4
    without = "preamble and no DICM prefix" if head[:2] == _GROUP else "File Meta Information"
    warnings.append(f"no {without}")
    return 0


def _guessed(head: bytes, offset: int, *, complete: bool) -> str:
    """The Transfer Syntax in which the first elements make sense.

    Raises:
        BadDataset: there is none.
    """
    syntax = guess(head, offset, complete=complete)
    if syntax:
        return syntax
    try:
        inflated = decompressobj(-MAX_WBITS).decompress(head[offset:], _ENOUGH)
    except ZlibError:
        inflated = b""
    if guess(inflated, 0, complete=False) == EXPLICIT_LITTLE:
        return DEFLATED
    raise BadDataset("not a DICOM file: no Transfer Syntax, and none fits")


def as_written(data: bytes, offset: int, announced: str, *, complete: bool) -> str | None:
    """The Transfer Syntax of a data set: as announced, unless implicit VR is called explicit or so.

    Who is told the announced one cannot read what is written in the other.

    Args:
        data: the first bytes of it, at least; 4 KiB are enough.
        offset: where it begins in them.
        announced: the Transfer Syntax that it should have.
        complete: no more bytes can be had.

    Returns:
        None when more bytes are needed (never when `complete`).
    """
    if announced not in _TOLD_APART:
        return announced
    if len(data) - offset < _HEADER.size:
        return announced if complete else None
    if (data[offset + 4 : offset + 6] in VRS) == (announced == EXPLICIT_LITTLE):
        return announced
    if not complete and len(data) < min(offset + _ENOUGH, _MAX_HEAD):
        return None
    found = guess(data, offset, complete=False)
    return found if found in _TOLD_APART else announced


def _uid(value: bytes) -> str:
    return value.decode("latin-1").strip("\0 ")


def _read_meta(
    head: bytes, start: int, *, complete: bool, warnings: list[str]
) -> tuple[dict[int, bytes], int] | None:
    """Elements of group 0002 by number, and where they end. None: more bytes are needed.

    Where they end is told by the first element of another group, as group lengths lie.
    """
    values: dict[int, bytes] = {}
    position, announced = start, -1
    while head[position : position + 2] == _GROUP:
        element = _meta_element(head, position, complete=complete)
        if element is None:
            return None
        number, value, position = element
        if position > _MAX_HEAD:
            raise BadDataset("File Meta Information is longer than 1 MiB")
        values[number] = value
        if number == 0x0000 and len(value) == 4:  # noqa: PLR2004 - bytes of UL
            announced = position + int(_LONG_LENGTH.unpack(value)[0])
    if len(head) - position < len(_GROUP) and not complete:
        return None
    if values and announced != position:
        warnings.append(f"{'no' if announced < 0 else 'wrong'} group length (0002,0000)")
    if values and head[start + 4 : start + 6] not in VRS:
        warnings.append("File Meta Information is not in explicit VR")
    return values, position


def _meta_element(head: bytes, position: int, *, complete: bool) -> tuple[int, bytes, int] | None:
    """One element of group 0002: number, value, and where the next one begins.

    None: more bytes are needed.

    Raises:
        BadDataset: it is cut off, or reaches beyond the first MiB.
    """
    left = len(head) - position
    size, length = 8, 0
    if left >= size:
        _, number, code, length = _HEADER.unpack_from(head, position)
        if VRS.get(code) in LONG:
            size = 12
            length = int.from_bytes(head[position + 8 : position + 12], "little")
        elif code not in VRS:
            length = _IMPLICIT.unpack_from(head, position)[2]
    if left < size + length:
        if length == UNDEFINED or position + size + length > _MAX_HEAD:
            raise BadDataset("File Meta Information is longer than 1 MiB")
        if complete:
            raise BadDataset("File Meta Information is cut off")
        return None
    start = position + size
    return number, head[start : start + length], start + length
