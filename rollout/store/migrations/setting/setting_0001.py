"""First tables of the branch setting."""

import sqlalchemy as sa
from alembic import op

revision = "setting_0001"
down_revision = None
branch_labels = ("setting",)
depends_on = None

TABLES = ("setting",)


def _setting() -> None:
    op.create_table(
        "setting",
        sa.Column("service", sa.String(), nullable=False),
        sa.Column("runtime", sa.String(), nullable=False),
        sa.Column("origin", sa.String(), nullable=False),
        sa.Column("at", sa.String(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("service"),
    )


def upgrade() -> None:
    """All tables are there."""
    _setting()


def downgrade() -> None:
    """All tables are gone."""
    for table in reversed(TABLES):
        op.drop_table(table)
