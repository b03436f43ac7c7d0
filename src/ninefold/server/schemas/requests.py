"""What jobs are submitted as: one, a group, a grid, a rerun; and what is to be estimated."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Discriminator, Field, StringConstraints, Tag

from ninefold.core.priority import DEFAULT_PRIORITY
from ninefold.server.schemas.base import (
    JobIdText,
    JsonObject,
    Name,
    Priority,
    RequestModel,
    UploadId,
    plain_json,
)
from ninefold.server.webhooks.schemas import WebhookRequest
from ninefold.sheets.axes import MAX_VALUES
from ninefold.slots import MAX_PROMPT, MAX_REFERENCES, MAX_SEED

#: Most pictures of one input that `control` of stages names.
MAX_CONTROL_IMAGES = 64

_Prompt = Annotated[str, StringConstraints(max_length=MAX_PROMPT)]


class TextInput(RequestModel):
    """What one image is made from, but for files."""

    prompt: _Prompt | None = Field(None, description="What the image should show.")
    negative_prompt: _Prompt | None = Field(None, description="What it should not show.")
    seed: int | None = Field(
        None, ge=0, lt=MAX_SEED, strict=True, description="Fixes the noise; random by default."
    )
    model: Name | None = Field(None, description="One of `GET /v1/models`.")


class ArtifactSource(RequestModel):
    """A file of a job, in place of an upload: it is taken over as if it were sent anew."""

    job: JobIdText
    name: Annotated[str, StringConstraints(min_length=1, max_length=300)] = Field(
        description="Of an artifact, an output or a region's file, such as `generated.png`; or "
        "`source.png`, `mask.png` or `reference_1.png` of the job's own input, whose files say "
        "their `name`."
    )


#: By what it is, so that a wrong one has one problem and not one for each kind.
_Source = Annotated[
    Annotated[UploadId, Tag("upload")] | Annotated[ArtifactSource, Tag("file")],
    Discriminator(lambda given: "upload" if isinstance(given, str) else "file"),
]


#: What a stage's `control` calls a picture: a word, or the id of an upload.
_PictureName = Annotated[str, StringConstraints(min_length=1, max_length=300)]


class JobInput(TextInput):
    """What one image is made from; each file is the id of an upload, or a file of a job."""

    image: _Source | None = Field(None, description="What to start from.")
    mask: _Source | None = Field(
        None, description="An upload of kind mask, or a job's: white where the detailer paints."
    )
    references: list[_Source] | None = Field(
        None,
        min_length=1,
        max_length=MAX_REFERENCES,
        description="What an edit model changes or combines as the prompt says.",
    )
    control_images: dict[_PictureName, _Source] | None = Field(
        None,
        min_length=1,
        max_length=MAX_CONTROL_IMAGES,
        description="Pictures that `control` of stages names, by those names. One that is not here "
        "is the id of an upload.",
    )


class GroupInput(JobInput):
    """An input of a group, which may have parameters of its own."""

    overrides: JsonObject = Field(
        default_factory=dict,
        description="Of this input alone, over those of the group: parameters by "
        "`stage.parameter`, and `model` or `seed`.",
        max_length=1000,
    )


class _Recipe(RequestModel):
    preset: Name | None = Field(None, description="One of `GET /v1/presets`.")
    config: JsonObject | None = Field(
        None, description="A pipeline of one's own; its schema is `GET /v1/config/schema`."
    )
    overrides: JsonObject = Field(
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
                },
                {
                    "preset": "draft",
                    "inputs": [
                        {"prompt": "a sailboat", "seed": 7},
                        {
                            "prompt": "a sailboat",
                            "seed": 7,
                            "overrides": {"text_to_image.guidance_scale": 5},
                        },
                    ],
                },
            ]
        }
    )

    inputs: Annotated[list[GroupInput], Field(min_length=1, max_length=10_000)]
    count: int = Field(
        1, ge=1, le=10_000, strict=True, description="Images of each input, seeds in a row."
    )
    variants: bool = Field(False, description="One image for every way to read `{a|b}`.")


class GridAxis(RequestModel):
    """A parameter, and the values that it takes from cell to cell."""

    parameter: Name = Field(
        description="`stage.parameter`; `prompt`, `negative_prompt`, `seed` or `model`; or "
        "`lora:NAME`, the weight of a LoRA in the prompt."
    )
    values: Annotated[list[Any], AfterValidator(plain_json)] = Field(
        min_length=1, max_length=MAX_VALUES
    )


class GridRequest(_Recipe):
    """One image for every combination of the values of x and y."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "preset": "draft",
                    "input": {"prompt": "a sailboat", "seed": 7},
                    "x": {"parameter": "text_to_image.guidance_scale", "values": [3, 5, 7]},
                    "y": {"parameter": "text_to_image.steps", "values": [4, 8]},
                }
            ]
        }
    )

    input: JobInput
    x: GridAxis
    y: GridAxis | None = None


class RerunRequest(RequestModel):
    """A job again, with what it made before `from_stage`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"from_stage": "finisher", "changes": {"grain": 0.05}},
                {"input": {"seed": 9}},
            ]
        }
    )

    from_stage: Name | None = Field(
        None, description="Where to start; by default the first stage that changes."
    )
    changes: JsonObject = Field(
        default_factory=dict,
        description="Parameters by `stage.parameter`, or by name for those of `from_stage`.",
        max_length=1000,
    )
    input: JobInput = Field(
        default_factory=JobInput,
        description="Another prompt, negative prompt, seed, model, image, mask or references.",
    )
    priority: Priority = DEFAULT_PRIORITY
    webhook: WebhookRequest | None = Field(None, description="Where to announce that it has ended.")


class EstimateRequest(_Recipe):
    """A job, with `inputs` a group, or with `x` a grid, that is to be estimated: nothing is
    stored."""

    model_config = ConfigDict(json_schema_extra={"examples": [_JOB]})

    input: JobInput | None = Field(None, description="Of one image, or of a grid's cells.")
    inputs: Annotated[list[GroupInput], Field(min_length=1, max_length=10_000)] | None = Field(
        None, description="Of several, as for a group."
    )
    count: int = Field(
        1, ge=1, le=10_000, strict=True, description="Images of each input, seeds in a row."
    )
    variants: bool = Field(False, description="One image for every way to read `{a|b}`.")
    x: GridAxis | None = Field(None, description="Of a grid.")
    y: GridAxis | None = None
