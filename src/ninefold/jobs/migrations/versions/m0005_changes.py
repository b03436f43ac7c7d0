"""What is changed from outside of a worker is noted for a while, for those who follow all jobs."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make the table."""
    number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "ninefold_changes",
        sa.Column("number", number, primary_key=True, autoincrement=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("job", sa.String(128)),
        sa.Column("owner", sa.String(128)),
        sa.Column("data", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
