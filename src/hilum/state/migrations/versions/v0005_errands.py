"""The table of errands."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table errand."""
    op.create_table(
        "errand",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False, comment="who does it"),
        sa.Column("target", sa.Text(), nullable=False, comment="for whom"),
        sa.Column("key", sa.Text(), nullable=False, comment="what it is about"),
        sa.Column("payload", sa.Text(), nullable=False, comment="JSON"),
        sa.Column("version", sa.Integer(), nullable=False, comment="grows when a newer one came"),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created", sa.Float(), nullable=False, comment="seconds since the epoch"),
        sa.Column("due", sa.Float(), nullable=False, comment="seconds since the epoch"),
        sa.Column("dead", sa.Integer(), nullable=False, comment="1: given up"),
        sa.Column("reason", sa.Text(), nullable=False, comment="of the last failure"),
        sa.Column("leased_by", sa.Text(), nullable=False, comment="empty: nobody does it"),
        sa.Column("lease", sa.Text(), nullable=False, comment="names one claim"),
        sa.Column("leased_until", sa.Float(), nullable=False, comment="seconds since the epoch"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_errand")),
    )
    op.create_index("ix_errand_about", "errand", ["kind", "target", "key"], unique=True)
    op.create_index("ix_errand_due", "errand", ["kind", "dead", "due"], unique=False)
    columns = ["kind", "target", "dead", "due"]
    op.create_index("ix_errand_due_for", "errand", columns, unique=False)


def downgrade() -> None:
    """Forget all errands."""
    op.drop_table("errand")
