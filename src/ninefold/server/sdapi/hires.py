"""Hires-fix as stages, upscaler and restorer; and the refiner, of the first image or a stage."""

from __future__ import annotations

import math

from ninefold.core.errors import ModelError
from ninefold.core.values import Json
from ninefold.engines.diffusion import ModelInfo
from ninefold.engines.ensemble import ensemble_problems
from ninefold.server.sdapi.model_catalog import ModelCatalog, RequestIssues
from ninefold.server.sdapi.samplers import scheduler_of
from ninefold.server.sdapi.schemas import Processing, Txt2ImgRequest
from ninefold.stages.refiner import STRENGTHS
from ninefold.stages.upscaler import MAX_FACTOR

#: A1111's denoising strength of a hires pass where none is given.
HIRES_STRENGTH = 0.75
#: How far a face may change where faces are to be restored.
FACE_STRENGTH = 0.3
_MAX_STEPS = 200
_SAME = ("", "None", "Use same checkpoint")
#: A1111 also enlarges latents; that is left to our own upscaler.
_LATENT = "latent"


def refiner_of(
    request: Processing,
    base: str | None,
    sampling: Json,
    catalog: ModelCatalog,
    issues: RequestIssues,
    *,
    takes_over: bool = True,
) -> tuple[Json, list[Json]]:
    """What a refiner adds to the parameters of the first image, and the stages after it.

    As in A1111 it makes the last steps of the image where it can go on with the base's latents
    and `takes_over`; else it works over the finished image.
    """
    name = request.refiner_checkpoint or ""
    if name in _SAME:
        return {}, []
    model = catalog.model(name, "refiner_checkpoint", issues)
    switch = 0.8 if request.refiner_switch_at is None else request.refiner_switch_at
    if takes_over and 0 < switch < 1 and model is not None and _goes_on(base, model, catalog):
        return {"refiner": model, "handover": switch}, []
    return {}, _afterwards(model, switch, sampling, issues)


def _goes_on(base: str | None, refiner: str, catalog: ModelCatalog) -> bool:
    """Whether the refiner can go on with the base's latents."""
    try:
        return not any(ensemble_problems(catalog.info(base), catalog.info(refiner)))
    except ModelError:  # of one that is not usable, which the job's check reports
        return False


def _afterwards(
    model: str | None, switch: float, sampling: Json, issues: RequestIssues
) -> list[Json]:
    """The refiner as a stage."""
    wanted = 1 - switch
    if wanted <= 0:
        issues.warn("refiner_switch_at", "is 1, so that nothing was left for the refiner.")
        return []
    level = min(range(1, len(STRENGTHS)), key=lambda n: abs(STRENGTHS[n] - wanted))
    if STRENGTHS[level] != round(wanted, 6):
        issues.warn(
            "refiner_switch_at",
            f"{1 - wanted:g} became strength {STRENGTHS[level]:g} over the finished image.",
        )
    return [{"stage": "refiner", "params": {**sampling, "model": model, "refinement_level": level}}]


def restored_faces(
    request: Processing, sampling: Json, catalog: ModelCatalog, issues: RequestIssues
) -> list[Json]:
    """`restore_faces`: a detailer on every face, where a detector finds them."""
    if not request.restore_faces:
        return []
    detector = catalog.finder("face")
    if detector is None:
        issues.warn("restore_faces", "is not done: no detector at hand finds faces.")
        return []
    issues.warn("restore_faces", f"faces that {detector!r} found were painted again.")
    found = {"detector": detector, "classes": ["face"], "top_k": 0, "strength": FACE_STRENGTH}
    return [{"stage": "detailer", "params": {**sampling, **found}}]


def hires_stages(
    request: Txt2ImgRequest,
    size: tuple[int, int],
    sampling: Json,
    info: ModelInfo,
    catalog: ModelCatalog,
    issues: RequestIssues,
) -> list[Json]:
    """The upscaler, and a diffusion pass over what it made; `size` is that of the first image."""
    enlarged = _enlarged(request, size, issues)
    upscaler = None
    name = request.hr_upscaler or _LATENT
    if not name.lower().startswith(_LATENT):
        upscaler = enlarger(name, "hr_upscaler", catalog, issues)
    elif request.hr_upscaler:
        issues.warn("hr_upscaler", f"{name!r} was done by the service's own upscaler.")
    stages: list[Json] = [{"stage": "upscaler", "params": {**enlarged, "upscaler": upscaler}}]
    strength = HIRES_STRENGTH if request.denoising_strength is None else request.denoising_strength
    if strength == 0:
        return stages
    params = {**sampling, "strength": strength, **_second(request, strength, catalog, issues)}
    factor = enlarged.get("upscale_factor", 1)
    longest = max(enlarged.get("width", size[0] * factor), enlarged.get("height", size[1] * factor))
    longest = round(longest)
    if longest <= info.max_size:  # A1111 does it in one piece; so do we where the model can
        params = {"prompt": "{prompt}", **params, "tile": max(32, longest)}
    return [*stages, {"stage": "restorer", "params": params}]


def _second(
    request: Txt2ImgRequest, strength: float, catalog: ModelCatalog, issues: RequestIssues
) -> Json:
    """What the second pass does in another way than the first."""
    params: Json = {}
    if request.hr_second_pass_steps:
        # So many steps are to run, of which only the last `strength` do.
        steps = math.ceil(request.hr_second_pass_steps / strength)
        if steps > _MAX_STEPS:
            steps = _MAX_STEPS
            ran = int(steps * strength)
            issues.warn("hr_second_pass_steps", f"{ran} ran: more do not fit this strength.")
        params["steps"] = steps
    if (checkpoint := request.hr_checkpoint_name or "") not in _SAME:
        params["model"] = catalog.model(checkpoint, "hr_checkpoint_name", issues)
    if request.hr_sampler_name or request.hr_scheduler:
        sampler = request.hr_sampler_name
        if not sampler or sampler.lower() == "use same sampler":
            sampler = request.sampler_name or request.sampler_index
        params["scheduler"] = scheduler_of(
            sampler, request.hr_scheduler or request.scheduler, issues, "hr_sampler_name"
        )
    if request.hr_prompt:
        params["prompt"] = request.hr_prompt
    if request.hr_negative_prompt:
        params["negative_prompt"] = request.hr_negative_prompt
    return params


def enlarger(name: str, where: str, catalog: ModelCatalog, issues: RequestIssues) -> str | None:
    """The upscaler of a pass that enlarges; without one A1111 does so by Lanczos' filter."""
    return "lanczos" if name == "None" else catalog.upscaler(name, where, issues)


def _enlarged(request: Txt2ImgRequest, size: tuple[int, int], issues: RequestIssues) -> Json:
    """The upscaler's size or factor; a size of another shape is covered, and cut to its shape."""
    wanted = request.hr_resize_x, request.hr_resize_y
    if request.firstphase_width or request.firstphase_height:
        wanted = request.width or 0, request.height or 0
    if not any(wanted):
        return {"upscale_factor": request.hr_scale}
    across, down = size
    width = wanted[0] or max(1, wanted[1] * across // down)
    height = wanted[1] or max(1, wanted[0] * down // across)
    if (factor := max(width / across, height / down)) > MAX_FACTOR:
        issues.refuse(
            "hr_resize_x", f"expected at most {MAX_FACTOR:g} times the first size, got {factor:g}."
        )
    return {"width": width, "height": height}
