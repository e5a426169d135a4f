"""Which search of a FHIR server finds what DICOM asks for? That, and perhaps more.

What it finds is held against the query all the same: parameters may be wide, but not too narrow.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Final
from urllib.parse import quote, urlencode

from hilum.codec.fhir.values import OID, UID, Systems
from hilum.model.identity import Level, is_uid
from hilum.model.query import Path, Query

Parameters = list[tuple[str, str]]

PAGE: Final[Mapping[Level, int]] = {Level.STUDY: 50, Level.SERIES: 10, Level.IMAGE: 10}
"""Studies that are asked for at once; with what is below them they are long."""
_IN_A_LIST: Final = 50  # UIDs in one search
_STUDY, _SERIES, _INSTANCE = (0x0020_000D,), (0x0020_000E,), (0x0008_0018,)
_PATIENT_ID, _ISSUER, _NAME = (0x0010_0020,), (0x0010_0021,), (0x0010_0010,)
_BORN, _SEX, _DATE = (0x0010_0030,), (0x0010_0040,), (0x0008_0020,)
_ACCESSION, _CLASS = (0x0008_0050,), (0x0008_0016,)
_MODALITIES, _MODALITY = (0x0008_0061,), (0x0008_0060,)
_GENDERS: Final = {"M": "male", "F": "female", "O": "other"}
_BELOW: Final = ((_SERIES, "series", ""), (_INSTANCE, "instance", ""), (_CLASS, "dicom-class", OID))
_BESIDE: Final = ("ImagingStudy:patient", "ImagingStudy:endpoint")
_RANGE = re.compile(r"(\d{8})?(-)?(\d{8})?")
_ZONES: Final = timedelta(days=1)  # which a date may be off by, where clocks are elsewhere


def searches(query: Query, systems: Systems) -> list[Parameters]:
    """What to ask for, one search after another, without paging.

    Args:
        query: its lists hold UIDs only.
        systems: what the configuration says of identifiers.
    """
    wanted = [*_wanted(query, systems)]
    uids = [uid for uid in query.match.get(_STUDY, "").split("\\") if is_uid(uid)]
    if _STUDY not in query.match:
        return [[*wanted, *_more(query)]]
    return [
        [
            ("identifier", ",".join(f"{UID}|{OID}{uid}" for uid in uids[at : at + _IN_A_LIST])),
            *_more(query),
        ]
        for at in range(0, len(uids), _IN_A_LIST)
    ]


def of_study(uid: str) -> Parameters:
    """What finds one study, and the Endpoints that give it."""
    return [("identifier", f"{UID}|{OID}{uid}"), ("_include", "ImagingStudy:endpoint")]


def encoded(parameters: Parameters) -> str:
    """The query of a URL."""
    return urlencode(parameters, quote_via=quote, safe=":|,/")


def _more(query: Query) -> Parameters:
    """How it is to be given."""
    shown = [] if query.level is Level.STUDY else [("_summary", "false")]
    count = PAGE[query.level]
    if query.level is Level.STUDY and query.limit is not None:
        count = min(max(query.limit + query.offset, 1), count)
    return [*(("_include", each) for each in _BESIDE), *shown, ("_count", str(count))]


def _wanted(query: Query, systems: Systems) -> Iterator[tuple[str, str]]:
    """A parameter for each key that a search can answer."""
    yield from _of_patient(query, systems)
    match = query.match
    for prefix, day in _ends(match.get(_DATE, "")):
        wide = _moved(day, -_ZONES if prefix == "ge" else _ZONES)
        if wide is not None:
            yield "started", f"{prefix}{wide.isoformat()}"
    if literal := _literal(match, _ACCESSION):
        yield "identifier", _escaped(literal)
    for path in (_MODALITIES, _MODALITY):
        if literal := _literal(match, path):
            yield "modality", _escaped(literal)
    for path, name, prefix in _BELOW:
        uids = [uid for uid in match.get(path, "").split("\\") if is_uid(uid)]
        if 0 < len(uids) <= _IN_A_LIST:
            yield name, ",".join(prefix + uid for uid in uids)


def _of_patient(query: Query, systems: Systems) -> Iterator[tuple[str, str]]:
    match = query.match
    if literal := _literal(match, _PATIENT_ID):
        issuer = match.get(_ISSUER, "")
        yield "patient.identifier", _token(systems.issuers.get(issuer), literal)
    if _NAME in match:
        yield from _names(match[_NAME], fuzzy=query.fuzzy)
    if (sex := _GENDERS.get(match.get(_SEX, ""))) is not None:
        yield "patient.gender", sex
    for prefix, day in _ends(match.get(_BORN, "")):
        yield "patient.birthdate", f"{prefix}{day.isoformat()}"


def _literal(match: Mapping[Path, str], path: Path) -> str:
    """The one value that is asked for; "" where there is none, or it has wild cards."""
    value = match.get(path, "")
    return "" if any(each in value for each in "\\*?") else value.strip()


def _token(system: str | None, value: str) -> str:
    return f"{system}|{_escaped(value)}" if system else _escaped(value)


def _escaped(value: str) -> str:
    """A value in which nothing parts values (R4 §3.1.1.4.1)."""
    return re.sub(r"([\\,|$])", r"\\\1", value)


def _names(pattern: str, *, fuzzy: bool) -> Iterator[tuple[str, str]]:
    """What finds a name: servers look for what parts of names begin with, whatever their case."""
    if fuzzy:
        for word in re.split(r"[\s^=*?,]+", pattern):
            if word:
                yield "patient.name", _escaped(word)
        return
    if "=" in pattern:
        return
    family, _, rest = pattern.partition("^")
    if begins := _beginning(family):
        yield "patient.name", _escaped(begins)
    if begins := _beginning(rest.partition("^")[0]).partition(" ")[0]:
        yield "patient.given", _escaped(begins)


def _beginning(pattern: str) -> str:
    """What stands before the first wild card."""
    return re.split(r"[*?]", pattern, maxsplit=1)[0].strip()


def _ends(value: str) -> Iterator[tuple[str, date]]:
    """Both ends of a DA or a range of them, as prefixes of FHIR and days."""
    found = _RANGE.fullmatch(value.strip())
    if found is None:
        return
    low, dash, high = found.groups()
    for prefix, text in (("ge", low), ("le", high if dash else low)):
        if text is not None:
            try:
                yield prefix, date(int(text[:4]), int(text[4:6]), int(text[6:]))
            except ValueError:
                return


def _moved(day: date, by: timedelta) -> date | None:
    try:
        return day + by
    except OverflowError:
        return None
