"""What became of one instance, as the answer to a STOW-RS request tells it? (PS3.18 Annex I).

The other way round of `codec.stow_response`, for every way in which servers tell it: the DICOM
JSON Model, the Native DICOM Model (XML), a status alone.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from hilum.codec import dicom_json, dicom_xml
from hilum.codec.dicom_json import Attributes
from hilum.model import errors
from hilum.model.errors import HilumError
from hilum.model.outcome import Stored

MAX_ANSWER: Final = 4 * 1024 * 1024
"""Bytes of an answer that are looked at."""

_KEPT, _FAILED, _OTHERS = "00081199", "00081198", "0008119A"
_TOLD = frozenset({_KEPT, _FAILED, _OTHERS})
_INSTANCE, _REASON, _WARNING, _URL = "00081155", "00081197", "00081196", "00081190"
_WHERE = re.compile(r"/studies/([0-9.]+)/series/([0-9.]+)/instances/")
_ACCEPTED = 202
_SUCCESS = range(200, 300)

Kind = type[HilumError]

_REASONS: Final[Mapping[int, tuple[Kind, str]]] = {
    0x0110: (errors.BackendFault, "it failed in processing"),
    0x0111: (errors.Conflict, "another data set is there already"),
    0x0117: (errors.BadDataset, "its SOP Instance UID is not valid"),
    0x0122: (errors.ClassRefused, "its SOP Class is not taken"),
    0x0124: (errors.CredentialsRefused, "we are not authorized: check the credentials"),
    0xA901: (errors.StudyMismatch, "it does not belong to this study"),
    0xB00E: (errors.Conflict, "it is there already"),  # Azure
    0xB00F: (errors.OutOfResources, "it is being stored by somebody else"),  # Azure
    0xC111: (errors.Conflict, "another data set is there already"),  # a C-STORE of ours
    0xC122: (errors.SyntaxRefused, "its Transfer Syntax is not taken"),
}
"""Failure Reason (0008,1197): PS3.18 Table I.2-2, and what is seen besides. Those of a C-STORE."""
_RANGES: Final[Sequence[tuple[range, Kind, str]]] = (
    (range(0xA700, 0xA800), errors.OutOfResources, "it has no room for it now"),
    (range(0xA900, 0xAA00), errors.ClassMismatch, "the data set is not what was announced"),
    (range(0xC000, 0xD000), errors.BadDataset, "the data set cannot be understood"),
)
_STATUSES: Final[Mapping[int, tuple[Kind, str]]] = {
    400: (errors.BadDataset, "the request is malformed to it"),
    401: (errors.CredentialsRefused, "it refuses our credentials: check them"),
    403: (errors.CredentialsRefused, "it refuses our credentials: check them"),
    404: (errors.BackendFault, "there is no such resource: check the URL"),
    405: (errors.NotOffered, "it takes nothing"),
    408: (errors.BackendTimeout, "it did not get everything in time"),
    411: (errors.BackendFault, "it takes no request of unknown length"),
    413: (errors.TooLarge, "it is too long"),
    415: (errors.UnsupportedMedia, "its media type or Transfer Syntax is not taken"),
    429: (errors.OutOfResources, "it is busy"),
    501: (errors.NotOffered, "it takes nothing"),
    502: (errors.BackendUnavailable, "its gateway does not reach it"),
    503: (errors.OutOfResources, "it is busy"),
    504: (errors.BackendTimeout, "its gateway got no answer"),
    507: (errors.OutOfResources, "it has no room for it now"),
}


def judged(status: int, body: bytes, sent: Stored) -> Stored:
    """What became of the only instance of a request.

    Args:
        status: of the answer.
        body: of the answer; may be empty, and anything.
        sent: the instance, as far as it is known.
    """
    module = _module(body)
    failed = _item_of(module, (_FAILED, _OTHERS), sent)
    if failed is not None:
        return replace(sent, failure=_failure(failed, status))
    if status not in _SUCCESS:
        return replace(sent, failure=_by_status(status))
    if module.keys() & _TOLD and not _values(module, _KEPT):
        # Seen: a success with two empty sequences, of a part whose Content-Type was not liked.
        return replace(sent, failure=_by_status(status))
    kept = _item_of(module, (_KEPT,), sent) or {}
    where = _WHERE.search(str(_value(kept, _URL) or ""))
    if where is not None:
        sent = replace(sent, study_instance_uid=where[1], series_instance_uid=where[2])
    warning = _number(kept, _WARNING)
    if warning is not None:
        return replace(sent, warnings=(f"the far side kept it with a warning ({warning:04X})",))
    if not kept and (status == _ACCEPTED or module.keys() & _TOLD):
        return replace(sent, warnings=("the far side accepted it, and did not say how",))
    return sent


def _failure(item: Attributes, status: int) -> HilumError:
    reason = _number(item, _REASON)
    return _by_status(status) if reason is None else by_reason(reason)


def by_reason(reason: int) -> HilumError:
    """What a Failure Reason (0008,1197) says, or the status of a C-STORE."""
    kind, text = _REASONS.get(reason, (None, ""))
    for codes, other, said in _RANGES:
        if kind is None and reason in codes:
            kind, text = other, said
    if kind is None:
        kind, text = errors.BackendFault, "it failed"
    return kind(f"the far side did not keep it ({reason:04X}): {text}")


def _by_status(status: int) -> HilumError:
    kind, text = _STATUSES.get(status, (errors.BackendFault, "it does not say why"))
    return kind(f"the far side did not keep it ({status}): {text}")


def _item_of(module: Attributes, tags: Sequence[str], sent: Stored) -> Attributes | None:
    """The item that is about the instance; one without a UID, where there is no other, is."""
    for tag in tags:
        items = [each for each in _values(module, tag) if isinstance(each, dict)]
        for item in items:
            if sent.sop_instance_uid and _value(item, _INSTANCE) == sent.sop_instance_uid:
                return item
        if len(items) == 1 and (not sent.sop_instance_uid or not _value(items[0], _INSTANCE)):
            return dict(items[0])
    return None


def _values(attributes: Mapping[str, Any], tag: str) -> list[Any]:
    element = attributes.get(tag) or attributes.get(tag.lower())
    values = element.get("Value") if isinstance(element, Mapping) else None
    return values if isinstance(values, list) else []


def _value(attributes: Mapping[str, Any], tag: str) -> Any:  # noqa: ANN401 - JSON
    values = _values(attributes, tag)
    value = values[0] if values else None
    return value.strip("\0 ") if isinstance(value, str) else value


def _number(attributes: Mapping[str, Any], tag: str) -> int | None:
    try:
        return int(_value(attributes, tag))
    except (TypeError, ValueError):
        return None


def _module(body: bytes) -> Attributes:
    """The Store Instances Response Module; empty where the body is none."""
    text = body.strip(b"\xef\xbb\xbf \t\r\n")
    if text[:1] == b"[":  # an array of one, from some
        text = text[1:-1]
    if text[:1] == b"<":
        return _from_xml(text)
    try:
        return dicom_json.loads(text)
    except errors.BadDataset:
        return {}


def _from_xml(text: bytes) -> Attributes:
    """The Native DICOM Model (PS3.19 §A.1) as the JSON one; empty for any other XML."""
    try:
        return dicom_xml.loads(text)
    except errors.BadRequest:
        return {}
