"""Studies whose change is to be told."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table changed."""
    op.create_table(
        "changed",
        sa.Column("study_instance_uid", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False, comment="nanoseconds since the epoch"),
        sa.PrimaryKeyConstraint("study_instance_uid", name=op.f("pk_changed")),
    )
    op.create_index(op.f("ix_changed_at"), "changed", ["at"], unique=False)


def downgrade() -> None:
    """Drop it; what is in it is told nobody."""
    op.drop_table("changed")
