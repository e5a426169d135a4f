"""What does the peer accept: services, models, roles, classes, syntaxes? (PS3.7 Annex D)."""

import time

from hilum.backends.dimse import echo as verification
from hilum.backends.dimse.contexts import storage
from hilum.backends.dimse.find import CONTEXTS as FIND
from hilum.backends.dimse.findings import Known
from hilum.backends.dimse.retrieve import GET_CONTEXTS as GET
from hilum.backends.dimse.retrieve import MOVE_CONTEXTS as MOVE
from hilum.backends.dimse.trial.asking import FLAGS
from hilum.codec.sop_class import (
    PATIENT_ROOT_FIND,
    PATIENT_ROOT_GET,
    PATIENT_ROOT_MOVE,
    STUDY_ROOT_FIND,
    STUDY_ROOT_GET,
    STUDY_ROOT_MOVE,
)
from hilum.model.dictionary import name_of
from hilum.model.errors import BackendUnavailable, HilumError
from hilum.upper_layer.association import Association
from hilum.upper_layer.requestor import associate

_SERVICES = {
    "C-FIND": (STUDY_ROOT_FIND, PATIENT_ROOT_FIND),
    "C-GET": (STUDY_ROOT_GET, PATIENT_ROOT_GET),
    "C-MOVE": (STUDY_ROOT_MOVE, PATIENT_ROOT_MOVE),
}
_NO_LIMIT = "of any length"


async def reach(known: Known) -> None:
    """Whether it lives, how fast it is, and who made it.

    Raises:
        BackendError: it cannot be reached, or does not want us.
    """
    began = time.monotonic()
    async with associate(known.to, [verification.CONTEXT]) as association:
        took = time.monotonic() - began
        known.tell("association_seconds", "association", took, f"in {took * 1000:.1f} ms")
        made = association.remote
        name = made.implementation_version_name or made.implementation_class_uid
        known.tell("implementation", "made by", name, name or "does not say")
        size = made.max_pdu
        text = f"up to {size} bytes" if size else _NO_LIMIT
        known.tell("max_pdu", "takes PDUs", size, text)
        began = time.monotonic()
        try:
            await verification.echo(association)
        except HilumError as error:
            known.tell("echo_seconds", "C-ECHO", None, f"fails: {error}")
            return
        took = time.monotonic() - began
        known.tell("echo_seconds", "C-ECHO", took, f"in {took * 1000:.1f} ms")


async def doors(known: Known) -> None:
    """What is accepted, when all that we may want is proposed at once.

    Raises:
        BackendError: no association with these contexts, however few.
    """
    held = storage(beside=len(FIND) + len(GET) + len(MOVE))
    services = [*FIND, *GET, *MOVE]
    extended = {uid: FLAGS for uid, _ in services}
    try:
        async with associate(
            known.to, [*services, *held.wanted], roles=held.roles, extended=extended
        ) as association:
            _judge(known, association)
            return
    except BackendUnavailable as error:
        if known.findings and known.findings[-1].name == "storage":
            return  # it was lost in the end; what is known is known
        text = f"an association with {len(services) + len(held.wanted)} contexts fails: {error}"
        known.tell("many_contexts", "many contexts", value=False, text=text)
    async with associate(known.to, services, extended=extended) as association:
        _judge(known, association)


def _judge(known: Known, association: Association) -> None:
    contexts = association.contexts.values()
    known.accepted = frozenset(each.abstract_syntax for each in contexts)
    for name, (study, patient) in _SERVICES.items():
        models = {"study": study in known.accepted, "patient": patient in known.accepted}
        named = [f"{model.capitalize()} Root" for model, there in models.items() if there]
        text = f"accepted, {' and '.join(named)}" if named else "not accepted"
        known.tell(name.lower().replace("-", "_"), name, models, text)
    _model(known)
    flags = association.remote.extended.get(_find(known), b"")
    known.relational = flags[:1] == b"\1"
    known.senders = frozenset(each.abstract_syntax for each in contexts if each.peer_may_ask)
    syntaxes = {each.transfer_syntax for each in contexts if each.peer_may_ask}
    fuzzy = flags[2:3] == b"\1"
    text = "agreed on" if fuzzy else "not agreed on"
    known.tell("fuzzy_matching", "fuzzy matching", value=fuzzy, text=text)
    if known.senders:
        text = f"sends {len(known.senders)} of the common classes on our association, in "
        text += f"{len(syntaxes)} transfer syntaxes: {'; '.join(sorted(map(_name, syntaxes)))}"
    else:
        text = "does not take the SCU role of any common class, so that it cannot do a C-GET"
    known.tell("storage", "storage roles", sorted(syntaxes), text)


def _model(known: Known) -> None:
    """Which of the two models is used: Study Root, unless Patient Root offers more."""
    gains = [
        (find in known.accepted, bool(known.accepted & {get, move}))
        for find, get, move in zip(*_SERVICES.values(), strict=True)
    ]
    if gains[1] > gains[0]:
        known.patient_root = True
        text = "Patient Root, as Study Root is not offered for everything"
        known.tell("information_model", "model", "patient", text, information_model="patient")


def _find(known: Known) -> str:
    return PATIENT_ROOT_FIND if known.patient_root else STUDY_ROOT_FIND


def _name(uid: str) -> str:
    """A transfer syntax in words, where it has any; UIDs of a peer may be anything."""
    name = name_of(uid)
    return name if name != uid else uid
