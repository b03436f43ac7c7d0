"""What jobs are called where DBOS keeps them."""

from __future__ import annotations

from ninefold.job_schema import OPEN, JobStatus

WORKFLOW = "ninefold.job"
QUEUE = "ninefold"
#: The version every job is written with: a job waits for no particular build of ninefold.
APP_VERSION = "1"


STATUS: dict[str, JobStatus] = {
    "ENQUEUED": "queued",
    "DELAYED": "queued",
    "PENDING": "running",
    "SUCCESS": "succeeded",
    "ERROR": "failed",
    "MAX_RECOVERY_ATTEMPTS_EXCEEDED": "failed",
    "CANCELLED": "cancelled",
}
OPEN_STATUS = [name for name, state in STATUS.items() if state in OPEN]


def member_id(group: str, number: int) -> str:
    """The id of a group's job, counted from 1: `JobStore.jobs` finds them by the part before."""
    return f"{group}.{number:05}"


def number_of(job_id: str) -> int:
    """The number of a group's job, counted from 1."""
    return int(job_id.rpartition(".")[2])


def group_of(job_id: str) -> str | None:
    """The group of a job; None of one that was submitted alone."""
    return job_id.rpartition(".")[0] or None
