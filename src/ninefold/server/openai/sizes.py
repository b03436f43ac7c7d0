"""Which image a model makes, and how far it is enlarged, for a size that a client asks for."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from ninefold.core.errors import InputError
from ninefold.engines.checks import area_problems, fitting_size, nearest_sizes
from ninefold.engines.diffusion import ModelInfo
from ninefold.imaging.resize import fit_size

#: How much more than its native area a model paints well in one go.
STRETCH = 1.5
#: Most that an upscaler stage enlarges.
MAX_FACTOR = 8.0


@dataclass(frozen=True)
class SizePlan:
    """The image to paint, in pixels, and the factor that then gives `final`."""

    width: int
    height: int
    factor: float
    final: tuple[int, int]


def plan_size(width: int, height: int, info: ModelInfo) -> SizePlan:
    """Paint `width` x `height` at once where the model does that well, else smaller and enlarge.

    The painted image has the shape asked for and about the model's native area. Raises `InputError`
    where that cannot be, with a size that can.
    """
    at_once = SizePlan(width, height, 1.0, (width, height))
    fits = _doable(width, info) and _doable(height, info)
    fits = fits and not any(area_problems(width, height, info))
    if fits and width * height <= STRETCH * _area(info):
        return at_once
    plans = list(_plans(width, height, info))
    if plans:
        return min(plans, key=lambda plan: _distance(plan, info))
    if fits:
        return at_once
    near = _near(width, height, info)
    raise InputError(
        f"size: {info.name} cannot make {width}x{height}. The nearest is "
        f"{near.final[0]}x{near.final[1]}."
    )


def plan_source(width: int, height: int, info: ModelInfo) -> SizePlan:
    """Paint a source of `width` x `height` again at about the model's native area, then bring it
    back to just that size.

    The factor is the larger of both sides'. Raises `InputError` for a shape that the model cannot
    do, and where the factor is more than can be done.
    """
    across, down = fitting_size((width, height), info, least=1 / MAX_FACTOR)
    factor = max(width / across, height / down)
    if factor > MAX_FACTOR:
        raise InputError(
            f"image: {info.name} can change at most {round(across * MAX_FACTOR)}x"
            f"{round(down * MAX_FACTOR)} of this shape, got {width}x{height}. Send a smaller one."
        )
    return SizePlan(across, down, factor, (width, height))


def _plans(width: int, height: int, info: ModelInfo) -> Iterator[SizePlan]:
    """Every way to paint smaller and to enlarge to exactly `width` x `height`."""
    step = info.size_multiple
    for across in range(nearest_sizes(1, info)[0], info.max_size + 1, step):
        for down in nearest_sizes(round(across * height / width), info):
            # A side comes out right for a range of factors; both do where the ranges meet.
            least = max((width - 0.5) / across, (height - 0.5) / down)
            most = min((width + 0.5) / across, (height + 0.5) / down)
            factor = min(max(width / across, least), most)
            if least < most and 1 < factor <= MAX_FACTOR:
                plan = _enlarged(across, down, factor)
                if plan.final == (width, height) and not any(area_problems(across, down, info)):
                    yield plan


def _near(width: int, height: int, info: ModelInfo) -> SizePlan:
    """About the shape asked for, by the whole or half factor that comes nearest to the size."""
    fitted = fit_size(width, height, area=_area(info), multiple=info.size_multiple)
    across, down = (nearest_sizes(side, info)[0] for side in fitted)
    factor = round(2 * math.sqrt(width * height / (across * down))) / 2
    return _enlarged(across, down, min(max(1.0, factor), MAX_FACTOR))


def _enlarged(across: int, down: int, factor: float) -> SizePlan:
    return SizePlan(across, down, factor, (round(across * factor), round(down * factor)))


def _distance(plan: SizePlan, info: ModelInfo) -> float:
    return abs(math.log(plan.width * plan.height / _area(info)))


def _doable(side: int, info: ModelInfo) -> bool:
    return nearest_sizes(side, info) == (side,)


def _area(info: ModelInfo) -> int:
    return info.native_size[0] * info.native_size[1]
