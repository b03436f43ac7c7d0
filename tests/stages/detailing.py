"""What the tests of the detailer share: an image with things in it, and a run over them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ninefold import PipelineContext, Region
from ninefold.engines.detection import Detection
from ninefold.engines.diffusion import Inpaint
from ninefold.imaging import masks
from ninefold.imaging.boxes import Box
from ninefold.slots import REGIONS
from ninefold.stages import DetailerStage

from ..support import (
    Mask,
    Pixels,
    picture,
    pixels_of,
    recording_engines,
)
from ..support import run as run_async

SIDE = 256
FACE = Detection("face", 0.9, 40, 40, 72, 80)
HOUSE = Detection("house", 0.6, 120, 100, 220, 220)
TREE = Detection("tree", 0.75, 10, 200, 40, 230)


def village(folder: Path) -> PipelineContext:
    return PipelineContext(folder, prompt="a village", seed=7, image=picture(SIDE, SIDE))


def detailed(
    context: PipelineContext, *found: Detection, **params: Any
) -> tuple[tuple[Region, ...], list[Inpaint], Pixels]:
    """The regions, the requests, and where the image has changed (height x width)."""
    engines, requests = recording_engines(found)
    before = pixels_of(context["image"].path)
    run_async(DetailerStage(engines=engines, **params).execute(context))
    after = pixels_of(context["image"].path)
    inpaints = [request for request in requests if isinstance(request, Inpaint)]
    assert len(inpaints) == len(requests)
    return context[REGIONS], inpaints, (after != before).any(axis=2)


def soft_mask(item: Detection, dilate: int = 4, blur: float = 3.0) -> Mask:
    """The mask that a detection's region has."""
    box = Box.around(item.left, item.top, item.right, item.bottom).clip(SIDE, SIDE)
    hard = masks.box_mask(box, SIDE, SIDE)
    return masks.blur(masks.dilate(hard, dilate), blur)


def labels(regions: tuple[Region, ...]) -> list[str]:
    return [region.label for region in regions]
