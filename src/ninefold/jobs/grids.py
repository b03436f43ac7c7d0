"""Grids as the database holds them: the axes of a group, whose jobs are the cells."""

from __future__ import annotations

import json
from collections.abc import Sequence

import sqlalchemy as sa

from ninefold.core.values import Json
from ninefold.jobs.admission import WriteWithJobs
from ninefold.jobs.listing import JOBS
from ninefold.jobs.naming import group_of
from ninefold.jobs.tables import TABLES

GRIDS = sa.Table(
    "ninefold_grids",
    TABLES,
    sa.Column("group_id", sa.String(128), primary_key=True),
    #: As JSON, for whoever made the grid.
    sa.Column("axes", sa.Text, nullable=False),
)


def writer_of(axes: Json) -> WriteWithJobs:
    """What stores the axes of a grid, and what else its page says, in the transaction that stores
    its jobs."""

    def write(connection: sa.Connection, job_ids: Sequence[str]) -> None:
        jobs = sa.select(JOBS.c.group_id).where(JOBS.c.group_id == GRIDS.c.group_id)
        connection.execute(sa.delete(GRIDS).where(~jobs.exists()))  # whose cells are all deleted
        row = {"group_id": group_of(job_ids[0]), "axes": json.dumps(axes)}
        connection.execute(sa.insert(GRIDS), [row])

    return write


def axes_of(engine: sa.Engine, group: str) -> Json | None:
    """What was stored of a grid; None where there is no such grid."""
    with engine.connect() as connection:
        text = connection.scalar(sa.select(GRIDS.c.axes).where(GRIDS.c.group_id == group))
    axes: Json | None = None if text is None else json.loads(text)
    return axes
