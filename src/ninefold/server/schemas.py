"""What requests and answers hold. Names are those of `ninefold jobs show --json`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    StringConstraints,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from ninefold import job_schema
from ninefold.core.priority import DEFAULT_PRIORITY, MAX_PRIORITY
from ninefold.core.values import Failure
from ninefold.job_schema import JobStatus
from ninefold.jobs import Group, Job, JobEnded, JobEvent
from ninefold.server.json_values import check_json
from ninefold.server.uploads import Upload, UploadKind
from ninefold.server.webhooks.schemas import WebhookRequest
from ninefold.slots import MAX_PROMPT, MAX_REFERENCES, MAX_SEED

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
    references: list[_UploadId] | None = Field(
        None,
        min_length=1,
        max_length=MAX_REFERENCES,
        description="Ids of uploads that an edit model changes or combines as the prompt says.",
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
    webhook: WebhookRequest | None = Field(None, description="Where to announce that it has ended.")


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
    webhook: WebhookRequest | None = Field(None, description="Where to announce that it has ended.")


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


class _Answer(BaseModel):
    """An answer says every field: none is left out, so none has a default."""

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        schema = handler(core_schema)
        properties = handler.resolve_ref_schema(schema)["properties"]
        for field in properties.values():
            field.pop("default", None)
        handler.resolve_ref_schema(schema)["required"] = list(properties)
        return schema


class FileDocument(_Answer, job_schema.File):
    """A file that a job made."""

    stage: str
    url: str


class OutputDocument(_Answer, job_schema.Output):
    """A final file."""

    url: str


class ErrorDocument(_Answer, job_schema.Failure):
    """Why a job failed."""


class VerdictDocument(_Answer, job_schema.Verdict):
    """What the inspector found."""


class Links(BaseModel):
    """Where to go from a job."""

    self: str
    events: str
    cancel: str
    rerun: str


class JobSummary(_Answer, job_schema.ListedJob):
    """A job as lists show it: without what it made."""

    error: ErrorDocument | None = None
    links: Links


class JobDocument(JobSummary, job_schema.Job):
    """A job with all that it made so far."""

    artifacts: tuple[FileDocument, ...] = ()
    outputs: tuple[OutputDocument, ...] = ()
    verdict: VerdictDocument | None = None


class JobPage(_Answer):
    """Some jobs, the newest first."""

    jobs: list[JobSummary]
    next_cursor: str | None = Field(description="Give it as `cursor` for the next ones.")


class GroupDocument(_Answer):
    """Jobs that were submitted together."""

    id: str
    status: JobStatus
    counts: dict[str, int]
    jobs: list[JobSummary]


class UploadDocument(_Answer, job_schema.Upload):
    """A file that was sent."""

    kind: UploadKind
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
        "reused": job.reused,
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
    """The failure; a bug's own message may hold anything, and stays here."""
    found = _known(ErrorDocument, failure)
    if failure.trace:
        found["message"] = "A bug in ninefold or in a plugin."
    return ErrorDocument(**found)


def _shown(value: Any) -> Any:
    """A slot's value; of a file, what it is and not where."""
    if isinstance(value, list | tuple):
        return [_shown(item) for item in value]
    if isinstance(value, dict) and "path" in value:
        return {name: value[name] for name in ("width", "height", "sha256") if name in value}
    return {name: _shown(item) for name, item in value.items()} if _holds_files(value) else value


def _holds_files(value: Any) -> bool:
    """Whether a slot's value is files by name."""
    return isinstance(value, dict) and any(
        isinstance(item, dict) and "path" in item for item in value.values()
    )


def _known(kind: type[BaseModel], value: object) -> dict[str, Any]:
    """The attributes of `value` that are fields of `kind`."""
    return {name: getattr(value, name) for name in kind.model_fields if hasattr(value, name)}
