"""What callers see of jobs: frozen values, read from the database each time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from ninefold.core.context import PipelineContext
from ninefold.core.values import Artifact, Failure, ImageRecord, Json, Output, Verdict
from ninefold.job_schema import ENDED, JobStatus
from ninefold.jobs.listing import Listing
from ninefold.slots import OUTPUTS, REGIONS, SEED, VERDICT

_RECORD = TypeAdapter(ImageRecord)


def job_folder(data: Path, job_id: str) -> Path:
    """Where a job's files lie."""
    return data / "jobs" / job_id


@dataclass(frozen=True)
class Job:
    """A job as it was when it was read."""

    id: str
    status: JobStatus
    #: The config it runs, as a document.
    config: Json = field(repr=False)
    #: Its input slots; files are named relative to its folder.
    input: Json = field(repr=False)
    folder: Path
    #: Smaller numbers run first.
    priority: int
    #: ISO 8601, UTC.
    created_at: str
    started_at: str | None = None
    finished_at: str | None = None
    #: The job it was made from by a rerun.
    parent: str | None = None
    group: str | None = None
    #: Who submitted it: the id of an API key; None for whoever has the data folder.
    owner: str | None = None
    #: Steps taken over from the parent.
    reused: tuple[str, ...] = ()
    #: Of a rerun: where it started, and what was to be changed; None where that was not noted.
    from_stage: str | None = None
    changes: Json | None = field(default=None, repr=False)
    #: Why it failed; None where it did not.
    error: Failure | None = None
    #: The step that runs, or the one where it stopped; None before and after.
    stage: str | None = None
    #: How often each step was begun.
    attempts: dict[str, int] = field(default_factory=dict)
    #: What lists show of what was made, read without reading that.
    listing: Listing = field(default=Listing(), compare=False)
    #: What was made so far; None in lists, which do not read it.
    context: PipelineContext | None = field(default=None, repr=False, compare=False)

    @property
    def ended(self) -> bool:
        """Whether its state is final."""
        return self.status in ENDED

    @property
    def seed(self) -> int | None:
        """The seed, as soon as it is known."""
        return self.context.get(SEED) if self.context is not None else None

    @property
    def artifacts(self) -> tuple[Artifact, ...]:
        """The files made so far, in order."""
        return tuple(self.context.artifacts) if self.context is not None else ()

    @property
    def outputs(self) -> tuple[Output, ...]:
        """The final files."""
        return (self.context.get(OUTPUTS) or ()) if self.context is not None else ()

    @property
    def region_files(self) -> tuple[Artifact, ...]:
        """The regions that detailers painted, each before and after."""
        regions = (self.context.get(REGIONS) or ()) if self.context is not None else ()
        return tuple(file for region in regions for file in (region.before, region.after))

    @property
    def input_files(self) -> dict[str, ImageRecord]:
        """The images of its input as it took them over, by their names in its folder."""
        context = {"workdir": self.folder}
        return {
            item["path"]: _RECORD.validate_python(item, context=context)
            for item in _records(self.input)
        }

    @property
    def verdict(self) -> Verdict | None:
        """What the inspector found."""
        return self.context.get(VERDICT) if self.context is not None else None

    @property
    def metadata(self) -> dict[str, Json]:
        """One dict per step."""
        return self.context.metadata if self.context is not None else {}

    def to_json(self) -> Json:
        """The job as JSON values; files are named relative to its folder."""
        return {
            "id": self.id,
            "status": self.status,
            "stage": self.stage,
            "attempts": self.attempts,
            "seed": self.seed,
            "artifacts": [_file(item, self.folder) for item in self.artifacts],
            "outputs": [_file(item, self.folder) for item in self.outputs],
            "metadata": self.metadata,
            "error": asdict(self.error) if self.error is not None else None,
            "parent": self.parent,
            "reused": list(self.reused),
            "group": self.group,
            "owner": self.owner,
            "priority": self.priority,
            "folder": str(self.folder),
            "input": self.input,
            "config": self.config,
            "created_at": self.created_at,
            "started_at": self.started_at,
            "finished_at": self.finished_at,
        }


@dataclass(frozen=True)
class JobVersion:
    """How far a job has come; whoever knows an older one has something to read."""

    status: JobStatus
    #: Steps that it carried out itself.
    steps: int
    #: Reports that its steps wrote while they ran.
    reports: int
    priority: int = 0
    favourite: bool | None = None


@dataclass(frozen=True)
class Group:
    """Jobs that were submitted together."""

    id: str
    jobs: tuple[Job, ...] = field(repr=False)

    @property
    def counts(self) -> dict[JobStatus, int]:
        """How many jobs are in each state; states without one are left out."""
        found: dict[JobStatus, int] = {}
        for job in self.jobs:
            found[job.status] = found.get(job.status, 0) + 1
        return found

    @property
    def status(self) -> JobStatus:
        """Queued before the first begins, running until the last ends; then failed where any
        failed, else cancelled where any was, else succeeded."""
        counts = self.counts
        if set(counts) <= {"queued"}:
            return "queued"
        if counts.keys() - ENDED:
            return "running"
        for status in ("failed", "cancelled"):
            if status in counts:
                return status
        return "succeeded"


def _records(value: Any) -> Iterator[dict[str, Any]]:
    """The images in the JSON of an input, whichever slot holds them."""
    if isinstance(value, dict) and isinstance(value.get("path"), str):
        yield value
    elif isinstance(value, dict | list | tuple):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _records(item)


def _file(item: Artifact | Output, folder: Path) -> dict[str, Any]:
    return {**asdict(item), "path": item.path.relative_to(folder).as_posix()}


def timestamp(epoch_ms: int | None, *before: str | None) -> str | None:
    """Milliseconds since the epoch as ISO 8601, UTC; the latest moment of `before` where that is
    later: the clocks of two machines differ, and earlier versions noted whole seconds."""
    if epoch_ms is None:
        return None
    moments = [datetime.fromisoformat(text) for text in before if text is not None]
    moments.append(datetime.fromtimestamp(epoch_ms / 1000, UTC))
    return max(moments).isoformat(timespec="milliseconds")
