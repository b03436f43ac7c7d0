"""Many jobs: listed, changed, moved, forgotten; the queue, and families."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from ninefold import job_schema
from ninefold.core.priority import MAX_PRIORITY
from ninefold.server.schemas.base import AnswerModel, JobIdText, RequestModel
from ninefold.server.schemas.jobs import JobSummary


class JobPage(AnswerModel):
    """Some jobs, the newest first."""

    jobs: list[JobSummary]
    next_cursor: str | None = Field(description="Give it as `cursor` for the next ones.")
    total: int | None = Field(description="How many match in all; null unless `count` was true.")


class ChangeRequest(RequestModel):
    """What is to be changed of a job; what is left out stays."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"favourite": True}]})

    favourite: bool | None = Field(None, strict=True)
    priority: Annotated[int, Field(ge=1, le=MAX_PRIORITY, strict=True)] | None = Field(
        None, description="Of a job that waits; smaller numbers run first."
    )


class MoveRequest(RequestModel):
    """Where a job that waits goes, among the jobs of its priority."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"to": "first"}]})

    to: Literal["first", "last"] | None = None
    before: JobIdText | None = Field(None, description="Id of a job that waits, too.")


class DeleteRequest(RequestModel):
    """Jobs to be forgotten."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"jobs": ["20251124-101500-3f9a1c0d5e2b7a64"]}]}
    )

    jobs: Annotated[list[JobIdText], Field(min_length=1, max_length=1000)]


class DeletedDocument(AnswerModel, job_schema.Deleted):
    """Which jobs are gone, and why the others are not."""


class WaitingJob(AnswerModel, job_schema.WaitingJob):
    """A job that waits."""


class QueueDocument(AnswerModel, job_schema.Queue):
    """The queue, as far as the caller sees it."""

    waiting: tuple[WaitingJob, ...] = Field(
        description="The first 200, in the order of their turns."
    )


class RelativeDocument(AnswerModel, job_schema.Relative):
    """A job of a family."""

    job: JobSummary | None = Field(description="Null for one that was deleted: a gap.")


class LineageDocument(AnswerModel, job_schema.Lineage):
    """A job's family: each after its parent, the root first."""

    jobs: tuple[RelativeDocument, ...]
