"""How is the status of a Send told? (Supplement 248, as far as it is known: provisional).

The counts of a C-MOVE response are command elements (group 0000), which no data set may hold
(PS3.5 §7.1): here they have the same element numbers in a private block, (0099,10xx) of "HILUM
SEND". All else is in attributes of the standard: Transaction UID (0008,1195), Transaction Status
(0008,0417), its Comment (0008,0418) here and in each item, and the Failed SOP Sequence (0008,1198)
as STOW-RS has it.
"""

from collections.abc import Mapping
from typing import Any, Final

from hilum.codec.dicom_json import Attributes
from hilum.codec.verdict import Dimse
from hilum.model.errors import BackendFault
from hilum.model.sending import Failure, Sending, State

CREATOR: Final = "HILUM SEND"
"""Private Creator of the block (0099,10xx)."""

_CREATOR = "00990010"
_UID, _STATUS, _COMMENT, _FAILED = "00081195", "00080417", "00080418", "00081198"
_COUNTS: Final = {  # element: as in a C-MOVE response (PS3.7 §E.1)
    "remaining": "1020",
    "completed": "1021",
    "failed": "1022",
    "warning": "1023",
}
_STATES: Final = {
    State.WAITING: "PENDING",
    State.RUNNING: "PROCESSING",
    State.ENDED: "COMPLETE",
    State.FAILED: "FAILURE",
    State.STOPPED: "CANCELED",
}
_READ = {name: state for state, name in _STATES.items()} | {
    "COMPLETED": State.ENDED,
    "FAILED": State.FAILED,
    "CANCELLED": State.STOPPED,
    "SCHEDULED": State.WAITING,
    "IN PROGRESS": State.RUNNING,
}
_MAX_COMMENT = 10240  # characters of an LT


def encode(transaction_uid: str, sending: Sending) -> Attributes:
    """The status of a Send in the DICOM JSON Model; a count that nobody knows is left out."""
    told: Attributes = {
        _UID: {"vr": "UI", "Value": [transaction_uid]},
        _STATUS: {"vr": "CS", "Value": [_STATES[sending.state]]},
        _CREATOR: {"vr": "LO", "Value": [CREATOR]},
    }
    if sending.comment:
        told[_COMMENT] = _comment(sending.comment)
    if sending.failures:
        told[_FAILED] = {"vr": "SQ", "Value": [_failure(each) for each in sending.failures]}
    for name, element in _COUNTS.items():
        count = getattr(sending, name)
        if count is not None:
            told[f"0099{element}"] = {"vr": "UL", "Value": [count]}
    return dict(sorted(told.items()))


def _failure(failure: Failure) -> Attributes:
    item: Attributes = {
        "00081155": {"vr": "UI", "Value": [failure.sop_instance_uid]},
        "00081197": {"vr": "US", "Value": [failure.reason]},
    }
    if failure.comment:
        item[_COMMENT] = _comment(failure.comment)
    if failure.sop_class_uid:
        item["00081150"] = {"vr": "UI", "Value": [failure.sop_class_uid]}
    return dict(sorted(item.items()))


def _comment(text: str) -> dict[str, Any]:
    return {"vr": "LT", "Value": [text[:_MAX_COMMENT]]}


def parse(told: Mapping[str, Any]) -> Sending:
    """The status that another server tells of.

    Lenient, as nobody knows yet what they will send: counts may also be command elements, the
    words of a Unified Procedure Step do for a status, and where there is no status at all, what
    remains says whether it has ended.

    Raises:
        BackendFault: this is no status.
    """
    try:
        return _parsed(told)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise BackendFault("the status of the Send cannot be read") from error


def _parsed(told: Mapping[str, Any]) -> Sending:
    counts = {name: _count(told, element) for name, element in _COUNTS.items()}
    failures = tuple(_failed(each) for each in _values(told, _FAILED))
    if not {_UID, _STATUS, _FAILED} & told.keys() and not any(
        each is not None for each in counts.values()
    ):
        raise ValueError("neither status nor counts")
    state = _READ.get(str(_value(told, _STATUS, "")).strip().upper())
    if state is None:
        state = State.RUNNING if counts["remaining"] else State.ENDED
    return Sending(
        state=state,
        remaining=counts["remaining"],
        completed=counts["completed"] or 0,
        failed=max(counts["failed"] or 0, len(failures)),
        warning=counts["warning"] or 0,
        failures=failures,
        comment=str(_value(told, _COMMENT, "")),
    )


def _failed(item: Mapping[str, Any]) -> Failure:
    return Failure(
        sop_instance_uid=str(_values(item, "00081155")[0]),
        sop_class_uid=str(_value(item, "00081150", "")),
        reason=int(_value(item, "00081197", Dimse.PROCESSING_FAILURE)),
        comment=str(_value(item, _COMMENT, "")),
    )


def _count(told: Mapping[str, Any], element: str) -> int | None:
    count = _value(told, f"0099{element}", _value(told, f"0000{element}", None))
    return None if count is None else int(count)


def _value(told: Mapping[str, Any], tag: str, default: object) -> Any:  # noqa: ANN401 - JSON
    values = _values(told, tag)
    return values[0] if values else default


def _values(told: Mapping[str, Any], tag: str) -> list[Any]:
    return list(told.get(tag, {}).get("Value") or ())
