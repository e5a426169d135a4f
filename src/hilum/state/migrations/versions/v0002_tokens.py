"""The table of issued tokens."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table token."""
    op.create_table(
        "token",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False, comment="of the whole text"),
        sa.Column("rights", sa.Text(), nullable=False, comment="JSON: see model.principal.Right"),
        sa.Column("mounts", sa.Text(), nullable=False, comment="JSON: AE titles, or *"),
        sa.Column("created", sa.Float(), nullable=False, comment="seconds since the epoch"),
        sa.Column("expires", sa.Float(), nullable=True, comment="NULL: never"),
        sa.Column("last_used", sa.Float(), nullable=True, comment="about; NULL: never"),
        sa.Column("revoked", sa.Float(), nullable=True, comment="when; NULL: it is not"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_token")),
    )


def downgrade() -> None:
    """Forget all tokens."""
    op.drop_table("token")
