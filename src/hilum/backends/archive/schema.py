"""What tables the index of an archive has.

The files are the truth; all of this can be made again from them. A change here needs a migration.
"""

from typing import Final

import sqlalchemy as sa

HEAD: Final = "0003"
"""The migration that makes what is described here."""

METADATA: Final = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _text(name: str, *, index: bool = False) -> sa.Column[str | None]:
    """A value to search by; NULL when absent, malformed or several (then `odd` is set)."""
    return sa.Column(name, sa.Text, index=index)


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=False, server_default="0")


def _lines(name: str) -> sa.Column[bytes]:
    """Attributes as lines of `TAG":{...}` in the order of their tags: JSON, ready to be joined."""
    return sa.Column(name, sa.LargeBinary, nullable=False)


def _id() -> sa.Column[int]:
    return sa.Column("id", sa.Integer, primary_key=True)


def _odd() -> sa.Column[int]:
    """1 when some attribute does not fit its column, so that `hilum_holds` must look at it."""
    return sa.Column("odd", sa.Integer, nullable=False, server_default="0")


def _parent(table: str) -> sa.Column[int]:
    return sa.Column(table, sa.Integer, sa.ForeignKey(f"{table}.id"), nullable=False)


PATIENT: Final = sa.Table(
    "patient",
    METADATA,
    _id(),
    sa.Column("patient_id", sa.Text, nullable=False),
    sa.Column("issuer", sa.Text, nullable=False),
    sa.Column("lone", sa.Text, nullable=False, comment="Study Instance UID where there is no ID"),
    sa.Column("first_study", sa.Integer, comment="whose attributes are the patient's"),
    sa.UniqueConstraint("patient_id", "issuer", "lone"),
)

STUDY: Final = sa.Table(
    "study",
    METADATA,
    _id(),
    _parent("patient"),
    sa.Column("study_instance_uid", sa.Text, nullable=False, unique=True),
    sa.Column("first_instance", sa.BigInteger, comment="whose attributes are the study's"),
    _text("patient_id", index=True),
    _text("issuer"),
    _text("birth_date", index=True),
    _text("sex"),
    _text("patient_name_a", index=True),
    _text("patient_name_i", index=True),
    _text("patient_name_p", index=True),
    _text("study_date", index=True),
    _text("study_time"),
    _text("accession_number", index=True),
    _text("study_id"),
    _text("description"),
    _text("referring_name_a"),
    _text("referring_name_i"),
    _text("referring_name_p"),
    _text("timezone"),
    _odd(),
    sa.Column("modalities", sa.LargeBinary, nullable=False, comment="a JSON array"),
    _count("n_series"),
    _count("n_instances"),
    _lines("patient_answer"),
    _lines("patient_more"),
    _lines("study_answer"),
    _lines("study_more"),
    sa.Index("ix_study_patient", "patient"),
    sa.Index("ix_study_odd", "odd", sqlite_where=sa.text("odd = 1")),
)

SERIES: Final = sa.Table(
    "series",
    METADATA,
    _id(),
    _parent("study"),
    sa.Column("series_instance_uid", sa.Text, nullable=False, index=True),
    sa.Column("first_instance", sa.BigInteger, comment="whose attributes are the series'"),
    _text("modality"),
    sa.Column("series_number", sa.Numeric(asdecimal=False)),
    _text("description"),
    _text("body_part"),
    _text("step_date", index=True),
    _text("step_time"),
    _text("timezone"),
    _odd(),
    _count("n_instances"),
    _lines("answer"),
    _lines("more"),
    sa.UniqueConstraint("study", "series_instance_uid"),
)

INSTANCE: Final = sa.Table(
    "instance",
    METADATA,
    sa.Column("id", sa.BigInteger, primary_key=True, comment="names its file, see `files`"),
    _parent("series"),
    sa.Column("sop_instance_uid", sa.Text, nullable=False, unique=True),
    sa.Column("sop_class_uid", sa.Text, nullable=False),
    sa.Column("transfer_syntax_uid", sa.Text, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False, comment="bytes of the data set"),
    sa.Column("crc", sa.BigInteger, nullable=False, comment="CRC-32 of the data set"),
    sa.Column("instance_number", sa.Numeric(asdecimal=False)),
    _text("timezone"),
    _odd(),
    _lines("answer"),
    sa.Index("ix_instance_series", "series"),
)

DESCRIPTION: Final = sa.Table(
    "description",
    METADATA,
    sa.Column("instance", sa.BigInteger, sa.ForeignKey("instance.id"), primary_key=True),
    sa.Column("shared", sa.Integer, nullable=False, comment="1: with the series' dictionary"),
    sa.Column("json", sa.LargeBinary, nullable=False, comment="DICOM JSON, see `deflated`"),
)

DICTIONARY: Final = sa.Table(
    "dictionary",
    METADATA,
    sa.Column("series", sa.Integer, sa.ForeignKey("series.id"), primary_key=True),
    sa.Column("json", sa.LargeBinary, nullable=False, comment="of its first instance, deflated"),
)
"""What the metadata of a series are deflated against; as long as there is the series."""

MARK: Final = sa.Table(
    "mark",
    METADATA,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)
"""What the archive remembers of itself: `swept`, the oldest day (2026/11/21) of which rows may
not have reached the disk."""

DOOMED: Final = sa.Table(
    "doomed",
    METADATA,
    sa.Column("file", sa.BigInteger, primary_key=True, comment="to be removed, see `removal`"),
)
"""Files of instances that were deleted, until they are gone."""

CHANGED: Final = sa.Table(
    "changed",
    METADATA,
    sa.Column("study_instance_uid", sa.Text, primary_key=True),
    sa.Column(
        "at", sa.BigInteger, nullable=False, index=True, comment="nanoseconds since the epoch"
    ),
)
"""Studies that were stored, added to or deleted, until somebody was told: see `core.changes`. It is
written where anybody wants to know, in the transaction that changes their rows."""
