"""How a store or a send went, in the words of neither wire."""

from dataclasses import dataclass

from hilum.model.errors import HilumError


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What became of one instance.

    Attributes:
        study_instance_uid, series_instance_uid: as read from the data set; "" if unknown.
        failure: why it is not kept, or None when it is, durably.
        warnings: what was noticed though it is kept; free of patient data.
    """

    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str = ""
    series_instance_uid: str = ""
    failure: HilumError | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Counts of a Send so far (PS3.7 §9.1.4, Number of ... Sub-operations).

    Attributes:
        remaining: None where nobody knows yet.
        failed_uids: SOP Instance UIDs of the failed ones, in the order they failed.
        reason: the first failure, for logs and Error Comment.
        failures: the failed ones of which more is known than that.
    """

    remaining: int | None = 0
    completed: int = 0
    failed: int = 0
    warning: int = 0
    failed_uids: tuple[str, ...] = ()
    reason: HilumError | None = None
    failures: tuple[Stored, ...] = ()
