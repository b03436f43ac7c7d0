"""Parameters that several stages have: models by kind, colours, and those of a diffusion pass."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from ninefold.core.model_refs import ModelRef
from ninefold.core.stage import StageParams
from ninefold.engines.sampler_names import canonical
from ninefold.engines.step_cache import Quality
from ninefold.imaging.alpha import parse_colour
from ninefold.stages.control import ControlParams


def _colour(text: str) -> str:
    return "#" + "".join(f"{value:02x}" for value in parse_colour(text))


#: A colour as `#rrggbb`; names of CSS are taken, too.
Colour = Annotated[str, Field(max_length=40), AfterValidator(_colour)]

#: In `Annotated[str, ...]`, a parameter that names a diffusion model, or a detector.
DIFFUSION_MODEL, DETECTOR_MODEL = ModelRef("diffusion"), ModelRef("detector")


class SamplingParams(StageParams):
    """How a diffusion model is run."""

    model: Annotated[str, DIFFUSION_MODEL] | None = Field(
        None, description="A model's name, folder or file; by default the pipeline's."
    )
    steps: int | None = Field(
        None, ge=1, le=200, description="Denoising steps; by default the model's own number."
    )
    guidance_scale: float | None = Field(
        None,
        ge=0,
        le=30,
        description="How closely the prompt is followed; by default the model's own value.",
    )
    true_cfg_scale: float = Field(
        1.0,
        ge=1,
        le=30,
        description="For models that were distilled with their guidance (FLUX.1): how far the "
        "image is led away from the negative prompt, at twice the time. 1 is not at all.",
    )
    scheduler: Annotated[str, AfterValidator(canonical)] | None = Field(
        None,
        description="The sampler, with its noise schedule where it has one (`dpmpp_2m_karras`), as "
        "A1111, ComfyUI or diffusers write it; by default the model's own.",
    )
    quality: Quality = Field(
        "lossless",
        description="What may be traded for speed: `lossless` nothing, `high` and `fast` steps "
        "whose prediction hardly differs from the one before. Steps that were left out are in the "
        "metadata.",
    )
    control: tuple[ControlParams, ...] = Field(
        (), max_length=8, description="Models that steer the painting, each by a picture."
    )
    on_black: Literal["fail", "warn"] = Field(
        "fail",
        description="What to do where a model gives a black image because its numbers overflowed, "
        "or its own safety checker refused it: stop here, or warn and go on.",
    )
