"""Which UIDs does the beginning of a data set hold? For those who must know before they store."""

from collections.abc import Collection
from dataclasses import dataclass

from hilum.codec.elements import walk
from hilum.codec.header import Buffer
from hilum.model.errors import BadDataset

_PREFIXES = (1024, 8192)  # bytes; mostly enough, and quicker than a look at all that is there
_INFLATED = 4 * 1024 * 1024  # bytes of a deflated data set, in which they stand or do not
_FIRST = 256  # bytes; enough for what stands at the very beginning
_CLASS, _INSTANCE, _STUDY, _SERIES = 0x0008_0016, 0x0008_0018, 0x0020_000D, 0x0020_000E


@dataclass(frozen=True, slots=True)
class Identifiers:
    """What stands at the root of a data set; "" for what is not there."""

    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str = ""


def look(
    buffer: Buffer, transfer_syntax_uid: str, *, study: bool, complete: bool
) -> Identifiers | None:
    """The UIDs of the data set that begins so.

    Args:
        buffer: the first bytes of the encoded data set.
        transfer_syntax_uid: how it is encoded.
        study: whether the UIDs of study and series are wanted too, which stand further behind.
        complete: these are all its bytes.

    Returns:
        None when more bytes are needed (never when `complete`).

    Raises:
        BadDataset: no data element can be read.
    """
    tags = (_CLASS, _INSTANCE, _STUDY, _SERIES) if study else (_CLASS, _INSTANCE)
    found = values(buffer, transfer_syntax_uid, tags, complete=complete)
    if found is None:
        return None
    return Identifiers(
        found[_CLASS], found[_INSTANCE], found.get(_STUDY, ""), found.get(_SERIES, "")
    )


def values(
    buffer: Buffer, transfer_syntax_uid: str, tags: Collection[int], *, complete: bool
) -> dict[int, str] | None:
    """The values of `tags` at the root of the data set that begins so; "" for what is not there.

    Args:
        buffer: the first bytes of the encoded data set.
        transfer_syntax_uid: how it is encoded.
        tags: of elements with text of the default character set.
        complete: these are all its bytes.

    Returns:
        None when more bytes are needed (never when `complete`).

    Raises:
        BadDataset: no data element can be read.
    """
    whole = memoryview(buffer)
    for size in _PREFIXES if max(tags) > _INSTANCE else (_FIRST, *_PREFIXES):
        if size < len(whole):
            found = _values(whole[:size], transfer_syntax_uid, tags, complete=False)
            if found is not None:
                return found
    return _values(whole, transfer_syntax_uid, tags, complete=complete)


def _values(
    buffer: memoryview, transfer_syntax_uid: str, tags: Collection[int], *, complete: bool
) -> dict[int, str] | None:
    try:
        walked = walk(buffer, transfer_syntax_uid, _INFLATED, header=True)
    except BadDataset:
        if complete:
            raise
        return None
    found = dict.fromkeys(tags, "")
    last = max(tags)
    passed = complete or walked.partial
    for tag, _, start, length, _, _ in walked.elements:
        passed |= tag > last
        if tag in found and start not in walked.cut:
            value = bytes(walked.data[start : start + length])
            found[tag] = value.decode("latin-1").strip("\0 ")
            passed |= tag == last
    return found if passed else None
