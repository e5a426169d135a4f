"""The table of sessions."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table session."""
    op.create_table(
        "session",
        sa.Column("sha256", sa.LargeBinary(), nullable=False, comment="of what the browser has"),
        sa.Column("sealed", sa.LargeBinary(), nullable=False, comment="the token, see sessions"),
        sa.Column("began", sa.Float(), nullable=False, comment="seconds since the epoch"),
        sa.Column("expires", sa.Float(), nullable=False, comment="seconds since the epoch"),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_session")),
    )
    op.create_index("ix_session_expires", "session", ["expires"], unique=False)


def downgrade() -> None:
    """Forget all sessions."""
    op.drop_table("session")
