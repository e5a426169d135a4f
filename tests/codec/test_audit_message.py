from base64 import b64decode
from types import MappingProxyType
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from tests.codec.audit_schema import faults
from tests.codec.test_audit_line import records

from hilum.codec import identifier
from hilum.codec.audit_message import encode
from hilum.codec.sop_class import EXPLICIT_LE
from hilum.model.audit import Action, Event, Kind, Outcome, Recorded
from hilum.model.identity import Level
from hilum.model.principal import Principal, Proof

ANN = Principal("ann", Proof.TOKEN, address="192.0.2.7")
SCANNER = Principal("CT1", Proof.AE_TITLE, ae_title="CT1", address="192.0.2.8")
CT = "1.2.840.10008.5.1.4.1.1.2"


def told(event: Event) -> ET.Element:
    message = encode(Recorded(event=event, time=1_000, host="gate", process=7))
    assert faults(message) == []
    return ET.fromstring(message)  # noqa: S314 - our own


def codes(root: ET.Element, path: str) -> list[str | None]:
    return [each.get("csd-code") for each in root.iterfind(path)]


def roles(root: ET.Element) -> dict[str | None, str | None]:
    """The role of each participant."""
    found: dict[str | None, str | None] = {}
    for each in root.iterfind("ActiveParticipant"):
        role = each.find("RoleIDCode")
        found[each.get("UserID")] = None if role is None else role.get("csd-code")
    return found


@settings(max_examples=30)
@given(records)
def test_every_message_is_of_the_schema(recorded: Recorded) -> None:
    assert faults(encode(recorded)) == []


@pytest.mark.parametrize("kind", Kind)
def test_every_event_has_its_code(kind: Kind) -> None:
    root = told(Event(kind=kind))
    assert codes(root, "EventIdentification/EventID")[0] is not None


def test_what_was_stored_names_its_study_and_how_much_it_was() -> None:
    event = Event(
        kind=Kind.TRANSFERRED,
        who=SCANNER,
        mount="ARCHIVE",
        action=Action.CREATE,
        study="1.2.3",
        comes=True,
        instances=MappingProxyType({CT: 120}),
    )
    root = told(event)
    assert codes(root, "EventIdentification/EventID") == ["110104"]
    assert roles(root) == {"7": "110152", "CT1": "110153"}
    ours, theirs = root.iterfind("ActiveParticipant")
    assert (ours.get("AlternativeUserID"), theirs.get("AlternativeUserID")) == (
        "AETITLES=ARCHIVE",
        "AETITLES=CT1",
    )
    assert (theirs.get("NetworkAccessPointID"), theirs.get("UserIsRequestor")) == (
        "192.0.2.8",
        "true",
    )
    study, patient = root.iterfind("ParticipantObjectIdentification")
    assert study.get("ParticipantObjectID") == "1.2.3"
    kind = study.find("ParticipantObjectDescription/SOPClass")
    assert kind is not None
    assert kind.attrib == {"UID": CT, "NumberOfInstances": "120"}
    assert patient.get("ParticipantObjectID") == "<none>"


def test_what_goes_elsewhere_names_who_asked_and_where_it_goes() -> None:
    root = told(Event(kind=Kind.BEGUN, who=ANN, mount="PACS", to="SINK", study="1.2.3"))
    assert roles(root) == {"7": "110153", "ann": None, "SINK": "110152"}
    asked = [each.get("UserIsRequestor") for each in root.iterfind("ActiveParticipant")]
    assert asked == ["false", "true", "false"]


def test_a_query_is_told_as_the_data_set_that_it_is() -> None:
    keys = MappingProxyType({"00100010": "MÜLLER*", "0020000D": "1.2.3"})
    event = Event(kind=Kind.QUERY, who=ANN, mount="PACS", level=Level.STUDY, keys=keys)
    root = told(event)
    assert roles(root) == {"7": "110152", "ann": "110153"}
    asked = root.find("ParticipantObjectIdentification")
    assert asked is not None
    assert asked.get("ParticipantObjectID") == "1.2.840.10008.5.1.4.1.2.2.1"
    query = asked.findtext("ParticipantObjectQuery") or ""
    said = identifier.parse(b64decode(query), EXPLICIT_LE)
    found = identifier.to_query(said, patient_root=False, relational=True)
    assert found.match == {(0x00100010,): "MÜLLER*", (0x0020000D,): "1.2.3"}


def test_who_is_refused_is_no_requestor_of_the_alert() -> None:
    event = Event(
        kind=Kind.RESTRICTED, who=ANN, mount="PACS", outcome=Outcome.MINOR, why='no "rule" <fits>'
    )
    root = told(event)
    assert codes(root, "EventIdentification/EventTypeCode") == ["110132"]
    assert {each.get("UserIsRequestor") for each in root.iterfind("ActiveParticipant")} == {"false"}
    assert root.findtext("EventIdentification/EventOutcomeDescription") == 'no "rule" <fits>'
    detail = root.find("ParticipantObjectIdentification/ParticipantObjectDetail")
    assert detail is not None
    assert detail.get("type") == "Alert Description"
    assert b64decode(detail.get("value") or "") == b'no "rule" <fits>'


def test_many_are_told_as_one_with_their_number() -> None:
    who = Principal(address="192.0.2.9")
    root = told(Event(kind=Kind.LOGIN, who=who, outcome=Outcome.MINOR, why="bad", count=5000))
    said = root.findtext("EventIdentification/EventOutcomeDescription")
    assert said == "bad (5000 times)"
    assert roles(root) == {"7": None, "192.0.2.9": None}
