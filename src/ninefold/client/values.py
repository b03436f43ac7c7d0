"""What a service answers, as frozen values. Fields that a newer service adds are left out."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Status = Literal["queued", "running", "succeeded", "failed", "cancelled"]
_ENDED = frozenset({"succeeded", "failed", "cancelled"})


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class File(_Value):
    """A file that a job made."""

    name: str
    media_type: str
    #: Of its bytes, in hex.
    sha256: str


class Output(File):
    """A final file; sizes are in pixels."""

    format: str
    width: int
    height: int


class Failure(_Value):
    """Why a job failed."""

    message: str
    stage: str | None = None
    kind: str
    #: Whether the caller can mend it.
    user_error: bool = False
    #: Whether the same may succeed later.
    transient: bool = False


class Verdict(_Value):
    """What the inspector found."""

    decision: Literal["pass", "warn", "fail"]
    #: 0 (unusable) to 1 (nothing to complain of).
    score: float
    reasons: tuple[str, ...] = ()
    measures: dict[str, float] = {}


class Job(_Value):
    """A job as it was when it was asked for. What lists leave out is empty there."""

    id: str
    status: Status
    #: The step that runs, or the one where it stopped.
    stage: str | None = None
    seed: int | None = None
    outputs: tuple[Output, ...] = ()
    artifacts: tuple[File, ...] = ()
    verdict: Verdict | None = None
    error: Failure | None = None
    #: The job that it was made from by a rerun, and the steps taken over.
    parent: str | None = None
    reused: tuple[str, ...] = ()
    group: str | None = None
    priority: int
    attempts: dict[str, int] = {}
    metadata: dict[str, dict[str, Any]] = Field(default={}, repr=False)
    input: dict[str, Any] = Field(default={}, repr=False)
    config: dict[str, Any] = Field(default={}, repr=False)
    #: ISO 8601, UTC.
    created_at: str
    started_at: str | None = None
    finished_at: str | None = None

    @property
    def ended(self) -> bool:
        """Whether its state is final."""
        return self.status in _ENDED


class Page(_Value):
    """Some jobs, the newest first; `next_cursor` asks for those after."""

    jobs: tuple[Job, ...]
    next_cursor: str | None = None


class Group(_Value):
    """Jobs that were submitted together, in the order of their inputs."""

    id: str
    status: Status
    counts: dict[str, int] = {}
    jobs: tuple[Job, ...] = Field(default=(), repr=False)

    @property
    def ended(self) -> bool:
        """Whether all its jobs have ended."""
        return self.status in _ENDED


class Upload(_Value):
    """An image or mask that was sent; `id` is what inputs name it by."""

    id: str
    kind: str
    media_type: str
    width: int
    height: int


class Event(_Value):
    """Something that happened to a job; `data` holds all of it."""

    #: Only grows; ask for events after it to go on from here.
    sequence: int
    #: job_started, stage_started, stage_progressed, stage_retried, stage_finished, stage_failed
    #: or job_ended.
    event: str
    stage: str | None = None
    data: dict[str, Any] = Field(default={}, repr=False)
