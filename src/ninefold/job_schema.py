"""What others see of jobs: described here, and derived elsewhere.

The client's values are these models. What the API answers with (`server/schemas`) are subclasses
that add links, and a webhook's message (`server/webhooks/payload.py`) is a selection of that. All
values are frozen, and fields that a newer service adds are left out.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

JobStatus = Literal["queued", "running", "succeeded", "failed", "cancelled"]
#: What the inspector says of an image.
Decision = Literal["pass", "warn", "fail"]
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

    decision: Decision
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
    #: Its input slots; of files their names among the job's, and what they are.
    input: dict[str, Any] = Field(default={}, repr=False)
    #: ISO 8601, UTC.
    created_at: str
    started_at: str | None = None
    finished_at: str | None = None
    stage: str | None = Field(
        None, description="The step that runs, or the one where it stopped, as far as known."
    )
    seed: int | None = Field(None, description="As soon as it is known.")
    model: str | None = Field(None, description="The diffusion model of its first image.")
    favourite: bool = False
    #: Of the newest picture, in pixels.
    width: int | None = None
    height: int | None = None
    decision: Decision | None = Field(None, description="What the inspector decided.")
    score: float | None = Field(None, description="The inspector's, 0 to 1.")

    @property
    def ended(self) -> bool:
        """Whether its state is final."""
        return self.status in ENDED

    def as_input(self) -> dict[str, Any]:
        """Its input as that of another job, which takes its pictures over."""
        given = {name: value for name, value in self.input.items() if value is not None}
        return {name: self._taken_over(value) for name, value in given.items()}

    def _taken_over(self, value: Any) -> Any:
        if isinstance(value, list | tuple):
            return [self._taken_over(item) for item in value]
        if isinstance(value, dict):
            if {"name", "sha256"} <= value.keys():
                return {"job": self.id, "name": value["name"]}
            return {name: self._taken_over(item) for name, item in value.items()}
        return value


class Job(ListedJob):
    """A job as it was when it was asked for. What lists leave out is empty there."""

    attempts: dict[str, int] = Field(default={}, description="How often each step was begun.")
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
    total: int | None = Field(None, description="How many match in all; null unless asked for.")


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


class FieldError(_Value):
    """What is wrong with one field, or one of several problems."""

    detail: str
    pointer: str | None = Field(None, description="JSON pointer to the field of the body.")
    place: str | None = Field(
        None,
        description="What it is wrong with, as overrides name it: `stage.parameter`, or a field of "
        "the input or config. A stage that is repeated is `detailer_2` and so on.",
    )
    parameter: str | None = Field(None, description="Name of the query or path parameter, header.")


class Deleted(_Value):
    """Which jobs are gone, and why the others are not."""

    deleted: tuple[str, ...]
    kept: dict[str, str] = Field(description="Reasons by the ids of jobs that were kept.")


class WaitingJob(_Value):
    """A job that waits."""

    id: str
    priority: int
    prompt: str = Field(description="Its first 100 characters.")
    group: str | None = Field(None, description="The group that it was submitted with.")


class Queue(_Value):
    """The queue, as far as the caller sees it."""

    paused: bool
    queued: int
    running: int
    waiting: tuple[WaitingJob, ...] = Field(
        description="The first 200, in the order of their turns."
    )
    problem: str | None = Field(
        None,
        description="What keeps the server's worker from going on, such as a full disk, and what to"
        " do; null: nothing that it knows of.",
    )


class Relative(_Value):
    """A job of a family."""

    id: str
    parent: str | None = Field(description="Null for the root.")
    from_stage: str | None = Field(description="Of a rerun, where it started.")
    changes: dict[str, Any] | None = Field(
        description="Of a rerun: parameters by `stage.parameter`, inputs by name; null: not known."
    )
    job: ListedJob | None = Field(description="Null for one that was deleted: a gap.")


class Lineage(_Value):
    """A job's family: each after its parent, the root first."""

    jobs: tuple[Relative, ...]
    truncated: bool = Field(description="Whether there are more than 1,000.")


class GridAxis(_Value):
    """An axis of a grid."""

    parameter: str
    values: tuple[Any, ...]
    labels: tuple[str, ...] = Field(description="What stands beside the cells of each value.")


class GridCell(_Value):
    """A cell, by the numbers of its values."""

    x: int
    y: int
    job: ListedJob | None = Field(description="Null once it was deleted.")


class Grid(_Value):
    """A grid: a group of the same id, whose jobs are the cells."""

    id: str
    status: JobStatus
    counts: dict[str, int]
    prompt: str | None = Field(
        None, description="Of all cells, but for a LoRA that is an axis; null where it is an axis."
    )
    x: GridAxis
    y: GridAxis | None
    cells: tuple[GridCell, ...] = Field(description="Row by row: x changes first.")


class StageWarning(_Value):
    """What a stage would do in vain, or what of its parameters would not act."""

    stage: str
    detail: str


class StepEstimate(_Value):
    """What a stage will do, and how long that takes."""

    stage: str
    enabled: bool = Field(description="Whether its parameters leave it anything to do.")
    model: str | None = Field(description="The diffusion model that it runs.")
    width: int | None = Field(description="Of the image that it leaves, in pixels.")
    height: int | None
    steps: int | None = Field(description="Denoising steps, as they are asked for.")
    seconds: float | None = Field(description="Of work, without waiting and loading models.")
    basis: Literal["measured", "scaled", "unknown"] = Field(
        description="`measured`: by jobs with the same stage, parameters, models and size; "
        "`scaled`: from others, in proportion to steps times pixels; `unknown`: none ended yet."
    )


class Estimate(_Value):
    """What jobs will take; with `problems` they would be refused, and nothing else is known."""

    steps: tuple[StepEstimate, ...] = Field((), description="Of the first input's job.")
    seconds: float | None = Field(
        None, description="Of all images one after the other; null where a stage's are not known."
    )
    weights_bytes: int | None = Field(
        None,
        description="Of the largest model: the memory that is needed at least; null if unknown.",
    )
    images: int = 0
    warnings: tuple[StageWarning, ...] = ()
    problems: tuple[FieldError, ...] = ()


class RerunPlan(_Value):
    """What a rerun would do."""

    from_stage: str
    reused: tuple[str, ...] = Field(description="Stages whose results are taken over.")
    runs: tuple[str, ...] = Field(description="Stages that are carried out.")
    config: dict[str, Any]
    seconds: float | None = Field(description="Of those that run; null where one is not known.")
    steps: tuple[StepEstimate, ...] = Field(description="Those that run.")
    warnings: tuple[StageWarning, ...]
