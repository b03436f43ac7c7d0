"""From OpenAI's parameters to a pipeline and its input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ninefold.config import PipelineConfig
from ninefold.core.errors import InputError
from ninefold.core.values import Json
from ninefold.engines.diffusion import ModelInfo
from ninefold.files.opening import ImageLimits
from ninefold.server.blocking_requests import ImageOrder
from ninefold.server.openai.schemas import (
    Background,
    EditRequest,
    GenerationRequest,
    ImageRequest,
    OutputFormat,
    Quality,
    VariationRequest,
)
from ninefold.server.openai.sizes import SizePlan, plan_size, plan_source
from ninefold.server.sent_images import SentImage

#: The preset for each quality of a generation.
PRESETS: dict[Quality, str] = {"low": "draft", "medium": "standard", "high": "full"}
#: Denoising steps of an edit for each quality, as a part of the model's own number.
STEPS: dict[Quality, float] = {"low": 0.5, "medium": 1.0, "high": 1.5}
#: Denoising strength of an edit: inside a mask, and of the whole image; with high fidelity less.
MASKED = {"low": 1.0, "high": 0.75}
WHOLE = {"low": 0.7, "high": 0.4}
#: And of a variation.
VARIED = 0.7
#: Sigma in pixels of the soft edge of an edit's mask.
MASK_BLUR = 2.0


@dataclass(frozen=True)
class Ordered:
    """An order, and what its answer says of its images."""

    order: ImageOrder
    quality: Quality
    output_format: OutputFormat
    #: Width and height of the images, in pixels.
    size: tuple[int, int]
    background: Background


def generation(request: GenerationRequest, model: str | None, info: ModelInfo) -> Ordered:
    """Images from text; `model` is ours, by our name. Raises `InputError`."""
    preset = _preset(request)
    if request.final_size is None:
        factor = _own_factor(preset)
        width, height = info.native_size
        plan = SizePlan(width, height, factor, (round(width * factor), round(height * factor)))
    else:
        plan = plan_size(*request.final_size, info)
    order = _order(request, model, _sized(preset, plan, request))
    return _ordered(request, order, plan.final)


def edit(
    request: EditRequest,
    model: str | None,
    info: ModelInfo,
    image: bytes,
    mask: bytes | None,
    limits: ImageLimits,
) -> Ordered:
    """A changed image: whole, or where the mask is transparent. Raises `InputError`.

    With a mask, and at the image's own size, all else stays as it is, pixel for pixel: the place
    is painted at the model's native size and put back.
    """
    sent = SentImage.decode(image, limits)
    source = sent.size
    painted = None if mask is None else transparent_as_white(mask, limits)
    if painted is not None and painted.size != source:
        width, height = painted.size
        raise InputError(
            f"mask: expected the image's size, {source[0]}x{source[1]}, got {width}x{height}."
        )
    if painted is not None and not painted.pixels.any():
        raise InputError("mask: expected transparent pixels where to edit, got none.")
    size = request.final_size or source
    keep = request.input_fidelity or "low"
    steps = max(1, round(info.steps * STEPS[request.final_quality]))
    if painted is not None and size == source:
        params = {"strength": MASKED[keep], "steps": steps, "dilate": 0, "blur": MASK_BLUR}
        stages: list[Json] = [{"stage": "detailer", "params": params}]
    else:
        params = {"strength": (WHOLE if painted is None else MASKED)[keep], "steps": steps}
        stages = _repainted(request, source, info, params)
    stages = [{"stage": "prompt"}, *stages, *_ending(request)]
    order = _order(request, model, stages, image=_source(request, sent), mask=painted)
    return _ordered(request, order, size)


def edit_of_references(
    request: EditRequest,
    model: str | None,
    info: ModelInfo,
    images: Sequence[bytes],
    limits: ImageLimits,
) -> Ordered:
    """What an edit model makes of images, at the size of the first. Raises `InputError`."""
    sent = tuple(SentImage.decode(image, limits).flattened() for image in images)
    source = sent[0].size
    params = {"steps": max(1, round(info.steps * STEPS[request.final_quality]))}
    stages = [
        {"stage": "prompt"},
        *_repainted(request, source, info, params),
        *_ending(request),
    ]
    order = _order(request, model, stages, references=sent)
    if request.input_fidelity is not None:
        warning = f"input_fidelity: is not honoured; {info.name} keeps what the prompt leaves."
        order = replace(order, warnings=(*order.warnings, warning))
    return _ordered(request, order, request.final_size or source)


def variation(
    request: VariationRequest, model: str | None, info: ModelInfo, image: bytes, limits: ImageLimits
) -> Ordered:
    """Another image like the source, which needs no prompt. Raises `InputError`."""
    sent = SentImage.decode(image, limits)
    source = sent.size
    steps = max(1, round(info.steps * STEPS[request.final_quality]))
    params = {"strength": VARIED, "steps": steps, "allow_blank": True}
    stages: list[Json] = [
        {"stage": "prompt", "params": {"allow_blank": True}},
        *_repainted(request, source, info, params),
        *_ending(request),
    ]
    order = _order(request, model, stages, image=_source(request, sent))
    return _ordered(request, order, request.final_size or source)


def transparent_as_white(mask: bytes, limits: ImageLimits) -> SentImage:
    """OpenAI's mask, transparent where to edit, as ours, white there.

    Raises `InputError`.
    """
    sent = SentImage.decode(mask, limits, "mask")
    if sent.alpha is None:
        return SentImage.of_pixels(np.zeros_like(sent.pixels))
    return SentImage.of_pixels(np.repeat((255 - sent.alpha)[..., None], 3, axis=2))


def _order(
    request: ImageRequest, model: str | None, stages: Sequence[Json], **given: Any
) -> ImageOrder:
    return ImageOrder(
        stages,
        prompt=request.prompt,
        negative_prompt=request.negative_prompt,
        seed=request.seed,
        model=model,
        count=request.n or 1,
        warnings=request.warnings,
        **given,
    )


def _repainted(
    request: ImageRequest, source: tuple[int, int], info: ModelInfo, params: Mapping[str, Any]
) -> list[Json]:
    """The whole source painted again, at the size asked for or else at its own."""
    if request.final_size is not None:
        plan = plan_size(*request.final_size, info)
        enlarged = _upscaler(plan.factor)
    else:
        plan = plan_source(*source, info)
        width, height = plan.final
        # Stretched: its shape has changed a little with the size that the model can do.
        given = {"width": width, "height": height, "fit": "stretch"}
        own = (plan.width, plan.height) == plan.final
        enlarged = [] if own else [{"stage": "upscaler", "params": given}]
    size = {"width": plan.width, "height": plan.height}
    return [{"stage": "text_to_image", "params": {**params, **size}}, *enlarged]


def _sized(preset: Sequence[Json], plan: SizePlan, request: ImageRequest) -> list[Json]:
    """The preset's stages for one size: the upscaler is there where it is needed."""
    stages: list[Json] = []
    upscaler = _upscaler(plan.factor)
    for item in preset:
        params = dict(item.get("params", {}))
        match item["stage"]:
            case "text_to_image":
                params |= {"width": plan.width, "height": plan.height}
            case "upscaler":
                stages += upscaler
                upscaler = []
                continue
            case "publisher":
                stages += [*upscaler, *_ending(request)]
                continue
        stages.append({**item, "params": params})
    return stages


def _preset(request: ImageRequest) -> list[Json]:
    """The stages of the preset of the quality asked for."""
    found: list[Json] = PipelineConfig.preset(PRESETS[request.final_quality]).document()["stages"]
    return found


def _own_factor(preset: Sequence[Json]) -> float:
    """How far a preset enlarges by itself."""
    found = [item for item in preset if item["stage"] == "upscaler"]
    return float(found[0].get("params", {}).get("upscale_factor", 2.0)) if found else 1.0


def _upscaler(factor: float) -> list[Json]:
    if factor == 1:
        return []
    return [{"stage": "upscaler", "params": {"upscale_factor": factor}}]


def _source(request: ImageRequest, sent: SentImage) -> SentImage:
    """What an image is made from: what is transparent stays so only where that is asked for."""
    return sent if request.is_transparent else sent.flattened()


def _ordered(request: ImageRequest, order: ImageOrder, size: tuple[int, int]) -> Ordered:
    background: Background = "transparent" if request.is_transparent else "opaque"
    return Ordered(order, request.final_quality, request.final_format, size, background)


def _ending(request: ImageRequest) -> list[Json]:
    """The last stages: the subject is cut out where that is asked for, and files are written."""
    matte: list[Json] = [{"stage": "matte"}] if request.is_transparent else []
    return [*matte, _publisher(request)]


def _publisher(request: ImageRequest) -> Json:
    """Files are signed where the preset of the quality signs its own."""
    (own,) = (item.get("params", {}) for item in _preset(request) if item["stage"] == "publisher")
    params: dict[str, Any] = {"formats": [request.final_format], "sign": own.get("sign", False)}
    if request.output_compression is not None and request.final_format != "png":
        params["quality"] = max(1, request.output_compression)
    return {"stage": "publisher", "params": params}
