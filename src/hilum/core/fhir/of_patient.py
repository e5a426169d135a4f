"""What can be asked of patients."""

from collections.abc import Callable, Iterator
from typing import Final

from hilum.codec.fhir.parameters import Condition, Kind, Offer, plain
from hilum.codec.fhir.values import TYPES, Element, instant
from hilum.core.fhir import keys
from hilum.core.fhir.holds import Span, Token, span, tokens
from hilum.core.fhir.table import Alternatives, Answered, Check, Known, Row, Table, by

_PATIENT_ID, _NAME = (0x0010_0020,), (0x0010_0010,)
_BORN, _SEX = (0x0010_0030,), (0x0010_0040,)
_STUDY = (0x0020_000D,)
_GENDERS: Final = {"male": "M", "female": "F", "other": "O"}


def identifiers(found: list[Element]) -> Iterator[Token]:
    """Identifiers by their system, and by their type: `of-type`."""
    for each in found:
        yield Token(each.get("system", ""), each["value"])
        for coding in each.get("type", {}).get("coding", ()):
            yield Token(f"{TYPES}|{coding['code']}", each["value"])


def spoken(names: list[Element], *parts: str) -> Iterator[str]:
    """The parts of HumanNames."""
    for name in names:
        for part in parts:
            found = name.get(part, ())
            yield from (found,) if isinstance(found, str) else found


ALL_PARTS: Final = ("family", "given", "prefix", "suffix", "text")


def _names(*parts: str) -> Callable[[Row], Iterator[str]]:
    return lambda row: spoken(row.patient.get("name", []), *parts)


def _gender(row: Row) -> Iterator[Token]:
    if "gender" in row.patient:
        yield Token("http://hl7.org/fhir/administrative-gender", row.patient["gender"])


def _born(row: Row) -> Iterator[Span]:
    found = span(row.patient.get("birthDate", ""))
    if found is not None:
        yield found


def updated(row: Row) -> Iterator[Span]:
    """When it was changed last."""
    found = None if row.updated is None else span(instant(row.updated))
    if found is not None:
        yield found


def _genders(condition: Condition, _known: Known) -> Alternatives:
    wanted = [_GENDERS.get(each.value.lower()) for each in tokens(condition)]
    if condition.modifier or not all(wanted):
        return None
    return keys.listed(_SEX, filter(None, wanted))


def meant(condition: Condition, known: Known) -> Alternatives:
    """Keys of the patients whose ids are asked for."""
    if condition.modifier:
        return None
    found = [known.patients.get(each) for each in ids_in(condition, known)]
    there = [each for each in found if each is not None]
    with_id = keys.listed(
        _PATIENT_ID, (e.patient_id.replace("\\", "?") for e in there if e.patient_id)
    )
    lone = keys.listed(_STUDY, (each.study for each in there if each.study))
    return [*(with_id or ()), *(lone or ())]


def ids_in(condition: Condition, known: Known) -> list[str]:
    """The ids of patients that a condition names."""
    return [known.local(plain(each).strip(), "Patient") for each in condition.values]


def is_one(condition: Condition, known: Known) -> Check:
    """Whether an answer is of one of the patients that a condition names."""
    if condition.modifier == "missing":
        return by(lambda row: iter(() if row.key is None else ("there",)))(condition, known)
    wanted = {known.patients.get(each) for each in ids_in(condition, known)} - {None}
    return lambda row: (row.key in wanted) is not (condition.modifier == "not")


TABLE: Final[Table] = {
    "_id": Answered(Offer(Kind.TOKEN), is_one, meant),
    "identifier": Answered(
        Offer(Kind.TOKEN, modifiers=frozenset(("", "not", "missing", "of-type"))),
        by(lambda row: identifiers(row.patient.get("identifier", []))),
        keys.ids(_PATIENT_ID),
    ),
    **{
        part: Answered(
            Offer(Kind.STRING, sorts=True),
            by(_names(*(ALL_PARTS if part == "name" else (part,)))),
            keys.names(_NAME, part),
            order=_names(*(("text",) if part == "name" else (part,))),
        )
        for part in ("name", "family", "given")
    },
    "birthdate": Answered(Offer(Kind.DATE, sorts=True), by(_born), keys.days(_BORN), order=_born),
    "gender": Answered(Offer(Kind.TOKEN, sorts=True), by(_gender), _genders, order=_gender),
}
