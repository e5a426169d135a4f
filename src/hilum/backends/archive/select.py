"""What SQL finds the entities that meet conditions, and what is read of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from hilum.backends.archive.match import Conditions, Look
from hilum.backends.archive.schema import DESCRIPTION, DICTIONARY, INSTANCE, PATIENT, SERIES, STUDY
from hilum.backends.archive.terms import (
    BASE,
    HERE,
    Expression,
    Parameters,
    below_them,
    elements,
    mentioned,
    other,
    patient_count,
    searched,
    shares,
    term,
)
from hilum.model.identity import Level


@dataclass(frozen=True, slots=True)
class Read:
    """What is read of each entity.

    Attributes:
        level: of the entities.
        more: also attributes that are not given unasked, an instance's Transfer Syntax, and the
            patient's counts.
        classes: also the SOP classes in the study.
        whole: also the metadata of the instance; at IMAGE level only.
    """

    level: Level
    more: bool = False
    classes: bool = False
    whole: bool = False

    def places(self) -> Mapping[str, int]:
        """What is read, and its place in a row."""
        return _places(self)


@dataclass(frozen=True, slots=True)
class Ready:
    """SQL for the driver."""

    text: str
    order: tuple[int, ...]

    def values(self, given: Sequence[Any]) -> list[Any]:
        """Values in the order in which the SQL wants them."""
        return [given[number] for number in self.order]


def rows(read: Read, asked: Conditions) -> Ready:
    """The entities themselves, oldest rows first; values: the conditions', limit, offset."""
    return _rows(read, tuple(asked.own), tuple(asked.below))


def ids(level: Level, asked: Conditions) -> Ready:
    """Only their ids, an array's worth of which fits anywhere; values as in `rows`."""
    return _ids(level, tuple(asked.own), tuple(asked.below))


@lru_cache(maxsize=64)
def of_ids(read: Read) -> Ready:
    """The entities whose ids are in a JSON array, its one value."""
    base = BASE[read.level]
    chosen = _chosen(read).where(base.c.id.in_(elements(next(_numbered())))).order_by(base.c.id)
    return _ready(chosen.select_from(_joined(read.level, patient=read.more, whole=read.whole)))


@lru_cache(maxsize=512)
def _rows(read: Read, own: tuple[Look, ...], below: tuple[Look, ...]) -> Ready:
    patient = read.more or "patient" in mentioned(own)
    source = _joined(read.level, patient=patient, whole=read.whole)
    return _limited(_chosen(read).select_from(source), read.level, own, below)


@lru_cache(maxsize=512)
def _ids(level: Level, own: tuple[Look, ...], below: tuple[Look, ...]) -> Ready:
    source = _joined(level, patient="patient" in mentioned(own), whole=False)
    return _limited(sa.select(BASE[level].c.id).select_from(source), level, own, below)


def _limited(
    chosen: sa.Select[Any], level: Level, own: tuple[Look, ...], below: tuple[Look, ...]
) -> Ready:
    numbered = _numbered()
    if len(own) == 1 and not below:
        own = (searched(own[0]),)
    terms = [term(look, HERE, numbered) for look in own]
    if below:
        terms.append(below_them(level, below, numbered))
    chosen = chosen.where(*terms).order_by(BASE[level].c.id)
    return _ready(chosen.limit(next(numbered)).offset(next(numbered)))


def _ready(statement: sa.Select[Any]) -> Ready:
    compiled = statement.compile(dialect=sqlite.dialect(paramstyle="qmark"))
    return Ready(str(compiled), tuple(int(name[1:]) for name in compiled.positiontup or ()))


def _numbered() -> Parameters:
    """Parameters, numbered in the order in which conditions ask for them."""
    number = 0
    while True:
        yield sa.bindparam(f"v{number}", type_=sa.types.NullType())
        number += 1


# What is read


@lru_cache(maxsize=64)
def _places(read: Read) -> Mapping[str, int]:
    return MappingProxyType({name: place for place, name in enumerate(_columns(read))})


def _chosen(read: Read) -> sa.Select[Any]:
    return sa.select(*(column.label(name) for name, column in _columns(read).items()))


def _columns(read: Read) -> dict[str, Expression]:
    columns: dict[str, Expression] = {
        "id": BASE[read.level].c.id,
        "patient_answer": STUDY.c.patient_answer,
    }
    if read.level is not Level.PATIENT:
        columns |= {
            "study": STUDY.c.study_instance_uid,
            "modalities": STUDY.c.modalities,
            "study_series": STUDY.c.n_series,
            "study_instances": STUDY.c.n_instances,
            "study_answer": STUDY.c.study_answer,
            "timezone": BASE[read.level].c.timezone,
        }
    if read.level in (Level.SERIES, Level.IMAGE):
        columns |= {
            "series": SERIES.c.series_instance_uid,
            "series_instances": SERIES.c.n_instances,
            "series_answer": SERIES.c.answer,
        }
    if read.level is Level.PATIENT:
        columns["lone"] = PATIENT.c.lone
    if read.level is Level.IMAGE:
        columns |= {"instance": INSTANCE.c.sop_instance_uid, "answer": INSTANCE.c.answer}
    if read.more or read.level is Level.PATIENT:
        columns |= {
            "patient_studies": patient_count("n_studies"),
            "patient_series": patient_count("n_series"),
            "patient_instances": patient_count("n_instances"),
        }
    return columns | _more(read)


def _more(read: Read) -> dict[str, Expression]:
    columns: dict[str, Expression] = {}
    if read.more:
        columns["patient_more"] = STUDY.c.patient_more
        if read.level is not Level.PATIENT:
            columns["study_more"] = STUDY.c.study_more
        if read.level in (Level.SERIES, Level.IMAGE):
            columns["series_more"] = SERIES.c.more
        if read.level is Level.IMAGE:
            columns["syntax"] = INSTANCE.c.transfer_syntax_uid
    if read.classes and read.level is not Level.PATIENT:
        instance, series = other("instance"), other("series")
        columns["classes"] = (
            sa.select(sa.func.json_group_array(sa.distinct(instance.c.sop_class_uid)))
            .select_from(series.join(instance, instance.c.series == series.c.id))
            .where(series.c.study == STUDY.c.id)
            .correlate(STUDY)
            .scalar_subquery()
        )
    if read.whole and read.level is Level.IMAGE:
        columns |= {"json": DESCRIPTION.c.json, "dictionary": DICTIONARY.c.json}
    return columns


def _joined(level: Level, *, patient: bool, whole: bool) -> sa.FromClause:
    """The tables of a level's entities and of those above them."""
    if level is Level.PATIENT:
        # the second condition follows from the first, and lets the search begin at either table
        first = (STUDY.c.id == PATIENT.c.first_study) & (PATIENT.c.id == STUDY.c.patient)
        return PATIENT.join(STUDY, first)
    joined: sa.FromClause = BASE[level]
    if level is Level.IMAGE:
        joined = joined.join(SERIES, SERIES.c.id == INSTANCE.c.series)
        if whole:
            joined = joined.join(DESCRIPTION, DESCRIPTION.c.instance == INSTANCE.c.id)
            joined = joined.outerjoin(DICTIONARY, shares(INSTANCE, DESCRIPTION, DICTIONARY))
    if level is not Level.STUDY:
        joined = joined.join(STUDY, STUDY.c.id == SERIES.c.study)
    return joined.join(PATIENT, PATIENT.c.id == STUDY.c.patient) if patient else joined
