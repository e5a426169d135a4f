"""Does the peer cut long answers short, and does it stop when it is told to? (PS3.4 §C.4.1)."""

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from hilum.backends.dimse.asking import MEDIUM, context_of
from hilum.backends.dimse.find import CONTEXTS
from hilum.backends.dimse.findings import Known
from hilum.backends.dimse.trial.asking import Heard, ask
from hilum.backends.dimse.trial.sample import STUDY, STUDY_DATE
from hilum.codec import question
from hilum.codec.dimse import A_DATA_SET, Command, Service
from hilum.codec.identifier import UNIQUE_KEYS
from hilum.codec.sop_class import PATIENT_ROOT_FIND, STUDY_ROOT_FIND
from hilum.model.errors import BackendTimeout
from hilum.model.identity import Level
from hilum.model.query import Path
from hilum.upper_layer.messages import PENDING, Responses
from hilum.upper_layer.requestor import associate
from hilum.upper_layer.standing import AssociationLost

MOST = 1001  # answers that are counted
FEW = 5  # answers that say nothing about a limit
ROUND = (50, 100, 128, 200, 250, 256, 300, 400, 500, 512, 600, 750, 800, 1000)
"""Counts of answers that look like a limit."""
PATIENCE = 10.0  # seconds that a peer gets to honour a C-CANCEL
SLOW = 2.0  # seconds from which on it is better to end the association
_BACK = (2, 30, 365, 3650)  # days
_AFTER = 300  # answers after the C-CANCEL, after which it is ignored, if it also took so long
_IN_FLIGHT = 1.0  # seconds for what was on its way when the C-CANCEL came
_CANCELLED, _SUCCESS = 0xFE00, 0x0000


async def cap(known: Known) -> None:
    """Count the studies of a span, and of its two halves: a peer that cuts finds more in these."""
    title = "most answers"
    if known.patient_root:
        known.tell("cap", title, None, "is tried in the Study Root model only")
        return
    since, whole = await _widest(known)
    count = len(whole.seen)
    if whole.cut:
        known.tell("cap", title, 0, f"more than {count}")
        return
    if count < FEW:
        known.tell("cap", title, None, f"{count} studies are too few to tell")
        return
    middle = _middle(whole)
    if middle is None or not known.dates:
        why = "are of one day" if known.dates else "cannot be parted by date"
        _suspect(known, count, f"they {why}")
        return
    before = f"{_day(middle) - timedelta(days=1):%Y%m%d}"
    early, late = await _count(known, f"{since}-{before}"), await _count(known, f"{middle}-")
    parts = len(early.seen) + len(late.seen)
    if parts > count:
        text = f"{count}: of the same span, asked for in two parts, it lists {parts}"
        known.tell("cap", title, count, text, max_answers=count)
    else:
        _suspect(known, count, "in two parts there are no more")


async def _widest(known: Known) -> tuple[str, Heard]:
    """The first day, and the studies since then: ever earlier, until there are many."""
    today = datetime.now(UTC).date()
    days = [f"{today - timedelta(days=each):%Y%m%d}" for each in _BACK] if known.since else []
    heard, since = Heard(), ""
    for since in (*filter(lambda each: each <= known.since, days), ""):
        heard = await _count(known, f"{since}-" if since else "")
        if heard.cut:
            break
    return since, heard


async def _count(known: Known, span: str) -> Heard:
    """Studies of a span of days, with nothing but what they are counted by.

    Raises:
        HilumError: the peer refuses.
    """
    heard = await ask(known, Level.STUDY, {(STUDY,): "", (STUDY_DATE,): span}, MOST)
    if heard.refusal is not None:
        raise heard.refusal
    return heard


def _suspect(known: Known, count: int, why: str) -> None:
    if count in ROUND:
        text = f"{count}, which looks like a limit, though {why}"
        known.tell("cap", "most answers", count, text)
    else:
        known.tell("cap", "most answers", 0, f"no limit at {count} answers; {why}")


def _middle(heard: Heard) -> str | None:
    """The day that parts the answers in two; None where there is none."""
    days = sorted(filter(_is_day, (each.value(STUDY_DATE) for each in heard.seen)))
    if not days or days[0] == days[-1]:
        return None
    middle = days[len(days) // 2]
    return middle if middle > days[0] else next(each for each in days if each > days[0])


def _is_day(text: str) -> bool:
    try:
        _day(text)
    except ValueError:
        return False
    return True


def _day(text: str) -> date:
    return datetime.strptime(text, "%Y%m%d").date()  # noqa: DTZ007 - a day has no time zone


@dataclass(slots=True)
class _Stopped:
    """How a search ended that was cancelled."""

    status: int | None = None
    after: int = 0
    seconds: float = 0.0
    lost: bool = False
    asked: bool = False


async def cancel(known: Known) -> None:
    """Search for all studies, C-CANCEL after the first, and see."""
    title = "C-CANCEL"
    ended = await _cancelled(known)
    took = f"{ended.seconds:.1f} s"
    if not ended.asked:
        known.tell("cancel", title, None, "the search ended by itself: nothing was left to cancel")
    elif ended.lost:
        text = f"answered by an abort after {took}"
        known.tell("cancel", title, "aborts", text, cancel="abort")
    elif ended.status is None:
        text = f"not honoured within {took} ({ended.after} more answers)"
        known.tell("cancel", title, "ignored", text, cancel="abort")
    elif ended.status == _SUCCESS and ended.seconds < _IN_FLIGHT:
        text = f"the search ended by itself with {ended.after} more answers: too few to tell"
        known.tell("cancel", title, None, text)
    elif ended.status == _SUCCESS:
        text = f"ignored: {ended.after} more answers came, up to the last, in {took}"
        known.tell("cancel", title, "ignored", text, cancel="abort")
    elif ended.seconds > SLOW:
        text = f"honoured, but only after {took} ({ended.after} more answers)"
        known.tell("cancel", title, "slow", text, cancel="abort")
    elif ended.status == _CANCELLED:
        text = f"honoured after {took} ({ended.after} more answers)"
        known.tell("cancel", title, "honoured", text)
    else:
        known.tell("cancel", title, "honoured", f"ends the search with {ended.status:04X}H")


async def _cancelled(known: Known) -> _Stopped:
    uid = PATIENT_ROOT_FIND if known.patient_root else STUDY_ROOT_FIND
    ended = _Stopped()
    async with associate(known.to, CONTEXTS) as association:
        context = context_of(association, uid)
        level = Level.PATIENT if known.patient_root else Level.STUDY  # there are most of these
        keys: dict[Path, str] = {(UNIQUE_KEYS[level],): ""}
        command = Command(
            command_field=Service.C_FIND,
            message_id=association.next_id(),
            data_set_type=A_DATA_SET,
            affected_sop_class_uid=uid,
            priority=MEDIUM,
        )
        data = question.encode(level, keys, context.transfer_syntax)
        async with association.exchange(context, command, data) as responses:
            first = await anext(responses)
            if first.command.status not in PENDING:
                return ended
            asked = Command(
                command_field=Service.C_CANCEL, message_id_responded_to=command.message_id
            )
            await association.send(context, asked)
            began = time.monotonic()
            ended.asked = True
            try:
                await _follow(responses, ended, min(PATIENCE, known.deadline))
            except AssociationLost:
                ended.lost = True
            except (BackendTimeout, TimeoutError):
                ended.status = None
            ended.seconds = time.monotonic() - began
    return ended


async def _follow(responses: Responses, ended: _Stopped, patience: float) -> None:
    """Read on to the final response, for so many seconds, or so many answers."""
    began = time.monotonic()
    async with asyncio.timeout(patience):
        async for message in responses:
            if message.command.status not in PENDING:
                ended.status = message.command.status
                return
            ended.after += 1
            if ended.after >= _AFTER and time.monotonic() - began > SLOW:
                return
