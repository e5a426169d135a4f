"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables patient, study, series, instance, description, dictionary, mark."""
    op.create_table(
        "mark",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_mark")),
    )
    op.create_table(
        "patient",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("patient_id", sa.Text(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column(
            "lone", sa.Text(), nullable=False, comment="Study Instance UID where there is no ID"
        ),
        sa.Column(
            "first_study", sa.Integer(), nullable=True, comment="whose attributes are the patient's"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_patient")),
        sa.UniqueConstraint(
            "patient_id", "issuer", "lone", name=op.f("uq_patient_patient_id_issuer_lone")
        ),
    )
    op.create_table(
        "study",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("patient", sa.Integer(), nullable=False),
        sa.Column("study_instance_uid", sa.Text(), nullable=False),
        sa.Column(
            "first_instance",
            sa.BigInteger(),
            nullable=True,
            comment="whose attributes are the study's",
        ),
        sa.Column("patient_id", sa.Text(), nullable=True),
        sa.Column("issuer", sa.Text(), nullable=True),
        sa.Column("birth_date", sa.Text(), nullable=True),
        sa.Column("sex", sa.Text(), nullable=True),
        sa.Column("patient_name_a", sa.Text(), nullable=True),
        sa.Column("patient_name_i", sa.Text(), nullable=True),
        sa.Column("patient_name_p", sa.Text(), nullable=True),
        sa.Column("study_date", sa.Text(), nullable=True),
        sa.Column("study_time", sa.Text(), nullable=True),
        sa.Column("accession_number", sa.Text(), nullable=True),
        sa.Column("study_id", sa.Text(), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("referring_name_a", sa.Text(), nullable=True),
        sa.Column("referring_name_i", sa.Text(), nullable=True),
        sa.Column("referring_name_p", sa.Text(), nullable=True),
        sa.Column("timezone", sa.Text(), nullable=True),
        sa.Column("odd", sa.Integer(), server_default="0", nullable=False),
        sa.Column("modalities", sa.LargeBinary(), nullable=False, comment="a JSON array"),
        sa.Column("n_series", sa.Integer(), server_default="0", nullable=False),
        sa.Column("n_instances", sa.Integer(), server_default="0", nullable=False),
        sa.Column("patient_answer", sa.LargeBinary(), nullable=False),
        sa.Column("patient_more", sa.LargeBinary(), nullable=False),
        sa.Column("study_answer", sa.LargeBinary(), nullable=False),
        sa.Column("study_more", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["patient"], ["patient.id"], name=op.f("fk_study_patient")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_study")),
        sa.UniqueConstraint("study_instance_uid", name=op.f("uq_study_study_instance_uid")),
    )
    with op.batch_alter_table("study", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_study_accession_number"), ["accession_number"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_study_birth_date"), ["birth_date"], unique=False)
        batch_op.create_index(
            "ix_study_odd", ["odd"], unique=False, sqlite_where=sa.text("odd = 1")
        )
        batch_op.create_index("ix_study_patient", ["patient"], unique=False)
        batch_op.create_index(batch_op.f("ix_study_patient_id"), ["patient_id"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_study_patient_name_a"), ["patient_name_a"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_study_patient_name_i"), ["patient_name_i"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_study_patient_name_p"), ["patient_name_p"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_study_study_date"), ["study_date"], unique=False)

    op.create_table(
        "series",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("study", sa.Integer(), nullable=False),
        sa.Column("series_instance_uid", sa.Text(), nullable=False),
        sa.Column(
            "first_instance",
            sa.BigInteger(),
            nullable=True,
            comment="whose attributes are the series'",
        ),
        sa.Column("modality", sa.Text(), nullable=True),
        sa.Column("series_number", sa.Numeric(asdecimal=False), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("body_part", sa.Text(), nullable=True),
        sa.Column("step_date", sa.Text(), nullable=True),
        sa.Column("step_time", sa.Text(), nullable=True),
        sa.Column("timezone", sa.Text(), nullable=True),
        sa.Column("odd", sa.Integer(), server_default="0", nullable=False),
        sa.Column("n_instances", sa.Integer(), server_default="0", nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=False),
        sa.Column("more", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["study"], ["study.id"], name=op.f("fk_series_study")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_series")),
        sa.UniqueConstraint(
            "study", "series_instance_uid", name=op.f("uq_series_study_series_instance_uid")
        ),
    )
    with op.batch_alter_table("series", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_series_series_instance_uid"), ["series_instance_uid"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_series_step_date"), ["step_date"], unique=False)

    op.create_table(
        "dictionary",
        sa.Column("series", sa.Integer(), nullable=False),
        sa.Column(
            "json", sa.LargeBinary(), nullable=False, comment="of its first instance, deflated"
        ),
        sa.ForeignKeyConstraint(["series"], ["series.id"], name=op.f("fk_dictionary_series")),
        sa.PrimaryKeyConstraint("series", name=op.f("pk_dictionary")),
    )
    op.create_table(
        "instance",
        sa.Column("id", sa.BigInteger(), nullable=False, comment="names its file, see `files`"),
        sa.Column("series", sa.Integer(), nullable=False),
        sa.Column("sop_instance_uid", sa.Text(), nullable=False),
        sa.Column("sop_class_uid", sa.Text(), nullable=False),
        sa.Column("transfer_syntax_uid", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False, comment="bytes of the data set"),
        sa.Column("crc", sa.BigInteger(), nullable=False, comment="CRC-32 of the data set"),
        sa.Column("instance_number", sa.Numeric(asdecimal=False), nullable=True),
        sa.Column("timezone", sa.Text(), nullable=True),
        sa.Column("odd", sa.Integer(), server_default="0", nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["series"], ["series.id"], name=op.f("fk_instance_series")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_instance")),
        sa.UniqueConstraint("sop_instance_uid", name=op.f("uq_instance_sop_instance_uid")),
    )
    with op.batch_alter_table("instance", schema=None) as batch_op:
        batch_op.create_index("ix_instance_series", ["series"], unique=False)

    op.create_table(
        "description",
        sa.Column("instance", sa.BigInteger(), nullable=False),
        sa.Column("shared", sa.Integer(), nullable=False, comment="1: with the series' dictionary"),
        sa.Column("json", sa.LargeBinary(), nullable=False, comment="DICOM JSON, see `deflated`"),
        sa.ForeignKeyConstraint(
            ["instance"], ["instance.id"], name=op.f("fk_description_instance")
        ),
        sa.PrimaryKeyConstraint("instance", name=op.f("pk_description")),
    )


def downgrade() -> None:
    """Drop all; the files stay, and the index can be made from them again."""
    for table in ("mark", "description", "dictionary", "instance", "series", "study", "patient"):
        op.drop_table(table)
