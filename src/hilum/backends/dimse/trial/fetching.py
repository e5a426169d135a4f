"""Does a C-GET bring an instance? Asks for exactly one, a small one, and throws it away."""

import asyncio
from dataclasses import dataclass, field

from hilum.backends.dimse.asking import wanted
from hilum.backends.dimse.contexts import storage
from hilum.backends.dimse.findings import Known
from hilum.backends.dimse.retrieve import get
from hilum.backends.dimse.trial.levels import INSTANCE, SOP_CLASS
from hilum.codec.sop_class import GET, MOVE, PATIENT_ROOT_GET, STUDY_ROOT_GET
from hilum.model.errors import HilumError, OutOfResources
from hilum.model.identity import Level, is_uid
from hilum.model.instance import Instance
from hilum.model.outcome import Stored
from hilum.model.query import Path
from hilum.upper_layer.requestor import associate

_TITLE = "C-GET of one instance"
TOO_MANY = 3  # instances, after which no more are taken of a peer that was asked for one


@dataclass(slots=True)
class Bin:
    """Takes instances, and keeps nothing of them but what came.

    Attributes:
        uids: SOP Instance UIDs of those that came whole.
        size: bytes of all.
        syntax: of the last one.
    """

    uids: list[str] = field(default_factory=list)
    size: int = 0
    syntax: str = ""

    async def store(self, instance: Instance, /) -> Stored:
        """Read one to its end.

        Raises:
            OutOfResources: too many came.
        """
        if len(self.uids) >= TOO_MANY:
            raise OutOfResources("one instance was asked for")
        async for chunk in instance.chunks:
            self.size += len(chunk)
        self.uids.append(instance.sop_instance_uid)
        self.syntax = instance.transfer_syntax_uid
        return Stored(
            sop_class_uid=instance.sop_class_uid, sop_instance_uid=instance.sop_instance_uid
        )


def one(known: Known) -> dict[Path, str] | None:
    """The unique keys of one small instance; None where none is known."""
    if known.instance is None:
        return None
    return {**known.above(Level.IMAGE), (INSTANCE,): known.instance.value(INSTANCE)}


def judged(known: Known, got: Bin, status: int | None) -> str:
    """What is wrong with what came for one instance; "" when nothing is."""
    assert known.instance is not None  # noqa: S101 - it was asked for
    expected = known.instance.value(INSTANCE)
    said = "no final answer" if status is None else f"{status:04X}H"
    if expected not in got.uids:
        came = f"{len(got.uids)} others" if got.uids else "nothing"
        return f"{said}, but {came} came"
    if len(set(got.uids)) > 1:
        return f"more came than the one that was asked for ({len(set(got.uids))} or more)"
    return f"it came {len(got.uids)} times" if len(got.uids) > 1 else ""


async def fetching(known: Known) -> None:
    """One C-GET; where it fails, `auto` would still take it, so C-MOVE is to be set."""
    instead = {"retrieve": "move"} if known.accepted & MOVE else {}
    keys = one(known)
    if not known.accepted & GET:
        known.tell("get", _TITLE, value=False, text="no C-GET context is accepted")
        return
    if keys is None:
        known.tell("get", _TITLE, None, "not tried: no instance is known to ask for")
        return
    if not known.senders:
        text = "the peer accepts C-GET, but not to send anything by it"
        known.tell("get", _TITLE, value=False, text=text, **instead)
        return
    got = Bin()
    try:
        async with asyncio.timeout(known.deadline):  # pending responses may have no end
            status = await _get(known, keys, got)
    except (HilumError, TimeoutError) as error:
        why = str(error) or f"it took longer than {known.deadline:g} s"
        known.tell("get", _TITLE, value=False, text=f"fails: {why}", **instead)
        return
    wrong = judged(known, got, status)
    if not wrong:
        known.tell("get", _TITLE, value=True, text=f"works ({got.size} bytes)")
    elif len(set(got.uids)) > 1 or got.uids:
        known.tell("get", _TITLE, value=True, text=f"works, but {wrong}")
    else:
        known.tell("get", _TITLE, value=False, text=f"fails: {wrong}", **instead)


async def _get(known: Known, keys: dict[Path, str], got: Bin) -> int | None:
    """The final status.

    Raises:
        HilumError: it fails, or nothing more comes.
    """
    assert known.instance is not None  # noqa: S101 - `one` found it
    uid = PATIENT_ROOT_GET if known.patient_root else STUDY_ROOT_GET
    kind = known.instance.value(SOP_CLASS)
    held = storage([kind] if is_uid(kind) else [], beside=1)
    async with (
        associate(known.to, [wanted(uid), *held.wanted], roles=held.roles) as association,
        get(
            association,
            Level.IMAGE,
            keys,
            got,
            patient_root=known.patient_root,
            patience=0.0,
        ) as retrieval,
    ):
        async for progress in retrieval:
            if progress.failed and len(got.uids) >= TOO_MANY:
                break
        return retrieval.status
