"""Which studies does the peer list? A few, the newest, to ask the next questions with."""

from datetime import UTC, datetime, timedelta

from hilum.backends.dimse.findings import Known, Seen
from hilum.backends.dimse.trial.asking import Heard, ask
from hilum.codec.identifier import PATIENT_ID, UNIQUE_KEYS
from hilum.codec.sop_class import FIND
from hilum.model.errors import HilumError, NotOffered
from hilum.model.identity import Level, is_uid
from hilum.model.query import Path

MOST = 50  # answers that are looked at
STUDY_DATE, MODALITIES, INSTANCES = 0x00080020, 0x00080061, 0x00201208
STUDY = UNIQUE_KEYS[Level.STUDY]
_DAYS = (2, 30, 365, 3650)  # back from today, until something is found
_ASKED = (
    # dates, names and texts of a study, its UID and how big it is
    *(STUDY_DATE, 0x00080050, MODALITIES, 0x00080090, 0x00081030),
    *(0x00100010, PATIENT_ID, STUDY, 0x00201206, INSTANCES),
)
ATTRIBUTES: dict[Path, str] = {(tag,): "" for tag in _ASKED}


async def sample(known: Known) -> None:
    """Ask for studies since ever earlier dates, until there are some.

    Raises:
        NotOffered: there is no C-FIND.
        HilumError: it fails.
    """
    if not known.accepted & FIND:
        raise NotOffered("the peer accepts no C-FIND")
    today = datetime.now(UTC).date()
    heard = Heard()
    for days in (*_DAYS, None):
        known.since = f"{today - timedelta(days):%Y%m%d}" if days else ""
        heard = await _since(known)
        if heard.refusal is not None:
            raise heard.refusal
        if heard.seen:
            break
    known.studies = [each for each in heard.seen if is_uid(each.value(STUDY))]
    if not known.studies:
        text = "lists no study" if not heard.seen else "lists studies without a UID"
        known.tell("studies", "studies", 0, text)
        return
    known.study = min(known.studies, key=_size)
    count = f"{MOST} or more" if heard.cut else str(len(heard.seen))
    text = f"lists {count} {_when(known)}"
    if heard.broken is not None:
        text += f", and then fails: {heard.broken}"
    known.tell("studies", "studies", len(heard.seen), text)
    unique = {each.value(STUDY) for each in known.studies}
    doubled = len(known.studies) - len(unique)
    if doubled:
        text = f"{doubled} of {len(known.studies)} answers had come before"
        known.tell("duplicates", "duplicates", doubled, text)
    if heard.unreadable:
        text = f"{heard.unreadable} of its answers cannot be read"
        known.tell("unreadable", "unreadable", heard.unreadable, text)


async def _since(known: Known) -> Heard:
    """Some studies since `known.since`; asked again without the wishes that some refuse."""
    span: dict[Path, str] = {(STUDY_DATE,): f"{known.since}-"} if known.since else {}
    heard = await ask(known, Level.STUDY, {**ATTRIBUTES, **span}, MOST)
    if heard.refusal is None or known.since:
        return heard
    fewer: dict[Path, str] = {(PATIENT_ID,): "", (STUDY,): "", (STUDY_DATE,): ""}
    try:
        return await ask(known, Level.STUDY, fewer, MOST)
    except HilumError:
        return heard


def _size(study: Seen) -> int:
    """Its instances; those that do not say it last."""
    return study.number(INSTANCES) or 1 << 30


def _when(known: Known) -> str:
    since = known.since
    return f"since {since[:4]}-{since[4:6]}-{since[6:]}" if since else "in all"
