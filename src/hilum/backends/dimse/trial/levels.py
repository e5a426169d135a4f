"""At which levels does the peer answer, and does it want the unique keys above? (PS3.4 §C.4.1)."""

from hilum.backends.dimse.findings import Known, Seen
from hilum.backends.dimse.trial.asking import Heard, ask
from hilum.codec.identifier import PATIENT_ID, UNIQUE_KEYS
from hilum.codec.sop_class import PATIENT_ROOT_FIND
from hilum.model.identity import Level, is_uid
from hilum.model.query import Path

MOST = 200  # answers that are looked at
SERIES, INSTANCE = UNIQUE_KEYS[Level.SERIES], UNIQUE_KEYS[Level.IMAGE]
MODALITY, SOP_CLASS, IN_SERIES = 0x00080060, 0x00080016, 0x00201209
_FRAMES, _ROWS, _COLUMNS = 0x00280008, 0x00280010, 0x00280011
_UNKNOWN = 1 << 30  # more than any number of instances


async def series(known: Known) -> None:
    """Series of a study; takes the smallest."""
    asked: dict[Path, str] = {(SERIES,): "", (MODALITY,): "", (IN_SERIES,): ""}
    heard = await ask(known, Level.SERIES, {**known.above(Level.SERIES), **asked}, MOST)
    found = [each for each in heard.seen if is_uid(each.value(SERIES))]
    if not found:
        known.tell("series_level", "SERIES level", value=False, text=_why(heard))
        return
    known.series = min(found, key=lambda each: each.number(IN_SERIES) or _UNKNOWN)
    text = "lists the series of a study"
    known.tell("series_level", "SERIES level", value=True, text=text)


async def instances(known: Known) -> None:
    """Instances of a series; takes the smallest."""
    tags = (INSTANCE, SOP_CLASS, _FRAMES, _ROWS, _COLUMNS)
    asked: dict[Path, str] = {(tag,): "" for tag in tags}
    heard = await ask(known, Level.IMAGE, {**known.above(Level.IMAGE), **asked}, MOST)
    found = [each for each in heard.seen if is_uid(each.value(INSTANCE))]
    if not found:
        text = f"{_why(heard)}: what a retrieval must bring is known by its number only"
        known.tell("image_level", "IMAGE level", value=False, text=text)
        return
    known.instance = min(found, key=_pixels)
    with_class = all(is_uid(each.value(SOP_CLASS)) for each in found)
    text = "lists the instances of a series"
    text += "" if with_class else ", without their SOP classes"
    known.tell("image_level", "IMAGE level", value=True, text=text)


async def relational(known: Known) -> None:
    """A series without the study that it belongs to."""
    if known.series is None:
        return
    key: dict[Path, str] = {(SERIES,): known.series.value(SERIES)}
    heard = await ask(known, Level.SERIES, key, 2)
    found = bool(heard.seen) and all(each.value(SERIES) == key[SERIES,] for each in heard.seen)
    title = "relational queries"
    if known.relational and found:
        known.tell("relational", title, value=True, text="agreed on and honoured")
    elif known.relational:
        text = f"agreed on, but not honoured: {_why(heard)}"
        known.tell("relational", title, value=False, text=text, relational="never")
    else:
        text = "answered, though not agreed on" if found else "not agreed on"
        known.tell("relational", title, value=False, text=f"{text}; the levels are walked")


async def patients(known: Known) -> None:
    """The PATIENT level of the Patient Root model."""
    title = "PATIENT level"
    if PATIENT_ROOT_FIND not in known.accepted or known.study is None:
        text = "no Patient Root C-FIND; studies are grouped instead"
        known.tell("patient_level", title, value=False, text=text)
        return
    patient_id = known.study.value(PATIENT_ID)
    if not patient_id:
        known.tell("patient_level", title, None, "the study at hand has no Patient ID to ask for")
        return
    heard = await ask(known, Level.PATIENT, {(PATIENT_ID,): patient_id}, 2, patient_root=True)
    if heard.seen:
        known.tell("patient_level", title, value=True, text="lists patients")
    else:
        known.tell("patient_level", title, value=False, text=_why(heard))


def _pixels(instance: Seen) -> int:
    """How big it is, as far as that is told; what has no pixels first."""
    rows, columns = instance.number(_ROWS) or 0, instance.number(_COLUMNS) or 0
    return rows * columns * (instance.number(_FRAMES) or 1)


def _why(heard: Heard) -> str:
    if heard.refusal is not None:
        return str(heard.refusal)
    return "answers something else" if heard.seen or heard.unreadable else "lists nothing"
