"""What others see of a job: described here, and derived elsewhere.

The client's values are these models. What the API answers with (`server/schemas.py`) are subclasses
that add links, and a webhook's message (`server/webhooks/payload.py`) is a selection of that. All
values are frozen, and fields that a newer service adds are left out.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

JobStatus = Literal["queued", "running", "succeeded", "failed", "cancelled"]
#: States that last.
ENDED: frozenset[JobStatus] = frozenset({"succeeded", "failed", "cancelled"})
#: States that do not.
OPEN: tuple[JobStatus, ...] = ("queued", "running")


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
    user_error: bool = Field(False, description="Whether the caller can mend it.")
    transient: bool = Field(False, description="Whether the same may succeed later.")


class Verdict(_Value):
    """What the inspector found."""

    decision: Literal["pass", "warn", "fail"]
    #: 0 (unusable) to 1 (nothing to complain of).
    score: float
    reasons: tuple[str, ...] = ()
    measures: dict[str, float] = {}


class ListedJob(_Value):
    """A job without what it made."""

    id: str
    status: JobStatus
    error: Failure | None = None
    parent: str | None = Field(None, description="The job that it was made from by a rerun.")
    group: str | None = None
    reused: tuple[str, ...] = Field((), description="Steps taken over from the parent.")
    priority: int
    #: Its input slots; of files what they are, and not where.
    input: dict[str, Any] = Field(default={}, repr=False)
    #: ISO 8601, UTC.
    created_at: str
    started_at: str | None = None
    finished_at: str | None = None

    @property
    def ended(self) -> bool:
        """Whether its state is final."""
        return self.status in ENDED


class Job(ListedJob):
    """A job as it was when it was asked for. What lists leave out is empty there."""

    stage: str | None = Field(None, description="The step that runs, or the one where it stopped.")
    attempts: dict[str, int] = Field(default={}, description="How often each step was begun.")
    seed: int | None = None
    artifacts: tuple[File, ...] = ()
    outputs: tuple[Output, ...] = ()
    verdict: Verdict | None = None
    #: One dict per step.
    metadata: dict[str, dict[str, Any]] = Field(default={}, repr=False)
    #: The pipeline that it runs.
    config: dict[str, Any] = Field(default={}, repr=False)


class Page(_Value):
    """Some jobs, the newest first; `next_cursor` asks for those after."""

    jobs: tuple[Job, ...]
    next_cursor: str | None = Field(None, description="Give it as `cursor` for the next ones.")


class Group(_Value):
    """Jobs that were submitted together, in the order of their inputs."""

    id: str
    status: JobStatus
    counts: dict[str, int] = {}
    jobs: tuple[Job, ...] = Field(default=(), repr=False)

    @property
    def ended(self) -> bool:
        """Whether all its jobs have ended."""
        return self.status in ENDED


class Upload(_Value):
    """An image or mask that was sent; `id` is what inputs name it by."""

    id: str
    kind: str
    media_type: str
    width: int
    height: int
