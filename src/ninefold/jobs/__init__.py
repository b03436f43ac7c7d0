"""Durable jobs: a config and an input that outlive the process, on SQLite or PostgreSQL."""

from ninefold.job_schema import JobStatus
from ninefold.jobs.events import (
    JobEnded,
    JobEvent,
    JobStageFailed,
    JobStageFinished,
    JobStageRetried,
    JobStageStarted,
    JobStageWaiting,
    JobStarted,
    JobStepped,
)
from ninefold.jobs.executor import JobExecutor
from ninefold.jobs.model import Group, Job

__all__ = [
    "Group",
    "Job",
    "JobEnded",
    "JobEvent",
    "JobExecutor",
    "JobStageFailed",
    "JobStageFinished",
    "JobStageRetried",
    "JobStageStarted",
    "JobStageWaiting",
    "JobStarted",
    "JobStatus",
    "JobStepped",
]
