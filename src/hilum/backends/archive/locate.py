"""Which instances are below a reference, and where their files are."""

import json
import time
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from hilum.backends.archive.readers import Cursor
from hilum.backends.archive.schema import CHANGED, INSTANCE, PATIENT, SERIES, STUDY
from hilum.backends.archive.terms import elements
from hilum.core.changes import Change
from hilum.model.identity import Ref

_NANOSECONDS = 10**9
_AHEAD = 10 * _NANOSECONDS  # that a clock of another process may be before ours
_KEYS = {
    "patient": PATIENT.c.patient_id,
    "study": STUDY.c.study_instance_uid,
    "series": SERIES.c.series_instance_uid,
    "instance": INSTANCE.c.sop_instance_uid,
}


@dataclass(frozen=True, slots=True)
class Located:
    """One instance and its file."""

    file: int
    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    size: int


def locate(cursor: Cursor, ref: Ref) -> list[Located]:
    """The instances below `ref`: by series, then by Instance Number, then as they came."""
    given = {name: value for name in _KEYS if (value := getattr(ref, name)) is not None}
    if not given:
        return []
    text, order = _statement(tuple(given))
    rows = cursor.rows(text, [given[name] for name in order])
    rows.reverse()
    known: dict[str, str] = {}  # all of a study are of few classes and syntaxes
    found = []
    while rows:
        file, uid, sop_class, syntax, size = rows.pop()
        sop_class, syntax = known.setdefault(sop_class, sop_class), known.setdefault(syntax, syntax)
        found.append(Located(file, uid, sop_class, syntax, size))
    return found


def locate_all(cursor: Cursor, refs: list[Ref]) -> list[Located]:
    """The instances below all `refs`, each once."""
    if len(refs) == 1:
        return locate(cursor, refs[0])
    found: dict[int, Located] = {}
    for ref in refs:
        for each in locate(cursor, ref):
            found.setdefault(each.file, each)
    return list(found.values())


def version(cursor: Cursor, ref: Ref) -> str | None:
    """What names the instances below `ref`, and all that is known of them; None for none.

    A file's number is never used twice, and what is known of an instance is made of its file.
    """
    given = {name: value for name in _KEYS if (value := getattr(ref, name)) is not None}
    if not given:
        return None
    text, order = _statement(tuple(given), numbers=True)
    numbers = [each for (each,) in cursor.rows(text, [given[name] for name in order])]
    if not numbers:
        return None
    return blake2b(array("q", sorted(numbers)).tobytes(), digest_size=16).hexdigest()


def changed(cursor: Cursor, studies: Sequence[str]) -> dict[str, float]:
    """When the last instance came to each study: a file's number is when it was made."""
    rows = cursor.rows(_changed(), [json.dumps([*studies])])
    return {uid: number / _NANOSECONDS for uid, number in rows if number is not None}


def at_rest(cursor: Cursor, since: float, most: int) -> list[Change]:
    """Studies that changed and have not since, and of which nobody was told as yet.

    Also those that did so in the future: the clock was set back.
    """
    limits = [int(since * _NANOSECONDS), time.time_ns() + _AHEAD, most]
    return [Change(*row) for row in cursor.rows(_at_rest(), limits)]


@lru_cache(maxsize=1)
def _at_rest() -> str:
    row = CHANGED.c
    rests = (row.at <= sa.bindparam("since")) | (row.at > sa.bindparam("now"))
    chosen = sa.select(row.study_instance_uid, row.at).where(rests)
    chosen = chosen.order_by(row.at).limit(sa.bindparam("most")).offset(sa.literal_column("0"))
    compiled = chosen.compile(dialect=sqlite.dialect(paramstyle="qmark"))
    return str(compiled)


@lru_cache(maxsize=1)
def _changed() -> str:
    last = (
        sa.select(sa.func.max(INSTANCE.c.id))
        .where(INSTANCE.c.series == SERIES.c.id)
        .correlate(SERIES)
        .scalar_subquery()
    )
    wanted = elements(sa.bindparam("uids", type_=sa.types.NullType()))
    chosen = (
        sa.select(STUDY.c.study_instance_uid, sa.func.max(last))
        .select_from(STUDY.join(SERIES, SERIES.c.study == STUDY.c.id))
        .where(STUDY.c.study_instance_uid.in_(wanted))
        .group_by(STUDY.c.id)
    )
    return str(chosen.compile(dialect=sqlite.dialect(paramstyle="qmark")))


@lru_cache(maxsize=32)
def _statement(names: tuple[str, ...], *, numbers: bool = False) -> tuple[str, tuple[str, ...]]:
    """The instances, or only the numbers of their files in any order; and the parameters."""
    row = INSTANCE.c
    source: sa.FromClause = INSTANCE.join(SERIES, SERIES.c.id == row.series)
    if "study" in names or "patient" in names:
        source = source.join(STUDY, STUDY.c.id == SERIES.c.study)
    if "patient" in names:
        source = source.join(PATIENT, PATIENT.c.id == STUDY.c.patient)
    chosen: sa.Select[Any] = (
        sa.select(row.id) if numbers else sa.select(
            row.id, row.sop_instance_uid, row.sop_class_uid, row.transfer_syntax_uid,
            row.size,
        ).order_by(row.series, row.instance_number, row.id)
    )  # fmt: skip
    chosen = chosen.select_from(source).where(
        *(_KEYS[name] == sa.bindparam(f"k_{name}") for name in names)
    )
    compiled = chosen.compile(dialect=sqlite.dialect(paramstyle="qmark"))
    order = tuple(name.removeprefix("k_") for name in compiled.positiontup or ())
    return str(compiled), order
