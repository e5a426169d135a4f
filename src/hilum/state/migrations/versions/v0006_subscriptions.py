"""The tables of subscriptions, and of what was seen."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables subscription and seen."""
    op.create_table(
        "subscription",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("mount", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("root", sa.Text(), nullable=False, comment="FHIR's, as the owner sees it"),
        sa.Column("status", sa.Text(), nullable=False, comment="as FHIR has it"),
        sa.Column("error", sa.Text(), nullable=False, comment="why it is in error"),
        sa.Column(
            "owner", sa.Text(), nullable=False, comment="JSON: see model.principal.Principal"
        ),
        sa.Column(
            "said", sa.Text(), nullable=False, comment="JSON: the resource without its secrets"
        ),
        sa.Column("headers", sa.Text(), nullable=False, comment="JSON; secret"),
        sa.Column("changed", sa.Float(), nullable=False, comment="seconds since the epoch"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subscription")),
    )
    op.create_index("ix_subscription_mount", "subscription", ["mount"], unique=False)
    op.create_table(
        "seen",
        sa.Column("mount", sa.Text(), nullable=False),
        sa.Column("study", sa.Text(), nullable=False, comment="empty: it was looked at once"),
        sa.Column("digest", sa.Text(), nullable=False, comment="of what was said of the study"),
        sa.PrimaryKeyConstraint("mount", "study", name=op.f("pk_seen")),
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("seen")
    op.drop_index("ix_subscription_mount", table_name="subscription")
    op.drop_table("subscription")
