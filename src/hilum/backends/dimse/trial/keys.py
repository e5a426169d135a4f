"""Which matching keys does the peer look at? Asked with values that nothing has (PS3.4 §C.2.2)."""

from hilum.backends.dimse.findings import Known
from hilum.backends.dimse.trial.asking import ask
from hilum.backends.dimse.trial.levels import MODALITY, SERIES
from hilum.backends.dimse.trial.sample import MODALITIES, STUDY, STUDY_DATE
from hilum.codec.identifier import PATIENT_ID
from hilum.model.identity import Level
from hilum.model.query import Path

_IMPOSSIBLE = {  # keyword, tag and a value that nothing has
    "StudyDate": (STUDY_DATE, "17660101"),
    "PatientName": (0x00100010, "ZZQ^HILUM^PROBE"),
    "PatientID": (PATIENT_ID, "ZZQ.HILUM.PROBE"),
    "AccessionNumber": (0x00080050, "ZZQ.HILUM.PROBE"),
    "ModalitiesInStudy": (MODALITIES, "ZZQ"),
}


async def keys(known: Known) -> None:
    """Ask for a study that is there, and for something else of it that is not so."""
    assert known.study is not None  # noqa: S101 - there is a study, else this is not tried
    ignored, refused, told = [], [], False
    for keyword, (tag, value) in _IMPOSSIBLE.items():
        if known.patient_root and tag == PATIENT_ID:
            continue  # it is the unique key above there
        named = {**known.above(Level.STUDY), (STUDY,): known.study.value(STUDY)}
        heard = await ask(known, Level.STUDY, {**named, (tag,): value}, 2)
        told = told or heard.told
        if heard.refusal is not None:
            refused.append(keyword)
        elif heard.seen and await _also_alone(known, tag, value):
            ignored.append(keyword)
    if known.series is not None:
        named = {**known.above(Level.SERIES), (SERIES,): known.series.value(SERIES)}
        heard = await ask(known, Level.SERIES, {**named, (MODALITY,): "ZZQ"}, 2)
        told = told or heard.told
        if heard.seen:
            ignored.append("Modality")
    known.dates = "StudyDate" not in ignored
    if ignored:
        says = "and says so (FF01)" if told else "without saying so"
        text = f"ignores {', '.join(ignored)}, {says}; answers are filtered here"
        known.tell("keys_ignored", "matching keys", ignored, text)
    else:
        known.tell("keys_ignored", "matching keys", ignored, "the common ones are looked at")
    if refused:
        text = f"a query by {', '.join(refused)} and the study is refused"
        known.tell("keys_refused", "refused keys", refused, text)


async def _also_alone(known: Known, tag: int, value: str) -> bool:
    """Whether something comes without the study's UID too: some look at nothing beside that.

    Asked only among the newest studies, and left at the first answer.
    """
    if known.patient_root:
        return True
    span: dict[Path, str] = {(STUDY_DATE,): f"{known.since}-"} if known.since else {}
    asked: dict[Path, str] = {(STUDY,): "", **span, (tag,): value}
    return bool((await ask(known, Level.STUDY, asked, 1)).seen)


async def lists(known: Known) -> None:
    """ModalitiesInStudy with more than one value: the modality of a series, and another."""
    assert known.study is not None  # noqa: S101 - as above
    title = "ModalitiesInStudy lists"
    modality = known.series.value(MODALITY) if known.series is not None else ""
    modality = modality or known.study.value(MODALITIES)
    if not modality:
        known.tell("modality_lists", title, None, "the study at hand has no modality to ask for")
        return
    named = {**known.above(Level.STUDY), (STUDY,): known.study.value(STUDY)}
    one = await ask(known, Level.STUDY, {**named, (MODALITIES,): modality}, 2)
    if not one.seen:
        text = "not even one value finds the study that has it"
        known.tell("modality_lists", title, value=False, text=text)
        return
    two = await ask(known, Level.STUDY, {**named, (MODALITIES,): f"{modality}\\ZZQ"}, 2)
    text = "matched" if two.seen else "not matched; each value is asked for alone"
    known.tell("modality_lists", title, value=bool(two.seen), text=text)
