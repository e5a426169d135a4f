"""The table of the ids of FHIR's Patients."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table patient."""
    op.create_table(
        "patient",
        sa.Column("id", sa.Text(), nullable=False, comment="that FHIR knows the patient by"),
        sa.Column("mount", sa.Text(), nullable=False),
        sa.Column("patient_id", sa.Text(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column(
            "study",
            sa.Text(),
            nullable=False,
            comment="where there is no Patient ID, else empty",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_patient")),
    )
    columns = ["mount", "patient_id", "issuer", "study"]
    op.create_index("ix_patient_known", "patient", columns, unique=True)


def downgrade() -> None:
    """Forget all ids."""
    op.drop_table("patient")
