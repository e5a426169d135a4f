"""What can be asked of subscriptions."""

from collections.abc import Iterator
from typing import Final

from hilum.codec.fhir.parameters import Kind, Offer
from hilum.core.fhir.holds import Token
from hilum.core.fhir.table import Answered, Row, Table, by, unasked


def _id(row: Row) -> Iterator[Token]:
    yield Token("", row.resource["id"])


def _status(row: Row) -> Iterator[Token]:
    yield Token("http://hl7.org/fhir/subscription-status", row.resource["status"])


def _type(row: Row) -> Iterator[Token]:
    kind = row.resource["channel"]["type"]
    yield Token("http://terminology.hl7.org/CodeSystem/subscription-channel-type", kind)


def _payload(row: Row) -> Iterator[Token]:
    if "payload" in row.resource["channel"]:
        yield Token("urn:ietf:bcp:13", row.resource["channel"]["payload"])


def _contact(row: Row) -> Iterator[Token]:
    for each in row.resource.get("contact", ()):
        yield Token(each.get("system", ""), each.get("value", ""))


def _criteria(row: Row) -> Iterator[str]:
    yield row.resource["criteria"]


def _url(row: Row) -> Iterator[str]:
    yield row.resource["channel"]["endpoint"]


TABLE: Final[Table] = {
    "_id": Answered(Offer(Kind.TOKEN, sorts=True), by(_id), unasked, order=_id),
    "contact": Answered(Offer(Kind.TOKEN), by(_contact), unasked),
    "criteria": Answered(Offer(Kind.STRING), by(_criteria), unasked),
    "payload": Answered(Offer(Kind.TOKEN), by(_payload), unasked),
    "status": Answered(Offer(Kind.TOKEN), by(_status), unasked),
    "type": Answered(Offer(Kind.TOKEN), by(_type), unasked),
    "url": Answered(Offer(Kind.URI), by(_url), unasked),
}
