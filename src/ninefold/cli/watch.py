"""`ninefold jobs watch`: what a job does, shown like a run, and what it came to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ninefold.cli import report
from ninefold.cli.guard import DONE, FAILED, INTERRUPTED, say, say_error
from ninefold.cli.jobs import Place, find
from ninefold.cli.progress import Shown, StageRepeated, progress_for
from ninefold.cli.streams import nobody_reads
from ninefold.config import PipelineConfig
from ninefold.core.events import (
    PipelineStarted,
    Rewound,
    StageFailed,
    StageFinished,
    StageProgressed,
    StageReused,
    StageStarted,
    StageWaiting,
)
from ninefold.core.values import Failure
from ninefold.jobs import (
    Group,
    Job,
    JobEvent,
    JobExecutor,
    JobStageFailed,
    JobStageFinished,
    JobStageRetried,
    JobStageStarted,
    JobStageWaiting,
    JobStarted,
    JobStepped,
)


async def watch(place: Place, name: str) -> int:
    """Show a job, or each job of a group in turn, until it has ended."""
    warnings: set[str] = set()
    codes = []
    async with place.open() as jobs:
        found = await find(jobs, name)
        members = found.jobs if isinstance(found, Group) else (found,)
        for number, job in enumerate(members, 1):
            label = f"job {number} of {len(members)}" if isinstance(found, Group) else ""
            await _follow(jobs, job, label)
            if nobody_reads():
                break
            codes.append(_tell(await jobs.get(job.id), place, warnings))
    return max(codes, default=DONE)


async def _follow(jobs: JobExecutor, job: Job, label: str) -> None:
    now = await jobs.get(job.id)
    if now.status == "queued":
        why = "the queue is paused" if await jobs.paused() else "it waits for a worker"
        say(f"{job.id}: queued; {why}")
    with progress_for(False, label) as observer:
        assert observer is not None
        retold = Retold(job, observer)
        async for event in jobs.events(job.id):
            retold(event)
            if nobody_reads():
                return


class Retold:
    """Tells the events of a job as those of a run, which the progress on stderr knows."""

    def __init__(self, job: Job, tell: Callable[[Shown], None]) -> None:
        self._job = job
        self._tell = tell
        pipeline = PipelineConfig.parse(job.config).build()
        self._skipped = {step.name for step in pipeline.steps if step.on_error == "skip"}
        self._steps: tuple[str, ...] = ()
        #: Steps of the parent that are still to come.
        self._reused = len(job.reused)
        #: The step that just sent the image back.
        self._rewinder: str | None = None

    def __call__(self, event: JobEvent) -> None:
        """Tell what `event` is for a run."""
        for shown in self._as_run(event):
            self._tell(shown)

    def _as_run(self, event: JobEvent) -> Iterator[Shown]:
        match event:
            case JobStarted(steps=steps):
                self._steps = steps
                yield PipelineStarted(self._job.id, steps)
            case JobStageStarted(stage=stage):
                if self._rewinder is not None:
                    yield Rewound(stage, self._rewinder)
                    self._rewinder = None
                if not self._reused:
                    yield StageStarted(stage, self._steps.index(stage) + 1, len(self._steps))
            case JobStageWaiting(stage=stage):
                yield StageWaiting(stage)
            case JobStepped(stage=stage, done=done, total=total):
                yield StageProgressed(stage, done, total)
            case JobStageRetried(stage=stage, message=message):
                yield StageRepeated(stage, message or "its worker stopped")
            case JobStageFinished(stage=stage, metadata=metadata, artifacts=names):
                self._rewinder = stage if event.rewound else None
                yield StageReused(stage) if self._reused else StageFinished(stage, metadata, names)
                self._reused = max(0, self._reused - 1)
            case JobStageFailed(stage=stage, message=message):
                self._reused = max(0, self._reused - 1)
                yield StageFailed(stage, Failure(message, stage), stage in self._skipped)


def _tell(job: Job, place: Place, warnings: set[str]) -> int:
    """What the job came to: the final files on stdout, all else on stderr."""
    assert job.context is not None
    if job.status == "succeeded":
        result = report.Result(job.context, "succeeded")
        report.tell(result, warnings, quiet=False, as_json=False)
        return DONE
    if job.status == "failed":
        say_error(_failure(job, place))
    else:
        say(f"{job.id}: cancelled")
    if made := [report.short(item.path) for item in job.artifacts]:
        say("\n  ".join(["Made so far:", *made]))
    again = ["jobs", "rerun", job.id, *(["--from", job.stage] if job.stage else [])]
    say(f"To go on: {place.command(*again)}")
    return FAILED if job.status == "failed" else INTERRUPTED


def _failure(job: Job, place: Place) -> str:
    failure: Any = job.error
    if failure is None or not failure.trace:
        return str(failure)
    return (
        f"{failure}. This is a bug in ninefold or in a plugin; please report it with the trace in "
        f"{place.command('jobs', 'show', job.id, '--json')}"
    )
