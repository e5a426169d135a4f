"""A SOP Instance in flight: described, but never decoded."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

CHUNK = 1024 * 1024  # bytes, the most in one piece


@dataclass(frozen=True, slots=True)
class Instance:
    """One SOP Instance passing through.

    Attributes:
        sop_instance_uid: SOP Instance UID (0008,0018).
        sop_class_uid: SOP Class UID (0008,0016).
        transfer_syntax_uid: how `chunks` are encoded (0002,0010).
        chunks: the encoded data set, without preamble and File Meta Information
            (PS3.10 §7.1). Pieces of at most `CHUNK` bytes, each immutable. Can be read once.
            Reading raises HilumError when the source fails.
        size: bytes in all `chunks` together, or None where the source does not say.
    """

    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    chunks: AsyncIterator[bytes]
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """What a source knows of an instance before its bytes are asked for.

    Attributes:
        transfer_syntax_uid: as kept, or None where the source cannot say.
        study_instance_uid, series_instance_uid: where it belongs; None where that is not said.
    """

    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str | None = None
    size: int | None = None
    study_instance_uid: str | None = None
    series_instance_uid: str | None = None
