"""Layouts are numbered by migrations from here on; versions without them refuse the database."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Set the number that those versions look at to one that they do not know."""
    op.execute("UPDATE ninefold_schema SET version = 2")
    op.drop_table("ninefold_layouts", if_exists=True)
