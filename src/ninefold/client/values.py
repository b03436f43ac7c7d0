"""What a service answers, as frozen values. Fields that a newer service adds are left out."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from ninefold.job_schema import (
    Deleted,
    Estimate,
    Failure,
    FieldError,
    File,
    Grid,
    GridAxis,
    GridCell,
    Group,
    Job,
    JobStatus,
    Lineage,
    ListedJob,
    Output,
    Page,
    Queue,
    Relative,
    RerunPlan,
    StageWarning,
    StepEstimate,
    Upload,
    Verdict,
    WaitingJob,
)

__all__ = [
    "Deleted",
    "Estimate",
    "Event",
    "Failure",
    "FieldError",
    "File",
    "Grid",
    "GridAxis",
    "GridCell",
    "Group",
    "Job",
    "Lineage",
    "ListedJob",
    "Output",
    "Page",
    "Queue",
    "Relative",
    "RerunPlan",
    "StageWarning",
    "Status",
    "StepEstimate",
    "Upload",
    "Verdict",
    "WaitingJob",
]

Status = JobStatus


class Event(BaseModel):
    """Something that happened to a job; `data` holds all of it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    #: Only grows; ask for events after it to go on from here.
    sequence: int
    #: job_started, stage_started, stage_waiting, stage_progressed, stage_retried, stage_finished,
    #: stage_failed or job_ended.
    event: str
    stage: str | None = None
    data: dict[str, Any] = Field(default={}, repr=False)
