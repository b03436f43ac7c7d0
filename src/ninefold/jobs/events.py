"""What happens to a job, as a numbered sequence that a reader can take up anywhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field

from ninefold.core.record import StageRecord
from ninefold.core.values import Failure, Json
from ninefold.core.wiring import step_names
from ninefold.job_schema import ENDED, JobStatus

#: Kinds of reports that say that a step begins again.
BEGUN_AGAIN = frozenset({"restarted", "retried"})
#: Numbers that the events of one step can take; the gaps mean nothing.
_SPAN = 1_000_000


@dataclass(frozen=True)
class JobEvent:
    """Base of what `JobExecutor.events` yields; `sequence` only grows."""

    sequence: int

    def to_json(self) -> Json:
        """The event as JSON values, with its `event` name."""
        document = asdict(self)
        document["event"] = _NAMES[type(self)]
        return document


@dataclass(frozen=True)
class JobStarted(JobEvent):
    """A worker took the job; `steps` are the names of its steps."""

    steps: tuple[str, ...]


@dataclass(frozen=True)
class JobStageStarted(JobEvent):
    """A step began."""

    stage: str


@dataclass(frozen=True)
class JobStageWaiting(JobEvent):
    """The running step waits for its model, which works for others."""

    stage: str


@dataclass(frozen=True)
class JobStepped(JobEvent):
    """The running step did `done` of `total` of its own steps."""

    stage: str
    done: int
    total: int
    #: A small JPEG, base64.
    preview: str | None = field(default=None, repr=False)
    #: When it was reported, in milliseconds since the epoch.
    at: int | None = None


@dataclass(frozen=True)
class JobStageRetried(JobEvent):
    """The step begins again: it failed, or its worker died (then without a message)."""

    stage: str
    message: str = ""


@dataclass(frozen=True)
class JobStageFinished(JobEvent):
    """A step is done."""

    stage: str
    metadata: Json
    artifacts: tuple[str, ...]
    #: Whether it went back to an earlier step.
    rewound: bool = False


@dataclass(frozen=True)
class JobStageFailed(JobEvent):
    """A step failed."""

    stage: str
    message: str


@dataclass(frozen=True)
class JobEnded(JobEvent):
    """The last event of a job."""

    status: JobStatus
    failure: Failure | None = None


_NAMES: dict[type[JobEvent], str] = {
    JobStarted: "job_started",
    JobStageStarted: "stage_started",
    JobStageWaiting: "stage_waiting",
    JobStepped: "stage_progressed",
    JobStageRetried: "stage_retried",
    JobStageFinished: "stage_finished",
    JobStageFailed: "stage_failed",
    JobEnded: "job_ended",
}


@dataclass(frozen=True)
class Done:
    """A step that was carried out, as the database holds it."""

    record: StageRecord
    #: The number DBOS gave it; None where it was taken over from the parent.
    function: int | None = None


def events_of(
    config: Json,
    done: Sequence[Done],
    reports: Sequence[Json],
    status: JobStatus,
    failure: Failure | None,
) -> Iterator[JobEvent]:
    """All events so far, from what the database holds of a job of this config.

    They are the same, with the same numbers, whenever they are asked for and by whom: numbers
    follow from the position of a record and of the reports before it. What was read of a job while
    it went on may be of several moments, the state the oldest and the reports the newest.
    """
    by_function: dict[int, list[Json]] = {}
    for report in reports:
        by_function.setdefault(report["function"], []).append(report)
    if status == "queued" and not done and not by_function:
        return
    yield JobStarted(1, tuple(_names_of(config)))
    for position, item in enumerate(done, 1):
        record, base = item.record, position * _SPAN
        yield JobStageStarted(base, record.step)
        if item.function is not None:
            yield from _reported(record.step, by_function.pop(item.function, []), base)
        last = base + _SPAN - 1
        if record.failure is not None:
            yield JobStageFailed(last, record.step, record.failure.message)
        else:
            names = tuple(str(artifact["name"]) for artifact in record.artifacts)
            yield JobStageFinished(
                last, record.step, record.metadata, names, record.remake is not None
            )
    base = (len(done) + 1) * _SPAN
    # Of the step after the last record alone: those of later ones come after records that were
    # not there yet when these were read.
    unfinished = next(iter(by_function.values()), [])
    expected = _next_step(config, done)
    if unfinished and unfinished[0]["step"] != (expected or unfinished[0]["step"]):
        unfinished = []
    current = unfinished[0]["step"] if unfinished else following_step(config, done, status)
    if current is not None:
        yield JobStageStarted(base, current)
        yield from _reported(current, unfinished, base)
    if status in ENDED:
        yield JobEnded(base + _SPAN - 1, status, failure)


def _reported(step: str, reports: Sequence[Json], base: int) -> Iterator[JobEvent]:
    for number, report in enumerate(reports, 1):
        if report["kind"] == "stepped":
            preview = report.get("preview")
            yield JobStepped(
                base + number, step, report["done"], report["total"], preview, report.get("at")
            )
        elif report["kind"] in BEGUN_AGAIN:
            yield JobStageRetried(base + number, step, report.get("message", ""))
        elif report["kind"] == "waiting":
            yield JobStageWaiting(base + number, step)


def following_step(config: Json, done: Sequence[Done], status: JobStatus) -> str | None:
    """The step that runs now, though it reported nothing yet."""
    return _next_step(config, done) if status == "running" else None


def _next_step(config: Json, done: Sequence[Done]) -> str | None:
    """The step after the last that was done; None where there is none, or it cannot be told."""
    steps = _names_of(config)
    if not done:
        return steps[0]
    last = done[-1].record
    if last.remake is not None:  # its first report or its end will show it
        return None
    index = steps.index(last.step)
    if last.failure is not None and config["stages"][index].get("on_error") != "skip":
        return None  # the job is about to end
    return steps[index + 1] if index + 1 < len(steps) else None


def _names_of(config: Json) -> list[str]:
    """The steps of a config's document; that of a plugin that is gone has its name all the same."""
    return step_names(item["stage"] for item in config["stages"])
