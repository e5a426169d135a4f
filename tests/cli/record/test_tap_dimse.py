from typing import Any

import pytest

from hilum.cli.record.disguise import Disguise
from hilum.cli.record.tap_dimse import ACCEPTOR, REQUESTOR, DimseTap
from hilum.codec import associate, dimse, pdu
from hilum.codec.associate import (
    Answered,
    AssociateAccept,
    AssociateRequest,
    Negotiation,
    Proposed,
    Result,
    UserIdentity,
)
from hilum.codec.dimse import A_DATA_SET, RESPONSE, Command, Service

FIND = "1.2.840.10008.5.1.4.1.2.2.1"
EXPLICIT = "1.2.840.10008.1.2.1"
QUESTION = b"\x10\x00\x10\x00PN\x04\x00Doe*"


def spoken() -> list[tuple[str, bytes]]:
    """A short association."""
    identity = UserIdentity(2, b"ann", b"secret")
    request = AssociateRequest(
        called_ae_title="PACS",
        calling_ae_title="VIEWER",
        contexts=(Proposed(5, FIND, (EXPLICIT,)),),
        negotiation=Negotiation(max_pdu=16384, identity=identity),
    )
    accept = AssociateAccept(
        called_ae_title="PACS",
        calling_ae_title="VIEWER",
        contexts=(Answered(5, Result.ACCEPTANCE, EXPLICIT),),
    )
    question = Command(command_field=Service.C_FIND, message_id=1, data_set_type=A_DATA_SET)
    answer = Command(
        command_field=Service.C_FIND | RESPONSE,
        message_id_responded_to=1,
        status=0xC000,
        error_comment="Doe is missing",
    )
    return [
        (REQUESTOR, pdu.encode(associate.encode(request))),
        (ACCEPTOR, pdu.encode(associate.encode(accept))),
        (REQUESTOR, _data(dimse.encode(question), is_command=True)),
        (REQUESTOR, _data(QUESTION, is_command=False)),
        (ACCEPTOR, _data(dimse.encode(answer), is_command=True)),
        (REQUESTOR, pdu.encode(pdu.ReleaseRequested())),
        (ACCEPTOR, pdu.encode(pdu.ReleaseAnswered())),
    ]


def _data(content: bytes, *, is_command: bool) -> bytes:
    pieces = pdu.encode_data(5, content, is_command=is_command, last=True, size=1000)
    return b"".join(bytes(each) for each in pieces)


@pytest.mark.parametrize("step", [1, 3, 1000])
def test_an_association_is_heard_whatever_the_cuts_of_the_network(step: int) -> None:
    said: list[tuple[str, dict[str, Any]]] = []
    tap = DimseTap(Disguise(), lambda kind, _side, **held: said.append((kind, held)))
    for side, data in spoken():
        for at in range(0, len(data), step):
            tap.feed(side, data[at : at + step])
    tap.close(REQUESTOR)
    kinds = [kind for kind, _ in said]
    assert kinds == [
        *("A-ASSOCIATE-RQ", "A-ASSOCIATE-AC", "message", "message"),
        *("A-RELEASE-RQ", "A-RELEASE-RP", "closed"),
    ]
    assert (said[0][1]["calling"], said[0][1]["identity"]) == ("VIEWER", 2)
    assert said[2][1]["data"]["00100010"]["Value"][0].endswith("*")
    assert said[3][1]["command"]["status"] == 0xC000
    for secret in ("Doe", "ann", "secret"):
        assert secret not in str(said)


def test_what_is_no_dicom_is_said_to_be_none_once() -> None:
    said: list[str] = []
    tap = DimseTap(Disguise(), lambda kind, _side, **_: said.append(kind))
    tap.feed(REQUESTOR, b"\x09\x00\x00\x00\x00\x00")
    tap.feed(REQUESTOR, b"\x09\x00\x00\x00\x00\x00")
    assert said == ["broken"]
