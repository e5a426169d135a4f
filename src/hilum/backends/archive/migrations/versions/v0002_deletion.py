"""Files that are to be removed."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table doomed."""
    op.create_table(
        "doomed",
        sa.Column("file", sa.BigInteger(), nullable=False, comment="to be removed, see `removal`"),
        sa.PrimaryKeyConstraint("file", name=op.f("pk_doomed")),
    )


def downgrade() -> None:
    """Drop it; what is in it would be taken in again."""
    op.drop_table("doomed")
