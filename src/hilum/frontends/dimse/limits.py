"""Does a caller ask too much, over DIMSE? What is refused, and how (PS3.8 §9.3.4)."""

from typing import Final

from hilum.codec.dimse import Service
from hilum.codec.verdict import verdict_on
from hilum.frontends.dimse.admission import TRANSIENT, Refusal
from hilum.frontends.dimse.session import Session
from hilum.model.errors import TooMany
from hilum.model.principal import Principal
from hilum.net.rates import Rates

_LOCAL_LIMIT: Final = 3, 2
"""Source and reason of an A-ASSOCIATE-RJ: service provider (presentation), local limit exceeded."""


def associates(rates: Rates, address: str) -> Refusal | None:
    """Why nobody from that address may have another association now.

    It counts as a request of the address: who calls turns out later, and costs the most until then.
    """
    try:
        rates.asked(Principal(address=address))
    except TooMany:
        return TRANSIENT, *_LOCAL_LIMIT, "limits: too much is asked from there"
    return None


def asks(session: Session, service: int) -> int | None:
    """The status of a request that its caller may not ask so soon: A700, or A702 of a retrieval.

    What a C-MOVE of ours waits for is no request of the caller's. C-ECHO has no status for it.
    """
    if not session.rates.are_set:
        return None
    caller = session.caller(None)
    if service == Service.C_ECHO or (
        service == Service.C_STORE
        and session.inbox.admits(caller.called, caller.calling, caller.address)
    ):
        return None
    try:
        session.rates.asked(session.who)
    except TooMany as error:
        session.failed("request", error)
        verdict = verdict_on(error)
        if service == Service.C_STORE:
            return verdict.store
        return verdict.find if service == Service.C_FIND else verdict.retrieve
    return None


def spent(session: Session) -> None:
    """Count the bytes that went over the association since the last time."""
    if not session.rates.counts_bytes:
        return
    carried = session.association.carried
    session.rates.spent(session.who, carried - session.counted)
    session.counted = carried
