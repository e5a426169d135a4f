"""What conditions look like in SQL."""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any, Final

import sqlalchemy as sa

from hilum.backends.archive.holds import FUNCTION
from hilum.backends.archive.match import RANK, Look
from hilum.backends.archive.schema import DESCRIPTION, DICTIONARY, INSTANCE, PATIENT, SERIES, STUDY
from hilum.model.identity import Level

Expression = sa.ColumnElement[Any]
Parameters = Iterator[sa.BindParameter[Any]]
"""Gives the parameters of a statement, one after another."""
Tables = dict[str, sa.FromClause]
"""What the table names in looks stand for."""

BASE: Final = {
    Level.PATIENT: PATIENT, Level.STUDY: STUDY, Level.SERIES: SERIES, Level.IMAGE: INSTANCE,
}  # fmt: skip
"""The table whose rows are the entities of a level."""
HERE: Final[Tables] = {
    "patient": PATIENT, "study": STUDY, "series": SERIES, "instance": INSTANCE,
}  # fmt: skip
"""The entity itself and those above it."""
_DEPTH: Final = {"study": 1, "series": 2, "instance": 3}
_BLOBS: Final = {
    Level.PATIENT: ("study", "patient_answer", "patient_more"),
    Level.STUDY: ("study", "study_answer", "study_more"),
    Level.SERIES: ("series", "answer", "more"),
}
_SELECTIVE: Final = frozenset({"study_instance_uid", "series_instance_uid", "sop_instance_uid"})


def shares(
    instance: sa.FromClause, described: sa.FromClause, dictionary: sa.FromClause
) -> Expression:
    """Whether metadata are deflated against the dictionary of their series."""
    one = sa.literal_column("1", sa.Integer)
    return (dictionary.c.series == instance.c.series) & (described.c.shared == one)


def patient_count(column: str) -> Expression:
    """A count below a patient: the sum of those of the few studies that a patient has."""
    study = other("study")
    counted = sa.func.count() if column == "n_studies" else sa.func.sum(study.c[column])
    counts = sa.select(counted).select_from(study).where(study.c.patient == PATIENT.c.id)
    return counts.correlate(PATIENT).scalar_subquery()


def below_them(level: Level, looks: tuple[Look, ...], numbered: Parameters) -> Expression:
    """Whether one chain of entities below holds all looks.

    Asked by UID, the chains are found first and the entities by them; else each entity is asked,
    as the first ones that match are enough for a page.
    """
    there: Tables = {name: HERE[name].alias(f"b_{name}") for name in _DEPTH}
    names = ["study", "series", "instance"][RANK[level] :]
    deepest = max(_DEPTH[name] for name in mentioned(looks) if name in _DEPTH)
    source = there[names[0]]
    for above, name in pairwise(names):
        if _DEPTH[name] <= deepest:
            source = source.join(there[name], there[above].c.id == there[name].c[above])
    terms = [term(look, there, numbered) for look in looks]
    parent = BASE[level]
    link = there[names[0]].c[parent.name]
    if any(look[0] in ("equal", "among") and look[2] in _SELECTIVE for look in looks):
        return parent.c.id.in_(sa.select(link).select_from(source).where(*terms))
    found = _some(source)
    return found.where(link == parent.c.id, *terms).correlate(parent).exists()


def searched(look: Look) -> Look:
    """The same look, for a query that asks nothing else: patterns are looked up in indexes.

    SQLite reads the whole table where several columns may match a pattern; each index alone it
    reads from where the pattern begins to where it ends, or at least without the rest of the rows.
    """
    kind, *rest = look
    match kind:
        case "and" | "or":
            return (kind, *(searched(each) for each in rest))
        case "odd":
            return (kind, rest[0], searched(rest[1]))
        case "glob" if rest[0] != "patient" and HERE[rest[0]].c[rest[1]].index:
            return ("found", *rest)
        case _:
            return look


def mentioned(looks: Sequence[Look]) -> set[str]:
    """The tables that looks are about."""
    found: set[str] = set()
    for look in looks:
        match look[0]:
            case "and" | "or":
                found |= mentioned(look[1:])
            case "odd":
                found |= mentioned((look[2],))
            case "holds":
                found.add(_BLOBS[look[1]][0] if look[1] in _BLOBS else "instance")
            case "in_study":
                found.add("study")
            case "constant":
                pass
            case _:
                found.add(look[1])
    return found


def term(look: Look, tables: Tables, numbered: Parameters) -> Expression:
    """One look as SQL; takes its parameters in the order of the condition's values."""
    kind, *rest = look
    return _TERMS[kind](rest, tables, numbered)


def _equal(look: Sequence[Any], tables: Tables, numbered: Parameters) -> Expression:
    value = _value(look, tables)
    return value == next(numbered)


def _among(look: Sequence[Any], tables: Tables, numbered: Parameters) -> Expression:
    value = _value(look, tables)
    return value.in_(elements(next(numbered)))


def _value(look: Sequence[Any], tables: Tables) -> Expression:
    """The column that a look is about."""
    table, column = look[:2]
    if table == "patient":
        return patient_count(column)
    value: Expression = tables[table].c[column]
    return value


def elements(array: sa.BindParameter[Any]) -> sa.Select[Any]:
    """The elements of a JSON array, as rows."""
    return sa.select(sa.func.json_each(array).table_valued("value").c.value)


def _glob(look: Sequence[Any], tables: Tables, numbered: Parameters) -> Expression:
    value = _value(look, tables)
    return value.op("GLOB", is_comparison=True)(next(numbered))


def _found(look: Sequence[Any], tables: Tables, numbered: Parameters) -> Expression:
    """As `_glob`, by way of the column's index."""
    table, column = look
    there = HERE[table].alias(f"f_{column}")
    value: Expression = there.c[column]
    matches = value.op("GLOB", is_comparison=True)(next(numbered))
    # that it is not NULL follows, and lets SQLite skip those that are
    ids = sa.select(there.c.id).where(value.is_not(None), matches)
    found: Expression = tables[table].c.id.in_(ids)
    return found


def _span(look: Sequence[Any], tables: Tables, numbered: Parameters) -> Expression:
    *_, low, high = look
    value = _value(look, tables)
    terms = [value >= next(numbered)] if low else []
    return sa.and_(*terms, value <= next(numbered)) if high else terms[0]


def _and(look: Sequence[Any], tables: Tables, numbered: Parameters) -> Expression:
    return sa.and_(*(term(each, tables, numbered) for each in look))


def _or(look: Sequence[Any], tables: Tables, numbered: Parameters) -> Expression:
    return sa.or_(*(term(each, tables, numbered) for each in look))


def _odd(look: Sequence[Any], tables: Tables, numbered: Parameters) -> Expression:
    """A look on a column, or for a row that does not fit its columns, on the attribute itself."""
    level, inner = look
    plain = term(inner, tables, numbered)
    table = tables[_BLOBS[level][0] if level in _BLOBS else "instance"]
    odd = table.c.odd == sa.literal_column("1")
    return sa.or_(plain, sa.and_(odd, _holds([level], tables, numbered)))


def _holds(look: Sequence[Any], tables: Tables, numbered: Parameters) -> Expression:
    """A look at the attribute itself."""
    (level,) = look
    key = next(numbered)
    if level is Level.IMAGE:
        instance = tables["instance"]
        described, shared = DESCRIPTION.alias("any_description"), DICTIONARY.alias("any_dictionary")
        json = sa.select(described.c.json).where(described.c.instance == instance.c.id)
        dictionary = sa.select(shared.c.json).where(
            shares(instance, described, shared), described.c.instance == instance.c.id
        )
        blobs: list[Any] = [
            json.correlate(instance).scalar_subquery(),
            sa.null(),
            dictionary.correlate(instance).scalar_subquery(),
        ]
    else:
        name, *columns = _BLOBS[level]
        blobs = [*(tables[name].c[column] for column in columns), sa.null()]
    return sa.func.__getattr__(FUNCTION)(key, *blobs) == sa.literal_column("1")


def _in_study(look: Sequence[Any], tables: Tables, numbered: Parameters) -> Expression:
    """A look at any series or instance of the study."""
    name, inner = look
    series, instance = other("series"), other("instance")
    source: sa.FromClause = series
    if name == "instance":
        source = series.join(instance, instance.c.series == series.c.id)
    held = term(inner, {"series": series, "instance": instance}, numbered)
    found = _some(source)
    study = tables["study"]
    return found.where(series.c.study == study.c.id, held).correlate(study).exists()


def _some(source: sa.FromClause) -> sa.Select[Any]:
    """Whether there is something; for EXISTS."""
    return sa.select(sa.literal_column("1", sa.Integer)).select_from(source)


@lru_cache(maxsize=4)
def other(name: str) -> sa.FromClause:
    """A table once more, for what is in a study beside the entity itself."""
    return HERE[name].alias(f"any_{name}")


def _constant(look: Sequence[Any], _tables: Tables, _numbered: Parameters) -> Expression:
    return sa.literal_column("1" if look[0] else "0") == sa.literal_column("1")


_TERMS: Final[dict[str, Callable[[Sequence[Any], Tables, Parameters], Expression]]] = {
    "equal": _equal,
    "among": _among,
    "glob": _glob,
    "found": _found,
    "span": _span,
    "and": _and,
    "or": _or,
    "odd": _odd,
    "holds": _holds,
    "in_study": _in_study,
    "constant": _constant,
}
