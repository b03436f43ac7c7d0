"""Jobs as they are shown. Names are those of `ninefold jobs show --json`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, Field

from ninefold import job_schema
from ninefold.core.errors import SigningError
from ninefold.core.values import Failure
from ninefold.job_schema import JobStatus
from ninefold.jobs import Group, Job, JobEnded, JobEvent
from ninefold.server.schemas.base import AnswerModel


class FileDocument(AnswerModel, job_schema.File):
    """A file that a job made."""

    stage: str
    url: str


class OutputDocument(AnswerModel, job_schema.Output):
    """A final file."""

    url: str


class ErrorDocument(AnswerModel, job_schema.Failure):
    """Why a job failed."""


class VerdictDocument(AnswerModel, job_schema.Verdict):
    """What the inspector found."""


class Links(BaseModel):
    """Where to go from a job."""

    self: str
    events: str
    cancel: str
    rerun: str


class JobSummary(AnswerModel, job_schema.ListedJob):
    """A job as lists show it: without what it made."""

    error: ErrorDocument | None = None
    thumbnail: str | None = Field(description="Where its newest picture is, small; null: none yet.")
    links: Links


class JobDocument(JobSummary, job_schema.Job):
    """A job with all that it made so far."""

    artifacts: tuple[FileDocument, ...] = ()
    outputs: tuple[OutputDocument, ...] = ()
    verdict: VerdictDocument | None = None


class GroupDocument(AnswerModel):
    """Jobs that were submitted together."""

    id: str
    status: JobStatus
    counts: dict[str, int]
    jobs: list[JobSummary]


#: What lists show of what a job made.
_LISTED = ("seed", "model", "favourite", "width", "height", "decision", "score")

#: Kinds of failures that whoever runs the service can mend.
_SETUP = frozenset({SigningError.__name__})

#: From a job and a file's name to where clients get it.
Locate = Callable[[str, str], str]


def summary(job: Job) -> JobSummary:
    """A job for a list."""
    return JobSummary(**_summary(job))


def document(job: Job, locate: Locate) -> JobDocument:
    """A whole job; neither paths of this machine nor tracebacks are in it."""
    verdict = job.verdict
    known = _summary(job)
    if job.seed is not None:
        known["seed"] = job.seed
    return JobDocument(
        **known,
        attempts=job.attempts,
        artifacts=tuple(
            FileDocument(**_known(FileDocument, item), url=locate(job.id, item.name))
            for item in job.artifacts
        ),
        outputs=tuple(
            OutputDocument(**_known(OutputDocument, item), url=locate(job.id, item.name))
            for item in job.outputs
        ),
        verdict=None if verdict is None else VerdictDocument(**_known(VerdictDocument, verdict)),
        metadata=job.metadata,
        config=job.config,
    )


def callers_can_mend(failure: Failure) -> bool:
    """Whether a caller of the service can mend it, and not only whoever runs it."""
    return failure.user_error and failure.kind not in _SETUP


def event_document(event: JobEvent) -> dict[str, Any]:
    """An event of a job, with its name."""
    found = event.to_json()
    if isinstance(event, JobEnded):
        del found["failure"]
        found["error"] = None if event.failure is None else _error(event.failure).model_dump()
    return found


def group_document(group: Group) -> GroupDocument:
    """A group with its jobs, in the order of their inputs."""
    return GroupDocument(
        id=group.id,
        status=group.status,
        counts={str(status): count for status, count in group.counts.items()},
        jobs=[summary(job) for job in group.jobs],
    )


def _summary(job: Job) -> dict[str, Any]:
    here = f"/v1/jobs/{job.id}"
    return {
        "id": job.id,
        "status": job.status,
        "error": None if job.error is None else _error(job.error),
        "parent": job.parent,
        "group": job.group,
        "reused": job.reused,
        "priority": job.priority,
        "input": {name: _shown(value) for name, value in job.input.items()},
        "created_at": job.created_at,
        "started_at": job.started_at,
        "finished_at": job.finished_at,
        "stage": job.stage,
        "thumbnail": None if job.listing.picture is None else f"{here}/thumbnail",
        **{name: getattr(job.listing, name) for name in _LISTED},
        "links": Links(
            self=here, events=f"{here}/events", cancel=f"{here}/cancel", rerun=f"{here}/rerun"
        ),
    }


def _error(failure: Failure) -> ErrorDocument:
    """The failure; a bug's own message may hold anything, and stays here."""
    found = _known(ErrorDocument, failure)
    found["user_error"] = callers_can_mend(failure)
    if failure.trace:
        found["message"] = "A bug in ninefold or in a plugin."
    return ErrorDocument(**found)


def _shown(value: Any) -> Any:
    """A slot's value; of a file, its name among the job's and what it is."""
    if isinstance(value, list | tuple):
        return [_shown(item) for item in value]
    if isinstance(value, dict) and "path" in value:
        known = {name: value[name] for name in ("width", "height", "sha256") if name in value}
        return {"name": value["path"], **known}
    return {name: _shown(item) for name, item in value.items()} if _holds_files(value) else value


def _holds_files(value: Any) -> bool:
    """Whether a slot's value is files by name."""
    return isinstance(value, dict) and any(
        isinstance(item, dict) and "path" in item for item in value.values()
    )


def _known(kind: type[BaseModel], value: object) -> dict[str, Any]:
    """The attributes of `value` that are fields of `kind`."""
    return {name: getattr(value, name) for name in kind.model_fields if hasattr(value, name)}
