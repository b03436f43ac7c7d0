"""Which process a worker is: null for workers of versions that do not tell."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add the columns."""
    for column in (
        sa.Column("kind", sa.String(16)),
        sa.Column("host", sa.String(255)),
        sa.Column("pid", sa.Integer),
        sa.Column("started_at", sa.BigInteger),
        sa.Column("version", sa.String(64)),
    ):
        op.add_column("ninefold_workers", column)
