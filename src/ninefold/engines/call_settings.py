"""What a family makes of a request: which of its settings are passed on, and how."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ninefold.engines.diffusion import ImageToImage, ModelInfo, TextToImage
from ninefold.engines.families import Family, Guidance


def call_arguments(family: Family, request: TextToImage) -> dict[str, Any]:
    """Size, steps and guidance, and what every call of the family is given."""
    guidance, steps = family.guidance, steps_of(request)
    return {
        **family.arguments,
        **({} if steps == family.steps else family.other_steps),
        **({guidance.argument: request.guidance_scale} if guidance.argument else {}),
        "width": request.width,
        "height": request.height,
        "num_inference_steps": steps,
    }


def steps_of(request: TextToImage) -> int:
    """Steps of the schedule: of those, a request with a source runs the part that its strength
    says, and one at least."""
    if not isinstance(request, ImageToImage):
        return request.steps
    # diffusers runs int(steps * strength) of the steps and refuses to run none.
    return max(request.steps, math.ceil(1 / request.strength))


def negative_prompt_of(family: Family, request: TextToImage) -> str:
    """The negative prompt that is passed; empty where none is."""
    guidance = family.guidance
    if not _leads_away(guidance, request.guidance_scale):
        return ""
    return request.negative_prompt or guidance.blank_negative or ""


def guidance_of(family: Family, request: TextToImage) -> float:
    """The guidance scale that acts; 0 where none does."""
    return 0.0 if family.guidance.kind == "none" else request.guidance_scale


def without_effect(info: ModelInfo, negative_prompt: str, scale: float) -> Iterator[str]:
    """What is asked of a model and does not act, each as a warning."""
    family, guidance = info.family, info.family.guidance
    if not family.in_table:
        yield (
            f"{family.name} is not in ninefold's table of families: what was not set is as "
            "diffusers has it, and may not suit the model."
        )
    if guidance.kind == "none" and scale not in (0, info.guidance_scale):
        yield f"{family.name} takes no guidance scale; {scale:g} was left out."
    if not negative_prompt.strip() or _leads_away(guidance, scale):
        return
    if not guidance.takes_negative:
        yield f"{family.name} takes no negative prompt; it was left out."
    else:
        yield (
            f"The negative prompt was left out: {family.name} heeds one only at a guidance scale "
            f"above {guidance.off:g}, and it is {scale:g}."
        )


@contextmanager
def painting_at(pipe: Any, family: Family, width: int, height: int) -> Iterator[None]:
    """Within the block `pipe` paints at this size, where its family has sizes of its own."""
    name = family.size_attribute
    if not name or not hasattr(pipe, name):
        yield
        return
    before = getattr(pipe, name)
    # The side is a little more than the root of the area: rounding must not lose a patch.
    root = math.sqrt(width * height) * (1 + 1e-9) / getattr(pipe, "vae_scale_factor", 8)
    setattr(pipe, name, root if name == "default_sample_size" else [(width, height)])
    try:
        yield
    finally:
        setattr(pipe, name, before)


@contextmanager
def guided_by(pipe: Any, family: Family, scale: float) -> Iterator[None]:
    """Within the block the parts of `pipe` that guide do it at this scale, where it is another than
    the family's usual one."""
    guidance = family.guidance
    found = [part for name in guidance.parts if (part := getattr(pipe, name, None)) is not None]
    before = [part.guidance_scale for part in found]
    if scale != guidance.scale:
        for part in found:
            part.guidance_scale = max(scale, guidance.off)
    try:
        yield
    finally:
        for part, own in zip(found, before, strict=True):
            part.guidance_scale = own


def _leads_away(guidance: Guidance, scale: float) -> bool:
    """Whether a negative prompt acts at that scale."""
    return guidance.kind == "classifier_free" and guidance.takes_negative and scale > guidance.off


def one_or_all(values: list[Any]) -> Any:
    """As pipelines take what may be several: a list, or the one value itself."""
    return values if len(values) > 1 else values[0]
