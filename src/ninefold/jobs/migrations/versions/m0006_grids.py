"""What the axes of a grid are: its cells are the jobs of a group."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "ninefold_grids",
        sa.Column("group_id", sa.String(128), primary_key=True),
        sa.Column("axes", sa.Text, nullable=False),
    )
