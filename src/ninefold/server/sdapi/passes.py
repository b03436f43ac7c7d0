"""Hires-fix and refiner as stages: upscaler and restorer, and refiner."""

from __future__ import annotations

import math

from ninefold.core.values import Json
from ninefold.engines.base import ModelInfo
from ninefold.server.sdapi.documents import Processing, Txt2ImgRequest
from ninefold.server.sdapi.samplers import scheduler_of
from ninefold.server.sdapi.shelf import Notes, Shelf
from ninefold.stages.refiner import STRENGTHS

#: A1111's denoising strength of a hires pass where none is given.
HIRES_STRENGTH = 0.75
_MAX_STEPS = 200
_SAME = ("", "None", "Use same checkpoint")
#: A1111 also enlarges latents; what names do so is left to our own upscaler.
_LATENT = ("latent", "none")


def refiner_stages(request: Processing, sampling: Json, shelf: Shelf, notes: Notes) -> list[Json]:
    """The refiner: it works over the finished image, not over the last steps of the first."""
    name, switch = request.refiner_checkpoint or "", request.refiner_switch_at
    if name in _SAME:
        return []
    model = shelf.model(name, "refiner_checkpoint", notes)
    wanted = 1 - (0.8 if switch is None else switch)
    if wanted <= 0:
        return []
    level = min(range(1, len(STRENGTHS)), key=lambda n: abs(STRENGTHS[n] - wanted))
    if STRENGTHS[level] != round(wanted, 6):
        notes.warn(
            "refiner_switch_at",
            f"{1 - wanted:g} became strength {STRENGTHS[level]:g} over the finished image.",
        )
    return [{"stage": "refiner", "params": {**sampling, "model": model, "refinement_level": level}}]


def hires_stages(
    request: Txt2ImgRequest,
    size: tuple[int, int],
    sampling: Json,
    info: ModelInfo,
    shelf: Shelf,
    notes: Notes,
) -> list[Json]:
    """The upscaler, and a diffusion pass over what it made; `size` is that of the first image."""
    factor = _factor(request, size, notes)
    upscaler = None
    name = request.hr_upscaler or "None"
    if name.lower().startswith(_LATENT):
        if request.hr_upscaler:
            notes.warn("hr_upscaler", f"{name!r} was done by the service's own upscaler.")
    else:
        upscaler = shelf.upscaler(name, "hr_upscaler", notes)
    enlarged = {"upscale_factor": factor, "upscaler": upscaler}
    stages: list[Json] = [{"stage": "upscaler", "params": enlarged}]
    strength = HIRES_STRENGTH if request.denoising_strength is None else request.denoising_strength
    if request.hr_negative_prompt not in ("", request.negative_prompt):
        notes.warn("hr_negative_prompt", "is not honoured; negative_prompt was used.")
    if strength == 0:
        return stages
    params = {**sampling, "strength": strength, **_second(request, strength, shelf, notes)}
    longest = max(round(side * factor) for side in size)
    if longest <= info.max_size:  # A1111 does it in one piece; so do we where the model can
        params = {"prompt": "{prompt}", **params, "tile": max(32, longest)}
    return [*stages, {"stage": "restorer", "params": params}]


def _second(request: Txt2ImgRequest, strength: float, shelf: Shelf, notes: Notes) -> Json:
    """What the second pass does in another way than the first."""
    params: Json = {}
    if request.hr_second_pass_steps:
        # So many steps are to run, of which only the last `strength` do.
        steps = math.ceil(request.hr_second_pass_steps / strength)
        if steps > _MAX_STEPS:
            steps = _MAX_STEPS
            ran = int(steps * strength)
            notes.warn("hr_second_pass_steps", f"{ran} ran: more do not fit this strength.")
        params["steps"] = steps
    if (checkpoint := request.hr_checkpoint_name or "") not in _SAME:
        params["model"] = shelf.model(checkpoint, "hr_checkpoint_name", notes)
    if request.hr_sampler_name or request.hr_scheduler:
        sampler = request.hr_sampler_name
        if not sampler or sampler.lower() == "use same sampler":
            sampler = request.sampler_name or request.sampler_index
        params["scheduler"] = scheduler_of(
            sampler, request.hr_scheduler or request.scheduler, notes, "hr_sampler_name"
        )
    if request.hr_prompt:
        params["prompt"] = request.hr_prompt
    return params


def _factor(request: Txt2ImgRequest, size: tuple[int, int], notes: Notes) -> float:
    wanted = request.hr_resize_x, request.hr_resize_y
    if request.firstphase_width or request.firstphase_height:
        wanted = request.width or 0, request.height or 0
    factors = [target / side for target, side in zip(wanted, size, strict=True) if target and side]
    if not factors:
        return request.hr_scale
    factor = factors[0]
    if any(
        target and round(side * factor) != target for target, side in zip(wanted, size, strict=True)
    ):
        notes.refuse(
            "hr_resize_x",
            f"expected the shape of {size[0]}x{size[1]}, got {wanted[0]}x{wanted[1]}. "
            "Use hr_scale.",
        )
    if not 1 <= factor <= 8:
        notes.refuse("hr_resize_x", f"expected 1 to 8 times the first size, got {factor:g} times.")
        return 1.0
    return factor
