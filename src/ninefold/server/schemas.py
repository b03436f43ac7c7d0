"""What requests and answers hold. Names are those of `ninefold jobs show --json`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from ninefold.core.priority import DEFAULT_PRIORITY, MAX_PRIORITY
from ninefold.core.values import Artifact, Failure, Output
from ninefold.jobs import Group, Job, JobEnded, JobEvent, JobStatus
from ninefold.server.json_values import check_json
from ninefold.server.uploads import Upload, UploadKind
from ninefold.server.webhooks.schemas import WebhookRequest
from ninefold.slots import MAX_PROMPT, MAX_SEED

#: Ids as they occur in paths: anything else names nothing.
ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"
UPLOAD_PATTERN = r"^[0-9a-f]{64}$"


def _plain(value: Any) -> Any:
    check_json(value)
    return value


_Prompt = Annotated[str, StringConstraints(max_length=MAX_PROMPT)]
_UploadId = Annotated[str, StringConstraints(pattern=UPLOAD_PATTERN)]
#: A name of a model or preset; what it may be is checked where it is used.
_Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
_Json = Annotated[dict[str, Any], AfterValidator(_plain)]
Priority = Annotated[
    int, Field(ge=1, le=MAX_PRIORITY, description="Smaller numbers run first.", strict=True)
]


class _Request(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class TextInput(_Request):
    """What one image is made from, but for files."""

    prompt: _Prompt | None = Field(None, description="What the image should show.")
    negative_prompt: _Prompt | None = Field(None, description="What it should not show.")
    seed: int | None = Field(
        None, ge=0, lt=MAX_SEED, strict=True, description="Fixes the noise; random by default."
    )
    model: _Name | None = Field(None, description="One of `GET /v1/models`.")


class JobInput(TextInput):
    """What one image is made from."""

    image: _UploadId | None = Field(None, description="Id of an upload to start from.")
    mask: _UploadId | None = Field(
        None, description="Id of an upload of kind mask: white where the detailer paints."
    )


class _Recipe(_Request):
    preset: _Name | None = Field(None, description="One of `GET /v1/presets`.")
    config: _Json | None = Field(
        None, description="A pipeline of one's own; its schema is `GET /v1/config/schema`."
    )
    overrides: _Json = Field(
        default_factory=dict,
        description="Parameters by `stage.parameter`, and `model` or `seed`.",
        max_length=1000,
    )
    priority: Priority = DEFAULT_PRIORITY
    cache: bool = Field(True, description="Whether finished stages may come from the cache.")
    webhook: WebhookRequest | None = Field(None, description="Whom to tell when it has ended.")


_JOB: Any = {
    "preset": "draft",
    "input": {"prompt": "a red house in snowy mountains", "seed": 7},
    "overrides": {"publisher.formats": ["webp"]},
}


class JobRequest(_Recipe):
    """One image to be made; `standard` is the preset where neither it nor a config is given."""

    model_config = ConfigDict(json_schema_extra={"examples": [_JOB]})

    input: JobInput


class GroupRequest(_Recipe):
    """Several images that are submitted, looked at and cancelled together."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "preset": "draft",
                    "inputs": [{"prompt": "a {red|blue} sailboat", "seed": 7}],
                    "variants": True,
                }
            ]
        }
    )

    inputs: Annotated[list[JobInput], Field(min_length=1, max_length=10_000)]
    count: int = Field(
        1, ge=1, le=10_000, strict=True, description="Images of each input, seeds in a row."
    )
    variants: bool = Field(False, description="One image for every way to read `{a|b}`.")


class RerunRequest(_Request):
    """A job again, with what it made before `from_stage`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"from_stage": "finisher", "changes": {"grain": 0.05}},
                {"input": {"seed": 9}},
            ]
        }
    )

    from_stage: _Name | None = Field(
        None, description="Where to start; by default the first stage that changes."
    )
    changes: _Json = Field(
        default_factory=dict,
        description="Parameters by `stage.parameter`, or by name for those of `from_stage`.",
        max_length=1000,
    )
    input: TextInput = Field(
        default_factory=TextInput, description="Another prompt, negative prompt, seed or model."
    )
    priority: Priority = DEFAULT_PRIORITY
    webhook: WebhookRequest | None = Field(None, description="Whom to tell when it has ended.")


class ConfigRequest(_Request):
    """A config to be checked, or a preset with overrides."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"preset": "draft", "overrides": {"text_to_image.steps": 12}}]
        }
    )

    preset: _Name | None = None
    config: _Json | None = None
    overrides: _Json = Field(default_factory=dict, max_length=1000)


class ConfigDocument(BaseModel):
    """A config that holds, with every parameter of every stage written out."""

    config: dict[str, Any]
    resolved: dict[str, Any]


class FileDocument(BaseModel):
    """A file that a job made."""

    name: str
    stage: str
    media_type: str
    sha256: str
    url: str


class OutputDocument(BaseModel):
    """A final file."""

    name: str
    format: str
    media_type: str
    width: int
    height: int
    sha256: str
    url: str


class ErrorDocument(BaseModel):
    """Why a job failed."""

    message: str
    stage: str | None
    kind: str
    user_error: bool = Field(description="Whether the caller can mend it.")
    transient: bool = Field(description="Whether the same may succeed later.")


class VerdictDocument(BaseModel):
    """What the inspector found."""

    decision: Literal["pass", "warn", "fail"]
    score: float
    reasons: list[str]
    measures: dict[str, float]


class Links(BaseModel):
    """Where to go from a job."""

    self: str
    events: str
    cancel: str
    rerun: str


class JobSummary(BaseModel):
    """A job as lists show it: without what it made."""

    id: str
    status: JobStatus
    error: ErrorDocument | None
    parent: str | None = Field(description="The job that it was made from by a rerun.")
    group: str | None
    reused: list[str] = Field(description="Steps taken over from the parent.")
    priority: int
    input: dict[str, Any]
    created_at: str
    started_at: str | None
    finished_at: str | None
    links: Links


class JobDocument(JobSummary):
    """A job with all that it made so far."""

    stage: str | None = Field(description="The step that runs, or the one where it stopped.")
    attempts: dict[str, int] = Field(description="How often each step was begun.")
    seed: int | None
    artifacts: list[FileDocument]
    outputs: list[OutputDocument]
    verdict: VerdictDocument | None
    metadata: dict[str, dict[str, Any]]
    config: dict[str, Any]


class JobPage(BaseModel):
    """Some jobs, the newest first."""

    jobs: list[JobSummary]
    next_cursor: str | None = Field(description="Give it as `cursor` for the next ones.")


class GroupDocument(BaseModel):
    """Jobs that were submitted together."""

    id: str
    status: JobStatus
    counts: dict[str, int]
    jobs: list[JobSummary]


class UploadDocument(BaseModel):
    """A file that was sent."""

    id: str
    kind: UploadKind
    media_type: str
    width: int
    height: int
    size: int = Field(description="In bytes.")
    created_at: str


#: From a job and a file's name to where clients get it.
Locate = Callable[[str, str], str]


def summary(job: Job) -> JobSummary:
    """A job for a list."""
    return JobSummary(**_summary(job))


def document(job: Job, locate: Locate) -> JobDocument:
    """A whole job; neither paths of this machine nor tracebacks are in it."""
    verdict = job.verdict
    return JobDocument(
        **_summary(job),
        stage=job.stage,
        attempts=job.attempts,
        seed=job.seed,
        artifacts=[_file(item, locate(job.id, item.name)) for item in job.artifacts],
        outputs=[_output(item, locate(job.id, item.name)) for item in job.outputs],
        verdict=None
        if verdict is None
        else VerdictDocument(
            decision=verdict.decision,
            score=verdict.score,
            reasons=list(verdict.reasons),
            measures=verdict.measures,
        ),
        metadata=job.metadata,
        config=job.config,
    )


def event_document(event: JobEvent) -> dict[str, Any]:
    """An event of a job, with its name."""
    told = event.to_json()
    if isinstance(event, JobEnded):
        del told["failure"]
        told["error"] = None if event.failure is None else _error(event.failure).model_dump()
    return told


def group_document(group: Group) -> GroupDocument:
    """A group with its jobs, in the order of their inputs."""
    return GroupDocument(
        id=group.id,
        status=group.status,
        counts={str(status): count for status, count in group.counts.items()},
        jobs=[summary(job) for job in group.jobs],
    )


def upload_document(upload: Upload) -> UploadDocument:
    """An upload as the API shows it."""
    return UploadDocument(**vars(upload))


def _summary(job: Job) -> dict[str, Any]:
    here = f"/v1/jobs/{job.id}"
    return {
        "id": job.id,
        "status": job.status,
        "error": None if job.error is None else _error(job.error),
        "parent": job.parent,
        "group": job.group,
        "reused": list(job.reused),
        "priority": job.priority,
        "input": {name: _shown(value) for name, value in job.input.items()},
        "created_at": job.created_at,
        "started_at": job.started_at,
        "finished_at": job.finished_at,
        "links": Links(
            self=here, events=f"{here}/events", cancel=f"{here}/cancel", rerun=f"{here}/rerun"
        ),
    }


def _error(failure: Failure) -> ErrorDocument:
    return ErrorDocument(
        message=failure.message if not failure.trace else "A bug in ninefold or in a plugin.",
        stage=failure.stage,
        kind=failure.kind,
        user_error=failure.user_error,
        transient=failure.transient,
    )


def _shown(value: Any) -> Any:
    """A slot's value; of a file, what it is and not where."""
    if isinstance(value, dict) and "path" in value:
        return {name: value[name] for name in ("width", "height", "sha256") if name in value}
    return value


def _file(item: Artifact, url: str) -> FileDocument:
    return FileDocument(
        name=item.name, stage=item.stage, media_type=item.media_type, sha256=item.sha256, url=url
    )


def _output(item: Output, url: str) -> OutputDocument:
    return OutputDocument(
        name=item.name,
        format=item.format,
        media_type=item.media_type,
        width=item.width,
        height=item.height,
        sha256=item.sha256,
        url=url,
    )
