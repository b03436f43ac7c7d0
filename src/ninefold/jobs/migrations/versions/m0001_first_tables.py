"""The tables as versions without migrations made them, one part at a time: those that a database
has already are left as they are."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables that are missing."""
    op.create_table(
        "ninefold_schema", sa.Column("version", sa.Integer, nullable=False), if_not_exists=True
    )
    op.execute(
        "INSERT INTO ninefold_schema (version) "
        "SELECT 1 WHERE NOT EXISTS (SELECT version FROM ninefold_schema)"
    )
    op.create_table(
        "ninefold_workers",
        sa.Column("id", sa.String(128), primary_key=True),
        sa.Column("beat", sa.BigInteger, nullable=False),
        if_not_exists=True,
    )
    _service()
    _webhooks()
    _sdapi()


def _service() -> None:
    op.create_table(
        "ninefold_keys",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("scopes", sa.String(100), nullable=False),
        sa.Column("rate", sa.Float),
        sa.Column("max_queued", sa.Integer),
        sa.Column("created_at", sa.String(32), nullable=False),
        sa.Column("revoked_at", sa.String(32)),
        if_not_exists=True,
    )
    op.create_table(
        "ninefold_secrets",
        sa.Column("name", sa.String(32), primary_key=True),
        sa.Column("value", sa.String(64), nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "ninefold_uploads",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("owner", sa.String(32), primary_key=True),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("media_type", sa.String(32), nullable=False),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("height", sa.Integer, nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("created_at", sa.String(32), nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "ninefold_rates",
        sa.Column("name", sa.String(32), primary_key=True),
        sa.Column("tokens", sa.Float(53), nullable=False),
        sa.Column("at", sa.Float(53), nullable=False),
        if_not_exists=True,
    )


def _webhooks() -> None:
    op.create_table(
        "ninefold_webhooks",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("subject", sa.String(128), nullable=False),
        sa.Column("group_id", sa.String(128)),
        sa.Column("owner", sa.String(128)),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("next_at", sa.BigInteger),
        sa.Column("delivered_at", sa.BigInteger),
        sa.Column("status", sa.Integer),
        sa.Column("error", sa.Text),
        sa.UniqueConstraint("kind", "subject", name="ninefold_webhooks_subject"),
        if_not_exists=True,
    )
    _index("ninefold_webhooks_next", "ninefold_webhooks", "state", "next_at")
    _index("ninefold_webhooks_group", "ninefold_webhooks", "group_id", "state")


def _sdapi() -> None:
    op.create_table(
        "ninefold_sdapi_options",
        sa.Column("owner", sa.String(32), primary_key=True),
        sa.Column("model", sa.String(200), nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "ninefold_sdapi_kept",
        sa.Column("owner", sa.String(32), primary_key=True),
        sa.Column("name", sa.String(80), primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "ninefold_sdapi_sessions",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("owner", sa.String(32), nullable=False),
        sa.Column("task_id", sa.String(200)),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("group_id", sa.String(128), nullable=False),
        sa.Column("started", sa.Float, nullable=False),
        sa.Column("interrupted", sa.Boolean, nullable=False),
        sa.Column("skipped", sa.String(128)),
        if_not_exists=True,
    )
    _index("ix_ninefold_sdapi_sessions_owner", "ninefold_sdapi_sessions", "owner")


def _index(name: str, table: str, *columns: str) -> None:
    op.create_index(name, table, columns, if_not_exists=True)
