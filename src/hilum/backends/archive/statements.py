"""Which statements change the index.

Named parameters are columns' names where they are values for them, else `row` and `uid` for what
is looked up, and `d_...` for what is added to a count.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from hilum.backends.archive.schema import (
    CHANGED,
    DESCRIPTION,
    DICTIONARY,
    DOOMED,
    INSTANCE,
    MARK,
    PATIENT,
    SERIES,
    STUDY,
)

_COUNTS: Final = ("n_series", "n_instances")
_FIXED: Final = frozenset(
    ("id", "study", "study_instance_uid", "series_instance_uid", "modalities", *_COUNTS)
)
"""Columns that stay when a row takes the attributes of another instance."""

_ONE: Final = sa.literal_column("1", sa.Integer)
_ROW: Final = sa.bindparam("row", type_=sa.Integer)
_UID: Final = sa.bindparam("uid", type_=sa.Text)


class Statement:
    """A statement as the driver takes it, and the order of its parameters."""

    __slots__ = ("_order", "text")

    def __init__(
        self, statement: sa.Executable, dialect: sa.Dialect, columns: Sequence[str] | None = None
    ) -> None:
        compiled = statement.compile(dialect=dialect, column_keys=columns)  # type: ignore[attr-defined] # all here have it
        self.text = str(compiled)
        self._order: tuple[str, ...] = tuple(compiled.positiontup or ())

    def values(self, parameters: Mapping[str, Any]) -> list[Any]:
        """The parameters in their order; `parameters` may hold more."""
        return [parameters[name] for name in self._order]


def statements(dialect: sa.Dialect) -> dict[str, Statement]:
    """All statements by name."""
    plain = {**_instances(), **_counts(), **_lookups(), **_states(), **_drops(), **_changes()}
    ready = {name: Statement(each, dialect) for name, each in plain.items()}
    for name, (each, columns) in _with_columns().items():
        ready[name] = Statement(each, dialect, columns)
    return ready


def _columns(table: sa.Table, left_out: frozenset[str] | set[str]) -> list[str]:
    return [column.name for column in table.columns if column.name not in left_out]


def _with_columns() -> dict[str, tuple[sa.Executable, list[str]]]:
    """Statements whose parameters are a row's columns."""
    return {
        "add_patient": (sa.insert(PATIENT), _columns(PATIENT, {"id", "first_study"})),
        "add_study": (sa.insert(STUDY), _columns(STUDY, {"id"})),
        "add_series": (sa.insert(SERIES), _columns(SERIES, {"id"})),
        "add_instance": (
            sqlite.insert(INSTANCE).on_conflict_do_nothing(index_elements=["sop_instance_uid"]),
            _columns(INSTANCE, set()),
        ),
        "add_dictionary": (sa.insert(DICTIONARY), _columns(DICTIONARY, set())),
        "add_description": (sa.insert(DESCRIPTION), _columns(DESCRIPTION, set())),
        "doom": (sa.insert(DOOMED), _columns(DOOMED, set())),
        "remember": (sa.insert(MARK).prefix_with("OR REPLACE"), _columns(MARK, set())),
        "change_study": (sa.update(STUDY).where(STUDY.c.id == _ROW), _columns(STUDY, _FIXED)),
        "change_series": (sa.update(SERIES).where(SERIES.c.id == _ROW), _columns(SERIES, _FIXED)),
        "set_modalities": (sa.update(STUDY).where(STUDY.c.id == _ROW), ["modalities"]),
    }


def _instances() -> dict[str, sa.Executable]:
    row = INSTANCE.c
    return {
        "find": sa.select(row.id, row.size, row.crc, row.transfer_syntax_uid).where(
            row.sop_instance_uid == _UID
        ),
        "sizes": sa.select(row.id, row.size).where(
            row.id >= _number("low"), row.id < _number("high")
        ),
        "newest": sa.select(sa.func.max(row.id)),
        "above": sa.select(SERIES.c.id, STUDY.c.id, STUDY.c.patient)
        .select_from(INSTANCE.join(SERIES).join(STUDY))
        .where(row.id == _ROW),
        "recall": sa.select(MARK.c.value).where(MARK.c.name == _UID),
    }


def _number(name: str) -> sa.BindParameter[int]:
    return sa.bindparam(name, type_=sa.Integer)


def _counts() -> dict[str, sa.Executable]:
    series, instances = _number("d_series"), _number("d_instances")
    first, study = _number("first"), _number("d_study")
    return {
        "count_series": sa.update(SERIES)
        .where(SERIES.c.id == _ROW)
        .values(
            n_instances=SERIES.c.n_instances + instances,
            first_instance=sa.func.coalesce(SERIES.c.first_instance, first),
        ),
        "count_study": sa.update(STUDY)
        .where(STUDY.c.id == _ROW)
        .values(
            n_series=STUDY.c.n_series + series,
            n_instances=STUDY.c.n_instances + instances,
            first_instance=sa.func.coalesce(STUDY.c.first_instance, first),
        ),
        "first_study": sa.update(PATIENT)
        .where(
            PATIENT.c.id == _ROW,
            sa.or_(PATIENT.c.first_study.is_(None), PATIENT.c.first_study > study),
        )
        .values(first_study=study),
        "next_study": sa.update(PATIENT)
        .where(PATIENT.c.id == _ROW)
        .values(
            first_study=sa.select(sa.func.min(STUDY.c.id))
            .where(STUDY.c.patient == PATIENT.c.id)
            .scalar_subquery()
        ),
    }


def _lookups() -> dict[str, sa.Executable]:
    study = _number("study")
    return {
        "find_study": sa.select(
            STUDY.c.id,
            STUDY.c.patient,
            STUDY.c.modalities,
            PATIENT.c.patient_id,
            PATIENT.c.issuer,
            PATIENT.c.lone,
        )
        .select_from(STUDY.join(PATIENT))
        .where(STUDY.c.study_instance_uid == _UID),
        "find_series": sa.select(SERIES.c.id, DICTIONARY.c.json)
        .select_from(SERIES.outerjoin(DICTIONARY))
        .where(SERIES.c.study == study, SERIES.c.series_instance_uid == _UID),
        "find_patient": sa.select(PATIENT.c.id).where(
            *(PATIENT.c[name] == sa.bindparam(name) for name in ("patient_id", "issuer", "lone"))
        ),
        "modalities": sa.select(SERIES.c.modality)
        .distinct()
        .where(SERIES.c.study == study, SERIES.c.modality.is_not(None)),
    }


def _states() -> dict[str, sa.Executable]:
    """What is left of a row after an instance below it went."""
    oldest = (
        sa.select(INSTANCE.c.id, DESCRIPTION.c.json, DICTIONARY.c.json)
        .select_from(
            INSTANCE.join(DESCRIPTION)
            .join(SERIES)
            .outerjoin(
                DICTIONARY, (DICTIONARY.c.series == SERIES.c.id) & (DESCRIPTION.c.shared == _ONE)
            )
        )
        .order_by(INSTANCE.c.id)
    )
    series, study, patient = SERIES.c, STUDY.c, PATIENT.c
    return {
        "series_state": sa.select(series.n_instances, series.first_instance).where(
            series.id == _ROW
        ),
        "study_state": sa.select(study.n_instances, study.first_instance).where(study.id == _ROW),
        "patient_state": sa.select(
            sa.select(sa.func.count()).where(study.patient == _ROW).scalar_subquery(),
            patient.first_study,
        ).where(patient.id == _ROW),
        "oldest_in_series": oldest.where(series.id == _ROW),
        "oldest_in_study": oldest.where(series.study == _ROW),
    }


def _drops() -> dict[str, sa.Executable]:
    return {
        "drop_instance": sa.delete(INSTANCE).where(INSTANCE.c.id == _ROW),
        "drop_description": sa.delete(DESCRIPTION).where(DESCRIPTION.c.instance == _ROW),
        "drop_dictionary": sa.delete(DICTIONARY).where(DICTIONARY.c.series == _ROW),
        "drop_series": sa.delete(SERIES).where(SERIES.c.id == _ROW),
        "drop_study": sa.delete(STUDY).where(STUDY.c.id == _ROW),
        "drop_patient": sa.delete(PATIENT).where(PATIENT.c.id == _ROW),
        "doomed": sa.select(DOOMED.c.file),
        "bury": sa.delete(DOOMED).where(DOOMED.c.file == _ROW),
        "forget": sa.delete(MARK).where(MARK.c.name == _UID),
    }


def _changes() -> dict[str, sa.Executable]:
    """What is remembered of studies that changed."""
    added = sqlite.insert(CHANGED).values(study_instance_uid=_UID, at=_number("at"))
    return {
        "tell": added.on_conflict_do_update(
            index_elements=["study_instance_uid"], set_={"at": added.excluded.at}
        ),
        "tell_all": sa.insert(CHANGED)
        .prefix_with("OR IGNORE")
        .from_select(
            ["study_instance_uid", "at"], sa.select(STUDY.c.study_instance_uid, _number("at"))
        ),
        "settle": sa.delete(CHANGED).where(
            CHANGED.c.study_instance_uid == _UID, CHANGED.c.at == _number("at")
        ),
        "study_uid": sa.select(STUDY.c.study_instance_uid).where(STUDY.c.id == _ROW),
    }
