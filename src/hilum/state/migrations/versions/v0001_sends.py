"""The table of Sends."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table send."""
    op.create_table(
        "send",
        sa.Column("transaction_uid", sa.Text(), nullable=False),
        sa.Column("mount", sa.Text(), nullable=False),
        sa.Column("destination", sa.Text(), nullable=False),
        sa.Column("principal", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column(
            "resource", sa.Text(), nullable=False, comment="it was asked of, below the mount"
        ),
        sa.Column(
            "refs", sa.Text(), nullable=False, comment="JSON: [patient, study, series, instance]"
        ),
        sa.Column("state", sa.Text(), nullable=False, comment="see model.sending.State"),
        sa.Column("remaining", sa.Integer(), nullable=True, comment="NULL where nobody knows"),
        sa.Column("completed", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("warning", sa.Integer(), nullable=False),
        sa.Column(
            "failures", sa.Text(), nullable=False, comment="JSON: [instance, class, reason, text]"
        ),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("asked", sa.Float(), nullable=False, comment="seconds since the epoch"),
        sa.Column("changed", sa.Float(), nullable=False, comment="seconds since the epoch"),
        sa.PrimaryKeyConstraint("transaction_uid", name=op.f("pk_send")),
    )
    op.create_index("ix_send_state_changed", "send", ["state", "changed"], unique=False)


def downgrade() -> None:
    """Forget all Sends."""
    op.drop_table("send")
