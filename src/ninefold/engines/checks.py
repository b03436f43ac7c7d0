"""Whether a request can be fulfilled at all: the same checks for every diffusion engine."""

from __future__ import annotations

import math
from collections.abc import Iterator
from importlib.util import find_spec

import numpy as np

from ninefold.core.errors import InputError
from ninefold.core.values import Tiling
from ninefold.engines.diffusion import ImageToImage, Inpaint, ModelInfo, TextToImage, task_of
from ninefold.engines.families import Task
from ninefold.imaging.resize import round_to_multiple

_MAX_STEPS = 1000
_MAX_GUIDANCE = 100.0
#: How far a shape at the model's very limit may be stretched to fit.
_STRETCH = 1.1
#: What a model cannot do that cannot start from it.
_CANNOT: dict[Task, str] = {
    "text": "paint from a prompt alone",
    "image": "work over a whole image",
    "inpaint": "paint inside a mask",
    "edit": "take reference images",
}


def check_request(request: TextToImage, info: ModelInfo) -> None:
    """Raise `InputError` with every problem of the request and what would work instead."""
    problems = [
        *task_problems(task_of(request), info),
        *reference_problems(len(request.references), info),
        *_size(request, info),
        *_numbers(request, info),
        *tiling_problems(request.tiling, info),
    ]
    if isinstance(request, ImageToImage):
        problems += _source(request, info)
    if problems:
        raise InputError("\n".join(problems))


def task_problems(task: Task, info: ModelInfo) -> Iterator[str]:
    """Whether a model can start from that at all, and what it is for if not."""
    family = info.family
    for package in family.packages:
        if find_spec(package) is None:
            yield (
                f"{info.name} ({family.name}) needs the package {package}. Install it: "
                f"pip install {package}."
            )
    if task not in family.tasks:
        instead = f": it {family.instead}" if family.instead else ""
        yield (
            f"{info.name} ({family.name}) cannot {_CANNOT[task]}{instead}. "
            "Choose another model here."
        )


def reference_problems(count: int, info: ModelInfo) -> Iterator[str]:
    """Whether a model takes so many reference images."""
    most = info.family.references
    if count > most and info.takes_references:
        yield f"references: expected at most {most}, as many as {info.name} takes, got {count}."


def area_problems(width: int, height: int, info: ModelInfo) -> Iterator[str]:
    """Whether a model can do so many pixels, where its area is limited."""
    if info.max_area and width * height > info.max_area:
        side = math.isqrt(info.max_area)
        yield (
            f"{info.name} cannot do {width}x{height}: expected at most {info.max_area} pixels in "
            f"all, as {side}x{side} has. Use the upscaler for more."
        )


def tiling_problems(tiling: Tiling, info: ModelInfo) -> Iterator[str]:
    """Whether the model's images can be made to meet at their edges, where that is asked for."""
    if tiling != "none" and not info.family.seamless:
        yield (
            f"tiling: {info.name} is of the family {info.family.name}, whose images cannot be made "
            "to meet at their edges; those of Stable Diffusion 1, 2 and XL can. Leave it out, or "
            "choose another model."
        )


def nearest_sizes(side: int, info: ModelInfo) -> tuple[int, ...]:
    """The one or two sides nearest to `side` that the model can do, smaller first."""
    step = info.size_multiple
    low, high = -(-info.min_size // step) * step, info.max_size // step * step
    below, above = side // step * step, -(-side // step) * step
    return tuple(sorted({min(max(side, low), high) for side in (below, above)}))


def fitting_size(
    source: tuple[int, int], info: ModelInfo, *, least: float = 0.0
) -> tuple[int, int]:
    """About the model's native area in the shape of `source`, nearer to it where a side must be.

    With `least`, at least that many times `source` where the model goes as far.
    Raises `InputError` for a shape that the model cannot do: too long for its width.
    """
    step = info.size_multiple
    low, high = -(-info.min_size // step) * step, info.max_size // step * step
    long, short = max(source), min(source)
    if long * low > short * high * _STRETCH:
        raise InputError(
            f"image: expected at most {high // low} times as long as wide, as far as {info.name} "
            f"goes ({low} to {high} pixels a side), got {source[0]}x{source[1]}. Crop or pad it, "
            "or ask for a width and a height, which stretches it."
        )
    area = info.native_size[0] * info.native_size[1]
    factor = math.sqrt(area / (long * short))
    if least:  # a side may lose half a step by rounding
        factor = max(factor, least + step / 2 / short)
    factor = min(max(factor, low / short), high / long)
    width, height = (min(max(round_to_multiple(side * factor, step), low), high) for side in source)
    return width, height


def _size(request: TextToImage, info: ModelInfo) -> list[str]:
    sides = (("width", request.width), ("height", request.height))
    wrong = [(name, side) for name, side in sides if nearest_sizes(side, info) != (side,)]
    if not wrong:
        return list(area_problems(request.width, request.height, info))
    return [
        f"{info.name} cannot do {name} {side}: expected a multiple of {info.size_multiple} from "
        f"{info.min_size} to {info.max_size}; "
        f"nearest: {' or '.join(map(str, nearest_sizes(side, info)))}."
        for name, side in wrong
    ]


def _numbers(request: TextToImage, info: ModelInfo) -> list[str]:
    problems = []
    most = info.family.max_steps or _MAX_STEPS
    if not 1 <= request.steps <= most:
        problems.append(
            f"steps: expected 1 to {most}, which {info.name} can do, got {request.steps}."
        )
    if not (math.isfinite(request.guidance_scale) and 0 <= request.guidance_scale <= _MAX_GUIDANCE):
        problems.append(
            f"guidance_scale: expected 0 to {_MAX_GUIDANCE:g}, got {request.guidance_scale}."
        )
    if not 1 <= request.true_cfg_scale <= _MAX_GUIDANCE:  # NaN is neither
        problems.append(
            f"true_cfg_scale: expected 1 to {_MAX_GUIDANCE:g}, got {request.true_cfg_scale}."
        )
    if not 0 <= request.seed < 1 << 63:
        problems.append(f"seed: expected 0 to 2^63 - 1, got {request.seed}.")
    return problems


def strength_problems(strength: float, info: ModelInfo) -> list[str]:
    """Whether a schedule that the model can do has one step left at that strength."""
    least = 1 / (info.family.max_steps or _MAX_STEPS)
    if strength != 0 and not least <= strength <= 1:
        return [f"strength: expected {least:g} to 1, which {info.name} can do, got {strength:g}."]
    return []


def _source(request: ImageToImage, info: ModelInfo) -> list[str]:
    problems = []
    shape = (request.height, request.width)
    if request.image.shape != (*shape, 3) or request.image.dtype != np.uint8:
        problems.append(
            f"image: expected uint8 {(*shape, 3)}, got {request.image.dtype} "
            f"{request.image.shape}. Resize it to the width and height asked for."
        )
    problems += strength_problems(request.strength, info)
    if isinstance(request, Inpaint) and request.mask.shape != shape:
        problems.append(f"mask: expected shape {shape}, got {request.mask.shape}.")
    return problems
