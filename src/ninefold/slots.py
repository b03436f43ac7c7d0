"""The slots that ninefold's own stages use. Plugins may use them, and declare more."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from ninefold.core.context import PipelineContext
from ninefold.core.errors import InputError
from ninefold.core.slots import Slot
from ninefold.core.values import (
    OPAQUE_MODE,
    Attempt,
    ImageRecord,
    Json,
    Lora,
    Output,
    Region,
    Seams,
    Tiling,
    Verdict,
    WorkPath,
)
from ninefold.prompts.resolving import MAX_TEXT

#: Longest prompt that is taken, in characters: as long as one may become by its choices.
MAX_PROMPT = MAX_TEXT
#: Most reference images of one job.
MAX_REFERENCES = 16
#: Seeds are below this.
MAX_SEED = 2**63

_Text = Annotated[str, StringConstraints(max_length=MAX_PROMPT)]
_Seed = Annotated[int, Field(ge=0, lt=MAX_SEED, strict=True)]


def _image(value: Any, context: PipelineContext) -> Any:
    if isinstance(value, ImageRecord):
        _warn_of_lost_alpha(value, context)
    if isinstance(value, ImageRecord | dict):
        return value
    from ninefold.files.store import import_image  # Pillow and NumPy, only when they are needed

    return import_image(context, value)


def _warn_of_lost_alpha(image: ImageRecord, context: PipelineContext) -> None:
    """Warn where a stage gives an opaque image for a transparent one, unless on a background."""
    before = context.data.get("image")
    if not isinstance(before, ImageRecord) or before.mode == OPAQUE_MODE or context.scope is None:
        return
    stage = context.scope.stage
    if image.mode == OPAQUE_MODE and "background" not in context.metadata.get(stage, {}):
        context.warn(stage, "image: was transparent in part, which this stage does not hand on.")


def _mask(value: Any, context: PipelineContext) -> Any:
    if isinstance(value, ImageRecord | dict):
        return value
    from ninefold.files.store import import_mask

    return import_mask(context, value)


def _references(value: Any, context: PipelineContext) -> Any:
    given = value if isinstance(value, list | tuple) else [value]
    if not 1 <= len(given) <= MAX_REFERENCES:
        raise InputError(
            f"references: expected 1 to {MAX_REFERENCES} images, got {len(given)}. Leave some out."
        )
    from ninefold.files.store import import_image

    return [
        item
        if isinstance(item, ImageRecord | dict)
        else import_image(context, item, f"reference_{number}")
        for number, item in enumerate(given, 1)
    ]


def _pictures(value: Any, context: PipelineContext) -> Any:
    if not isinstance(value, dict):
        return value
    from ninefold.files.store import import_picture

    return {
        name: item if isinstance(item, ImageRecord | dict) else import_picture(context, name, item)
        for name, item in value.items()
    }


#: The model that runs where nobody names one.
DEFAULT_MODEL = "poster"


def resolve_model(*named: str | None) -> str:
    """The model that holds: the first that is named, of a stage's own, the job's and the config's;
    else the default."""
    return next((model for model in named if model), DEFAULT_MODEL)


def resolve_seed(*given: int | None) -> int:
    """The seed that holds: the first that is given, of the job's and the config's; else a random
    one below 2**32."""
    return next((seed for seed in given if seed is not None), secrets.randbelow(2**32))


def next_seed(seed: int, steps: int = 1) -> int:
    """The seed `steps` further on; after the largest one comes 0."""
    return (seed + steps) % MAX_SEED


JOB_ID: Slot[str] = Slot("job_id", str, "Name of the job; its files lie below it.")
PROMPT: Slot[str] = Slot(
    "prompt", _Text, "What the image should show.", remedy="Give a prompt that is not empty."
)
NEGATIVE_PROMPT: Slot[str] = Slot("negative_prompt", _Text, "What the image should not show.")
SEED: Slot[int] = Slot("seed", _Seed, "Fixes the noise: the same seed gives the same image.")
LORAS: Slot[tuple[Lora, ...]] = Slot(
    "loras", tuple[Lora, ...], "Low-rank adaptations to apply, with their weights."
)
WILDCARDS: Slot[dict[str, tuple[str, ...]]] = Slot(
    "wildcards",
    dict[str, tuple[str, ...]],
    "Choices for `__name__` in later stages' prompts, by name.",
    given=False,
)
TILING: Slot[Tiling] = Slot(
    "tiling",
    Tiling,
    "Which edges of the image meet, so that it can be laid beside itself.",
    given=False,
)
MODEL: Slot[str] = Slot("model", str, "The diffusion model: a name, a folder or a file.")
IMAGE: Slot[ImageRecord] = Slot(
    "image",
    ImageRecord,
    "The image as it is now. A path, a Pillow image or an array may be given.",
    remedy="Put text_to_image before this stage, or give an image.",
    must_act=True,
    coerce=_image,
)
MASK: Slot[ImageRecord] = Slot(
    "mask",
    ImageRecord,
    "White where the detailer should paint. A path, a Pillow image or an array may be given.",
    remedy="Give a mask.",
    must_act=True,
    coerce=_mask,
)
REFERENCES: Slot[tuple[ImageRecord, ...]] = Slot(
    "references",
    tuple[ImageRecord, ...],
    "Images that an edit model changes or combines as the prompt says. Each may be a path, a "
    "Pillow image or an array.",
    remedy="Give reference images.",
    must_act=True,
    coerce=_references,
)
CONTROL_IMAGES: Slot[dict[str, ImageRecord]] = Slot(
    "control_images",
    dict[str, ImageRecord],
    "Pictures that `control` of a stage names, by those names. Paths, Pillow images or arrays may "
    "be given.",
    remedy="Give control_images.",
    must_act=True,
    coerce=_pictures,
)
IMAGE_PATH: Slot[Path] = Slot("image_path", WorkPath, "File of the generated image.", given=False)
REFINED_PATH: Slot[Path] = Slot("refined_path", WorkPath, "File of the refined image.", given=False)
REGIONS: Slot[tuple[Region, ...]] = Slot(
    "regions",
    tuple[Region, ...],
    "The regions that detailers painted again, in order.",
    remedy="Put detailer before this stage.",
    given=False,
)
DETAIL_PATH: Slot[Path] = Slot("detail_path", WorkPath, "File of the detailed image.", given=False)
UNSCALED_IMAGE: Slot[ImageRecord] = Slot(
    "unscaled_image",
    ImageRecord,
    "The image as it went into the first upscaler; the finisher takes its colours.",
    remedy="Put upscaler before this stage.",
    given=False,
)
UPSCALED_PATH: Slot[Path] = Slot(
    "upscaled_path", WorkPath, "File of the upscaled image.", given=False
)
UPSCALE_FACTOR: Slot[float] = Slot(
    "upscale_factor", float, "How many times wider and higher the image became.", given=False
)
RESTORED_PATH: Slot[Path] = Slot(
    "restored_path", WorkPath, "File of the restored image.", given=False
)
SEAMS: Slot[Seams] = Slot("seams", Seams, "Where the restorer's tiles met.", given=False)
FINISHED_PATH: Slot[Path] = Slot(
    "finished_path", WorkPath, "File of the finished image.", given=False
)
VERDICT: Slot[Verdict] = Slot(
    "verdict",
    Verdict,
    "What the inspector found.",
    remedy="Put inspector before this stage.",
    given=False,
)
ATTEMPTS: Slot[tuple[Attempt, ...]] = Slot(
    "attempts", tuple[Attempt, ...], "Earlier seeds that the inspector sent back.", given=False
)
CONFIG: Slot[Json] = Slot(
    "config", Json, "The config that the pipeline was built from, for the manifest."
)
OUTPUTS: Slot[tuple[Output, ...]] = Slot(
    "outputs",
    tuple[Output, ...],
    "The final files.",
    remedy="Put publisher before this stage.",
    given=False,
    made_from=IMAGE,
)
