"""The schema of PS3.15 §A.5.1, as far as a message of ours can break it."""

import re
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from xml.etree import ElementTree as ET

Check = Callable[[str], object]
DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
WHOLE = re.compile(r"-?[0-9]+")


def token(text: str) -> bool:
    return text == " ".join(text.split())


def anything(_: str) -> bool:
    return True


def base64(text: str) -> bool:
    return b64decode(text, validate=True) is not None


def one_of(*values: str) -> Check:
    return values.__contains__


def numbers(last: int) -> Check:
    return one_of(*(str(each) for each in range(1, last + 1)))


# element: its attributes (those with ? may be missing), and the order of its children
Rule = tuple[Mapping[str, Check], str]
CODED: Mapping[str, Check] = {
    "csd-code": token,
    "codeSystemName": token,
    "originalText": token,
    "displayName?": token,
}
RULES: Mapping[str, Rule] = {
    "AuditMessage": (
        {},
        (
            "EventIdentification (ActiveParticipant )+AuditSourceIdentification "
            "(ParticipantObjectIdentification )*"
        ),
    ),
    "EventIdentification": (
        {
            "EventActionCode?": one_of(*"CRUDE"),
            "EventDateTime": DATE.fullmatch,
            "EventOutcomeIndicator": one_of("0", "4", "8", "12"),
        },
        "EventID (EventTypeCode )*(EventOutcomeDescription )?",
    ),
    "EventID": (CODED, ""),
    "EventTypeCode": (CODED, ""),
    "EventOutcomeDescription": ({}, ""),
    "ActiveParticipant": (
        {
            "UserID": anything,
            "AlternativeUserID?": anything,
            "UserName?": anything,
            "UserIsRequestor": one_of("true", "false", "1", "0"),
            "NetworkAccessPointID?": token,
            "NetworkAccessPointTypeCode?": numbers(5),
        },
        "(RoleIDCode )*",
    ),
    "RoleIDCode": (CODED, ""),
    "AuditSourceIdentification": (
        {"AuditEnterpriseSiteID?": token, "AuditSourceID": token},
        "(AuditSourceTypeCode )*",
    ),
    "AuditSourceTypeCode": ({"csd-code": numbers(9)}, ""),
    "ParticipantObjectIdentification": (
        {
            "ParticipantObjectID": token,
            "ParticipantObjectTypeCode?": numbers(4),
            "ParticipantObjectTypeCodeRole?": numbers(26),
            "ParticipantObjectDataLifeCycle?": numbers(15),
            "ParticipantObjectSensitivity?": token,
        },
        (
            "ParticipantObjectIDTypeCode (ParticipantObjectName |ParticipantObjectQuery )"
            "(ParticipantObjectDetail )*(ParticipantObjectDescription )*"
        ),
    ),
    "ParticipantObjectIDTypeCode": (CODED, ""),
    "ParticipantObjectName": ({}, ""),
    "ParticipantObjectQuery": ({}, ""),
    "ParticipantObjectDetail": ({"type": token, "value": base64}, ""),
    "ParticipantObjectDescription": ({}, "(MPPS )*(Accession )*(SOPClass )*"),
    "SOPClass": ({"UID?": token, "NumberOfInstances": WHOLE.fullmatch}, "(Instance )*"),
    "Instance": ({"UID": token}, ""),
}
TEXTS: Mapping[str, Check] = {
    "EventOutcomeDescription": anything,
    "ParticipantObjectName": token,
    "ParticipantObjectQuery": base64,
}


def faults(message: bytes) -> list[str]:
    """What the schema does not allow."""
    root = ET.fromstring(message)  # noqa: S314 - our own
    assert root.tag == "AuditMessage"
    return [*_faults(root)]


def _faults(node: ET.Element) -> Iterator[str]:
    if node.tag not in RULES:
        yield f"{node.tag}: is none"
        return
    attributes, order = RULES[node.tag]
    known = {name.rstrip("?"): check for name, check in attributes.items()}
    for name, value in node.attrib.items():
        if name not in known or not known[name](value):
            yield f"{node.tag}/{name}={value!r}"
    for name in attributes:
        if not name.endswith("?") and name not in node.attrib:
            yield f"{node.tag}/{name} is missing"
    children = "".join(f"{each.tag} " for each in node)
    if re.fullmatch(order, children) is None:
        yield f"{node.tag}: {children}"
    if not TEXTS.get(node.tag, lambda text: not text)(node.text or ""):
        yield f"{node.tag}: {node.text!r}"
    for each in node:
        yield from _faults(each)
