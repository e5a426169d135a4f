"""Which UIDs does the beginning of a data set hold? For those who must know before they store."""

from dataclasses import dataclass

from hilum.codec.elements import walk
from hilum.codec.header import Buffer
from hilum.model.errors import BadDataset

_PREFIXES = (1024, 8192)  # bytes; mostly enough, and quicker than a look at all that is there
_CLASS, _INSTANCE, _STUDY = 0x0008_0016, 0x0008_0018, 0x0020_000D


@dataclass(frozen=True, slots=True)
class Identifiers:
    """What stands at the root of a data set; "" for what is not there."""

    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str


def look(
    buffer: Buffer, transfer_syntax_uid: str, *, study: bool, complete: bool
) -> Identifiers | None:
    """The UIDs of the data set that begins so.

    Args:
        buffer: the first bytes of the encoded data set.
        transfer_syntax_uid: how it is encoded.
        study: whether the Study Instance UID is wanted too, which stands further behind.
        complete: these are all its bytes.

    Returns:
        None when more bytes are needed (never when `complete`).

    Raises:
        BadDataset: no data element can be read.
    """
    whole = memoryview(buffer)
    for size in _PREFIXES:
        if size < len(whole):
            found = _look(whole[:size], transfer_syntax_uid, study=study, complete=False)
            if found is not None:
                return found
    return _look(whole, transfer_syntax_uid, study=study, complete=complete)


def _look(
    buffer: memoryview, transfer_syntax_uid: str, *, study: bool, complete: bool
) -> Identifiers | None:
    try:
        walked = walk(buffer, transfer_syntax_uid)
    except BadDataset:
        if complete:
            raise
        return None
    found = {_CLASS: "", _INSTANCE: "", _STUDY: ""}
    last = _STUDY if study else _INSTANCE
    passed = complete
    for tag, _, start, length, _, _ in walked.elements:
        passed |= tag > last
        if tag in found and start not in walked.cut:
            value = bytes(walked.data[start : start + length])
            found[tag] = value.decode("latin-1").strip("\0 ")
            passed |= tag == last
    return Identifiers(*found.values()) if passed else None
