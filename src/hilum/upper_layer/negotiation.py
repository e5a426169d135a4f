"""What we accept of an association request (PS3.8 §7.1, PS3.7 Annex D).

The requestor's order of transfer syntaxes decides, any storage SOP Class is taken, private ones
too, and role selection is answered, so that C-GET works.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from hilum.codec import sop_class
from hilum.codec.associate import (
    Answered,
    AssociateAccept,
    AssociateRequest,
    Negotiation,
    Proposed,
    Result,
    Role,
)
from hilum.codec.part10 import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from hilum.model.identity import is_uid
from hilum.upper_layer.messages import Context

_SERVICES = frozenset((sop_class.VERIFICATION, *sop_class.FIND, *sop_class.MOVE, *sop_class.GET))
RELATIONAL, FUZZY = 0, 2  # bytes of service class application information, PS3.4 §C.5.1.1
_FLAGS = 6  # bytes of it that mean something
_MESSAGE_SYNTAXES = frozenset(sop_class.UNCOMPRESSED)


@dataclass(frozen=True, slots=True)
class Offer:
    """What an acceptor takes.

    Attributes:
        max_pdu: most bytes of a P-DATA-TF sent to us; 0: no limit.
        sop_classes: storage SOP Classes; empty: any.
        transfer_syntaxes: of instances; empty: any.
    """

    max_pdu: int
    sop_classes: frozenset[str] = frozenset()
    transfer_syntaxes: frozenset[str] = frozenset()


def answer(
    request: AssociateRequest, offer: Offer
) -> tuple[AssociateAccept, Mapping[int, Context]]:
    """The A-ASSOCIATE-AC to `request`, and the contexts it opens."""
    asked = request.negotiation
    proposed_uids = {
        each.abstract_syntax for each in request.contexts if is_uid(each.abstract_syntax)
    }
    roles = {
        uid: _role(uid, role, offer) for uid, role in asked.roles.items() if uid in proposed_uids
    }
    answers, contexts = [], {}
    for proposed in request.contexts:
        result, syntax = _decide(proposed, offer)
        answers.append(Answered(proposed.id, result, syntax))
        if result is Result.ACCEPTANCE:
            role = roles.get(proposed.abstract_syntax, Role(scu=True, scp=False))
            contexts[proposed.id] = Context(
                proposed.id,
                proposed.abstract_syntax,
                syntax,
                we_may_ask=role.scp,
                peer_may_ask=role.scu,
            )
    accept = AssociateAccept(
        called_ae_title=request.called_ae_title,
        calling_ae_title=request.calling_ae_title,
        contexts=tuple(answers),
        negotiation=Negotiation(
            max_pdu=offer.max_pdu,
            implementation_class_uid=IMPLEMENTATION_CLASS_UID,
            implementation_version_name=IMPLEMENTATION_VERSION_NAME,
            roles=roles,
            extended=_extended(asked.extended),
        ),
    )
    return accept, contexts


def opened(
    request: AssociateRequest, accept: AssociateAccept
) -> tuple[Mapping[int, Context], frozenset[int]]:
    """The contexts that `accept` opens for us, who asked, and the ids that were refused."""
    contexts, refused = {}, set()
    results = {each.id: each for each in accept.contexts}
    for proposed in request.contexts:
        result = results.get(proposed.id)
        if (
            result is None
            or result.result != Result.ACCEPTANCE
            or result.transfer_syntax not in proposed.transfer_syntaxes
        ):
            refused.add(proposed.id)
            continue
        role = accept.negotiation.roles.get(proposed.abstract_syntax, Role(scu=True, scp=False))
        contexts[proposed.id] = Context(
            proposed.id,
            proposed.abstract_syntax,
            result.transfer_syntax,
            we_may_ask=role.scu,
            peer_may_ask=role.scp,
        )
    return contexts, frozenset(refused)


def _is_taken(uid: str, offer: Offer) -> bool:
    taken = is_uid(uid) and sop_class.is_storage(uid)
    return taken and (not offer.sop_classes or uid in offer.sop_classes)


def _role(uid: str, asked: Role, offer: Offer) -> Role:
    """What of the roles the requestor asked for it gets (PS3.7 §D.3.3.4)."""
    return Role(scu=asked.scu, scp=asked.scp and _is_taken(uid, offer))


def _decide(proposed: Proposed, offer: Offer) -> tuple[Result, str]:
    uid, syntaxes = proposed.abstract_syntax, proposed.transfer_syntaxes
    fallback = syntaxes[0] if syntaxes else sop_class.IMPLICIT_LE
    if uid in _SERVICES:
        allowed = [syntax for syntax in syntaxes if syntax in _MESSAGE_SYNTAXES]
    elif _is_taken(uid, offer):
        wanted = offer.transfer_syntaxes
        allowed = [each for each in syntaxes if is_uid(each) and (not wanted or each in wanted)]
    else:
        return Result.ABSTRACT_SYNTAX_NOT_SUPPORTED, fallback
    if not allowed:
        return Result.TRANSFER_SYNTAXES_NOT_SUPPORTED, fallback
    return Result.ACCEPTANCE, allowed[0]


def _extended(asked: Mapping[str, bytes]) -> dict[str, bytes]:
    """Relational queries and retrieval, and fuzzy matching, are given to who asks for them.

    PS3.4 §C.5.1.1 and Table C.5-1: 1 relational, 2 combined date-time, 3 fuzzy, 4 timezone,
    5 empty value, 6 multiple value matching; for retrieval only the first.
    """
    given = {}
    for uid, flags in asked.items():
        if uid in sop_class.FIND:
            given[uid] = bytes(
                flag & (at in (RELATIONAL, FUZZY)) for at, flag in enumerate(flags[:_FLAGS])
            )
        elif uid in sop_class.MOVE | sop_class.GET:
            given[uid] = bytes(flag & (at == RELATIONAL) for at, flag in enumerate(flags[:_FLAGS]))
    return given
