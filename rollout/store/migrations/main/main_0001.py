"""First tables of the branch main."""

import sqlalchemy as sa
from alembic import op

revision = "main_0001"
down_revision = None
branch_labels = ("main",)
depends_on = None

TABLES = ("counter", "policy", "service", "active_policy", "block", "pin", "placement", "release")


def _counter() -> None:
    op.create_table(
        "counter",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("value", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )


def _policy() -> None:
    op.create_table(
        "policy",
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("stored", sa.String(), nullable=False),
        sa.Column("stored_by", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("hash"),
    )


def _service() -> None:
    op.create_table(
        "service",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("environment", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("customer", sa.String(), nullable=False),
        sa.Column("tier", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("spec", sa.JSON(), nullable=False),
        sa.Column("env", sa.JSON(), nullable=False),
        sa.Column("settings_hash", sa.String(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("engine", sa.String(), nullable=True),
        sa.Column("has_command", sa.Boolean(), nullable=False),
        sa.Column("only_image", sa.Boolean(), nullable=False),
        sa.Column("fixed_port", sa.Boolean(), nullable=False),
        sa.Column("has_volume", sa.Boolean(), nullable=False),
        sa.Column("draining_s", sa.Float(), nullable=False),
        sa.Column("health_timeout_s", sa.Float(), nullable=False),
        sa.Column("created", sa.String(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("asked_for_v2", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_service_name"), "service", ["name"], unique=False)
    op.create_index("service_by_tier", "service", ["tier", "customer", "name"], unique=False)


def _active_policy() -> None:
    op.create_table(
        "active_policy",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("since", sa.String(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["hash"],
            ["policy.hash"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )


def _block() -> None:
    op.create_table(
        "block",
        sa.Column("service", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("created", sa.String(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["service"], ["service.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("service"),
    )


def _pin() -> None:
    op.create_table(
        "pin",
        sa.Column("service", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("created", sa.String(), nullable=False),
        sa.Column("expires", sa.String(), nullable=True),
        sa.Column("blocker", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["service"], ["service.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("service"),
    )


def _placement() -> None:
    op.create_table(
        "placement",
        sa.Column("service", sa.String(), nullable=False),
        sa.Column("runtime", sa.String(), nullable=False),
        sa.Column("release", sa.Integer(), nullable=False),
        sa.Column("token", sa.String(), nullable=False),
        sa.Column("replicas", sa.Integer(), nullable=False),
        sa.Column("weight", sa.Integer(), nullable=False),
        sa.Column("since", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["service"], ["service.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("service", "runtime"),
    )


def _release() -> None:
    op.create_table(
        "release",
        sa.Column("service", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("created", sa.String(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("spec", sa.JSON(), nullable=False),
        sa.Column("env", sa.JSON(), nullable=False),
        sa.Column("image", sa.String(), nullable=False),
        sa.Column("image_config", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["service"], ["service.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("service", "number"),
    )
    op.create_index(
        "release_with_image",
        "release",
        ["service", "number", "image"],
        unique=False,
        sqlite_where=sa.text("image <> ''"),
        postgresql_where=sa.text("image <> ''"),
    )


def upgrade() -> None:
    """All tables are there."""
    _counter()
    _policy()
    _service()
    _active_policy()
    _block()
    _pin()
    _placement()
    _release()


def downgrade() -> None:
    """All tables are gone."""
    for table in reversed(TABLES):
        op.drop_table(table)
