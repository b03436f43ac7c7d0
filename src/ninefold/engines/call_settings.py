"""What a family makes of a request: which of its settings are passed on, and how."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from ninefold.engines.diffusion import ImageToImage, ModelInfo, TextToImage
from ninefold.engines.families import Family
from ninefold.engines.wrapped_methods import replaced_attribute


def call_arguments(family: Family, request: TextToImage) -> dict[str, Any]:
    """Size, steps and guidance, and what every call of the family is given."""
    guidance, steps, true_cfg = family.guidance, steps_of(request), true_cfg_of(family, request)
    return {
        **family.arguments,
        **({} if steps == family.steps else family.other_steps),
        **({guidance.argument: request.guidance_scale} if guidance.argument else {}),
        **({guidance.true_cfg_argument: true_cfg} if true_cfg > 1 else {}),
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
    if not guidance.heeds_negative(request.guidance_scale, request.true_cfg_scale):
        return ""
    return request.negative_prompt or guidance.blank_negative or ""


def guidance_of(family: Family, request: TextToImage) -> float:
    """The guidance scale that acts; 0 where none does."""
    return 0.0 if family.guidance.kind == "none" else request.guidance_scale


def true_cfg_of(family: Family, request: TextToImage) -> float:
    """The scale of classifier-free guidance beside the embedded one; 1 where none acts."""
    return request.true_cfg_scale if family.guidance.true_cfg_argument else 1.0


def without_effect(
    info: ModelInfo, negative_prompt: str, scale: float, true_cfg_scale: float = 1.0
) -> Iterator[str]:
    """What is asked of a model and does not act, each as a warning."""
    family, guidance = info.family, info.family.guidance
    if info.packed:
        yield (
            f"The setting `quantization` does not act on {', '.join(info.packed)}: weights of "
            f"{info.name} that are packed in their files already stay as they are."
        )
    if not family.in_table:
        yield (
            f"{family.name} is not in ninefold's table of families: what was not set is as "
            "diffusers has it, and may not suit the model."
        )
    if guidance.kind == "none" and scale not in (0, info.guidance_scale):
        yield f"{family.name} takes no guidance scale; {scale:g} was left out."
    if true_cfg_scale > 1 and not guidance.true_cfg_argument:
        leads = guidance.kind == "classifier_free" and guidance.takes_negative
        instead = " Its guidance_scale leads away from the negative prompt." if leads else ""
        yield f"{family.name} takes no true_cfg_scale; {true_cfg_scale:g} was left out.{instead}"
    if not negative_prompt.strip() or guidance.heeds_negative(scale, true_cfg_scale):
        return
    if guidance.true_cfg_argument:
        yield (
            f"{family.name} takes no negative prompt unless true_cfg_scale is above "
            f"{guidance.off:g}, which makes a second pass at each step; it was left out."
        )
    elif not guidance.takes_negative:
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
    # The side is a little more than the root of the area: rounding must not lose a patch.
    root = math.sqrt(width * height) * (1 + 1e-9) / getattr(pipe, "vae_scale_factor", 8)
    value = root if name == "default_sample_size" else [(width, height)]
    with replaced_attribute(pipe, name, value):
        yield


@contextmanager
def guided_by(pipe: Any, family: Family, scale: float) -> Iterator[None]:
    """Within the block the parts of `pipe` that guide do it at this scale, where it is another than
    the family's usual one."""
    guidance = family.guidance
    names = guidance.parts if scale != guidance.scale else ()
    with ExitStack() as stack:
        for part in [getattr(pipe, name, None) for name in names]:
            if part is not None:
                value = max(scale, guidance.off)
                stack.enter_context(replaced_attribute(part, "guidance_scale", value))
        yield


def one_or_all(values: list[Any]) -> Any:
    """As pipelines take what may be several: a list, or the one value itself."""
    return values if len(values) > 1 else values[0]
