"""What happens while a pipeline runs, as values that an observer receives in order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ninefold.core.values import Failure, Json


@dataclass(frozen=True)
class PipelineStarted:
    """A run begins; `steps` are the names of its steps, in order."""

    job_id: str
    steps: tuple[str, ...]


@dataclass(frozen=True)
class StageStarted:
    """Step `index` of `total` begins, counted from 1."""

    stage: str
    index: int
    total: int


@dataclass(frozen=True)
class StageWaiting:
    """The running stage waits for its model, which works for others."""

    stage: str


@dataclass(frozen=True)
class StageProgressed:
    """The running stage finished `done` of `total` steps of its own.

    `preview` is a small picture of what it has so far (height x width x 3, uint8), now and then,
    where the pipeline makes `Previews`.
    """

    stage: str
    done: int
    total: int
    preview: Any = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class StageFinished:
    """A stage succeeded; `metadata` is what it said of itself, `artifacts` the names it made."""

    stage: str
    metadata: Json
    artifacts: tuple[str, ...]


@dataclass(frozen=True)
class StageReused:
    """A resumed run found this stage finished."""

    stage: str


@dataclass(frozen=True)
class StageFailed:
    """A stage failed; `skipped` where the run goes on without it."""

    stage: str
    failure: Failure
    skipped: bool


@dataclass(frozen=True)
class Rewound:
    """The run goes back to `stage`, as `by` asked for."""

    stage: str
    by: str


@dataclass(frozen=True)
class PipelineFinished:
    """The run ended; `failure` is None where it succeeded."""

    job_id: str
    failure: Failure | None


Event = (
    PipelineStarted
    | StageStarted
    | StageWaiting
    | StageProgressed
    | StageFinished
    | StageReused
    | StageFailed
    | Rewound
    | PipelineFinished
)
#: Receives every event on the event loop's thread; must be quick and must not raise.
Observer = Callable[[Event], None]
