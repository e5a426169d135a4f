"""What can be asked of endpoints."""

from collections.abc import Iterator
from typing import Final

from hilum.codec.fhir.parameters import Kind, Offer
from hilum.core.fhir.holds import Token
from hilum.core.fhir.table import Answered, Row, Table, by, unasked


def _id(row: Row) -> Iterator[Token]:
    yield Token("", row.resource["id"])


def _name(row: Row) -> Iterator[str]:
    yield row.resource["name"]


def _status(row: Row) -> Iterator[Token]:
    yield Token("http://hl7.org/fhir/endpoint-status", row.resource["status"])


def _connection_type(row: Row) -> Iterator[Token]:
    coding = row.resource["connectionType"]
    yield Token(coding["system"], coding["code"])


def _payload_type(row: Row) -> Iterator[Token]:
    for each in row.resource["payloadType"]:
        for coding in each["coding"]:
            yield Token(coding["system"], coding["code"])


def _nothing(_row: Row) -> Iterator[Token]:
    yield from ()


TABLE: Final[Table] = {
    "_id": Answered(Offer(Kind.TOKEN, sorts=True), by(_id), unasked, order=_id),
    "name": Answered(Offer(Kind.STRING, sorts=True), by(_name), unasked, order=_name),
    "status": Answered(Offer(Kind.TOKEN), by(_status), unasked),
    "connection-type": Answered(Offer(Kind.TOKEN), by(_connection_type), unasked),
    "payload-type": Answered(Offer(Kind.TOKEN), by(_payload_type), unasked),
    "identifier": Answered(Offer(Kind.TOKEN), by(_nothing), unasked),
    "organization": Answered(Offer(Kind.REFERENCE, "Organization"), by(_nothing), unasked),
}
