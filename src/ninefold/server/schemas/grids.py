"""Grids as they are shown."""

from __future__ import annotations

from pydantic import Field

from ninefold import job_schema
from ninefold.server.schemas.base import AnswerModel
from ninefold.server.schemas.jobs import JobSummary


class GridAxisDocument(AnswerModel, job_schema.GridAxis):
    """An axis of a grid."""


class GridCell(AnswerModel, job_schema.GridCell):
    """A cell, by the numbers of its values."""

    job: JobSummary | None = Field(description="Null once it was deleted.")


class GridDocument(AnswerModel, job_schema.Grid):
    """A grid: a group of the same id, whose jobs are the cells."""

    x: GridAxisDocument
    y: GridAxisDocument | None
    cells: tuple[GridCell, ...] = Field(description="Row by row: x changes first.")
