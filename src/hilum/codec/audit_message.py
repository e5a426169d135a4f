"""How is an event told to an audit repository? As an XML message of PS3.15 §A.5.1 and §A.5.3."""

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from html import escape  # that of xml.sax carries an HTTP client along
from typing import Final

from hilum.codec import question
from hilum.codec.audit_line import moment
from hilum.codec.sop_class import EXPLICIT_LE
from hilum.model.audit import Event, Kind, Outcome, Recorded
from hilum.model.errors import BadQuery
from hilum.model.identity import Level
from hilum.model.query import Path

Code = tuple[str, str]
"""A code of DICOM's own and its meaning (PS3.16, CID 400 to 403)."""

_ALERT: Final = ("110113", "Security Alert")
_APPLICATION: Final = ("110100", "Application Activity")
_EVENTS: Final[Mapping[Kind, tuple[Code, Code | None]]] = {
    Kind.START: (_APPLICATION, ("110120", "Application Start")),
    Kind.STOP: (_APPLICATION, ("110121", "Application Stop")),
    Kind.LOGIN: (("110114", "User Authentication"), ("110122", "Login")),
    Kind.LOGOUT: (("110114", "User Authentication"), ("110123", "Logout")),
    Kind.NODE: (_ALERT, ("110126", "Node Authentication")),
    Kind.RESTRICTED: (_ALERT, ("110132", "Use of Restricted Function")),
    Kind.CHANGED: (_ALERT, ("110137", "User Security Attributes Changed")),
    Kind.CONFIGURED: (_ALERT, ("110129", "Security Configuration")),
    Kind.LOST: (_ALERT, ("110133", "Audit Recording Stopped")),
    Kind.QUERY: (("110112", "Query"), None),
    Kind.BEGUN: (("110102", "Begin Transferring DICOM Instances"), None),
    Kind.TRANSFERRED: (("110104", "DICOM Instances Transferred"), None),
    Kind.ACCESSED: (("110103", "DICOM Instances Accessed"), None),
    Kind.DELETED: (("110105", "DICOM Study Deleted"), None),
}
"""EventID and EventTypeCode."""

_RUNS: Final = ("110150", "Application")
_SOURCE: Final = ("110153", "Source Role ID")
_DESTINATION: Final = ("110152", "Destination Role ID")
_OF_STUDIES: Final = frozenset((Kind.BEGUN, Kind.TRANSFERRED, Kind.ACCESSED, Kind.DELETED))
_OF_ALERTS: Final = frozenset(
    (Kind.NODE, Kind.RESTRICTED, Kind.CHANGED, Kind.CONFIGURED, Kind.LOST)
)
_STUDY_UID: Final = ("110180", "Study Instance UID")
_CLASS_UID: Final = ("110181", "SOP Class UID")
_NODE_ID: Final = ("110182", "Node ID")
_NOBODY: Final = "<none>"
"""Stands where an identifier must be and there is none."""
_QUERY_MODEL: Final = "1.2.840.10008.5.1.4.1.2.2.1"  # Study Root Query/Retrieve, FIND
_PATIENT_MODEL: Final = "1.2.840.10008.5.1.4.1.2.1.1"
_ILLEGAL: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_MACHINE, _IP, _SERVER = "1", "2", "4"


def encode(recorded: Recorded) -> bytes:
    """The message, in UTF-8.

    Args:
        recorded: what it tells.
    """
    event = recorded.event
    parts = [
        '<?xml version="1.0" encoding="UTF-8"?><AuditMessage>',
        *_identification(recorded),
        *_participants(recorded),
        _element("AuditSourceIdentification", {"AuditSourceID": recorded.host}),
        _element("AuditSourceTypeCode", {"csd-code": _SERVER}, empty=True),
        "</AuditSourceIdentification>",
        *_objects(event, recorded),
        "</AuditMessage>",
    ]
    return "".join(parts).encode()


def _element(name: str, attributes: Mapping[str, str], *, empty: bool = False) -> str:
    said = "".join(f" {key}={_quoted(value)}" for key, value in attributes.items())
    return f"<{name}{said}{'/' if empty else ''}>"


def _quoted(text: str) -> str:
    return f'"{escape(_ILLEGAL.sub("?", " ".join(text.split())))}"'


def _text(name: str, text: str) -> str:
    return f"<{name}>{escape(_ILLEGAL.sub('?', text), quote=False)}</{name}>"


def _coded(name: str, code: Code, system: str = "DCM") -> str:
    value, meaning = code
    said = {"csd-code": value, "codeSystemName": system, "originalText": meaning}
    return _element(name, said, empty=True)


def _identification(recorded: Recorded) -> Iterator[str]:
    event = recorded.event
    known, kind = _EVENTS[event.kind]
    yield _element(
        "EventIdentification",
        {
            "EventActionCode": event.action,
            "EventDateTime": moment(recorded.time),
            "EventOutcomeIndicator": str(int(event.outcome)),
        },
    )
    yield _coded("EventID", known)
    if kind is not None:
        yield _coded("EventTypeCode", kind)
    said = _description(event)
    if said:
        yield _text("EventOutcomeDescription", said)
    yield "</EventIdentification>"


def _description(event: Event) -> str:
    said = event.why if event.outcome is not Outcome.SUCCESS else ""
    return f"{said} ({event.count} times)".strip() if event.count != 1 else said


def _participants(recorded: Recorded) -> Iterator[str]:
    """Who takes part: we, who asks, and whoever gets what goes elsewhere."""
    event = recorded.event
    ours, theirs = _roles(event)
    yield from _ourselves(recorded, ours)
    if event.kind not in {Kind.START, Kind.STOP, Kind.LOST}:
        yield from _caller(event, None if event.to else theirs)
    if event.to:
        said = {"UserID": event.to, "AlternativeUserID": f"AETITLES={event.to}"}
        yield from _participant({**said, "UserIsRequestor": "false"}, theirs)


def _roles(event: Event) -> tuple[Code | None, Code | None]:
    """Ours, and that of who takes what we give, or gives what we take."""
    if event.kind in {Kind.START, Kind.STOP}:
        return _RUNS, None
    if event.kind is Kind.QUERY or event.comes:
        return _DESTINATION, _SOURCE
    if event.kind in {Kind.BEGUN, Kind.TRANSFERRED}:
        return _SOURCE, _DESTINATION
    return None, None


def _ourselves(recorded: Recorded, role: Code | None) -> Iterator[str]:
    """We, a process (PS3.15 §A.5.2.1), by the AE title that was called (§A.5.2.2)."""
    said = {"UserID": str(recorded.process)}
    if recorded.event.mount:
        said["AlternativeUserID"] = f"AETITLES={recorded.event.mount}"
    said |= {"UserName": "hilum", "UserIsRequestor": "false"}
    yield from _participant(said, role, recorded.host, _MACHINE)


def _caller(event: Event, role: Code | None) -> Iterator[str]:
    who = event.who
    said = {"UserID": who.name or who.ae_title or who.address or _NOBODY}
    if who.ae_title:
        said["AlternativeUserID"] = f"AETITLES={who.ae_title}"
    elif who.certificate and who.certificate != who.name:
        said["AlternativeUserID"] = who.certificate
    # Who performs what an alert is about requests nothing: Table A.5.3.11-1.
    said["UserIsRequestor"] = "false" if event.kind in _OF_ALERTS else "true"
    yield from _participant(said, role, who.address, _IP)


def _participant(
    said: Mapping[str, str], role: Code | None, point: str = "", kind: str = ""
) -> Iterator[str]:
    where = {"NetworkAccessPointID": point, "NetworkAccessPointTypeCode": kind} if point else {}
    yield _element("ActiveParticipant", {**said, **where})
    if role is not None:
        yield _coded("RoleIDCode", role)
    yield "</ActiveParticipant>"


def _objects(event: Event, recorded: Recorded) -> Iterator[str]:
    if event.kind is Kind.QUERY:
        yield from _query(event)
    if event.kind in _OF_STUDIES:
        yield from _object(
            "2", "3", event.study or _NOBODY, _STUDY_UID, "Study", [*_classes(event)]
        )
        number = ("2", "Patient Number")
        yield from _object("1", "1", event.patient or _NOBODY, number, "Patient", system="RFC-3881")
    if event.kind in _OF_ALERTS:
        node = event.who.address or recorded.host
        detail = _detail("Alert Description", event.why.encode())
        yield from _object("2", "13", node, _NODE_ID, "Node", detail=detail)


def _classes(event: Event) -> Iterator[str]:
    if event.instances:
        yield "<ParticipantObjectDescription>"
        for uid, number in event.instances.items():
            said = {"UID": uid} if uid else {}
            yield _element("SOPClass", {**said, "NumberOfInstances": str(number)}, empty=True)
        yield "</ParticipantObjectDescription>"


def _query(event: Event) -> Iterator[str]:
    """What was asked, as a data set: also of a QIDO-RS query, so that all read alike."""
    model = _PATIENT_MODEL if event.level is Level.PATIENT else _QUERY_MODEL
    level = event.level or Level.STUDY
    keys: dict[Path, str] = {
        tuple(int(each, 16) for each in path.split(".")): value
        for path, value in event.keys.items()
    }
    try:
        data = question.encode(level, keys, EXPLICIT_LE)
    except BadQuery:  # a value that its VR cannot hold
        data = question.encode(level, dict.fromkeys(keys, ""), EXPLICIT_LE)
    detail = _detail("TransferSyntax", EXPLICIT_LE.encode())
    yield from _object("2", "3", model, _CLASS_UID, "", detail=detail, query=data)


def _detail(kind: str, value: bytes) -> str:
    said = {"type": kind, "value": b64encode(value).decode()}
    return _element("ParticipantObjectDetail", said, empty=True)


def _object(  # noqa: PLR0913, PLR0917 - an object has that many sides
    kind: str,
    role: str,
    identifier: str,
    code: Code,
    name: str,
    described: list[str] | None = None,
    *,
    detail: str = "",
    query: bytes | None = None,
    system: str = "DCM",
) -> Iterator[str]:
    yield _element(
        "ParticipantObjectIdentification",
        {
            "ParticipantObjectID": identifier,
            "ParticipantObjectTypeCode": kind,
            "ParticipantObjectTypeCodeRole": role,
        },
    )
    yield _coded("ParticipantObjectIDTypeCode", code, system)
    if query is None:
        yield _text("ParticipantObjectName", name)
    else:
        yield _text("ParticipantObjectQuery", b64encode(query).decode())
    yield detail
    yield from described or ()
    yield "</ParticipantObjectIdentification>"
