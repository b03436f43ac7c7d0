"""The regions that the detailer paints: what a detector found, or a mask says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from ninefold.engines.detection import Detection
from ninefold.imaging import masks
from ninefold.imaging.boxes import Box
from ninefold.imaging.types import Mask
from ninefold.stages.parameters import DETECTOR_MODEL
from ninefold.stages.prompted import PromptedParams

Order = Literal["confidence", "area", "left_to_right"]
#: Label, score and mask of what is to be painted, before its mask is grown, moved and softened.
Hard = tuple[str, float, Mask]


class RegionParams(PromptedParams):
    """Which regions are taken, and how their masks are made."""

    detector: Annotated[str, DETECTOR_MODEL] | None = Field(
        None,
        description="A detector's name, .onnx file or transformers folder; by default the built-in "
        "one. Where it gives masks, these are painted in instead of boxes.",
    )
    confidence: float = Field(0.3, ge=0, le=1, description="Least score of a detection.")
    classes: tuple[str, ...] = Field(
        (), description="Labels to take; empty takes all. For a detector that finds by words, they."
    )
    top_k: int = Field(4, ge=0, le=100, description="Most regions to paint; 0 paints all.")
    order: Order = Field("area", description="Which regions come first, and stay under top_k.")
    min_area: float = Field(0.0, ge=0, le=1, description="Least part of the image's area.")
    max_area: float = Field(1.0, ge=0, le=1, description="Largest part of the image's area.")
    padding: float = Field(
        0.25, ge=0, le=4, description="Room around a region, as a part of its longer side."
    )
    padding_pixels: int | None = Field(
        None, ge=0, le=4096, description="Room around a region in pixels, in place of `padding`."
    )
    dilate: int = Field(4, ge=-256, le=256, description="Pixels by which a mask grows.")
    offset_x: int = Field(0, ge=-4096, le=4096, description="Pixels a mask moves right.")
    offset_y: int = Field(0, ge=-4096, le=4096, description="Pixels a mask moves down.")
    blur: float = Field(3.0, ge=0, le=128, description="Sigma of a mask's soft edge, in pixels.")
    mask_mode: Literal["separate", "merge", "invert"] = Field(
        "separate", description="One pass a region, one over all, or one over all the rest."
    )


@dataclass(frozen=True)
class Found:
    """A region to paint: its soft mask has the image's shape, and the box holds all of it."""

    label: str
    score: float
    mask: Mask
    box: Box


def from_mask(params: RegionParams, mask: Mask) -> Sequence[Found]:
    """The region that a mask of the image's shape says; none where nothing of it is left."""
    return list(_softened(params, [("mask", 1.0, mask)]))


def from_detections(
    params: RegionParams, detections: Sequence[Detection], width: int, height: int
) -> Sequence[Found]:
    """The regions to paint of an image of that size, in their order."""
    chosen = _chosen(params, detections, width, height)
    hard = [(item.label, item.score, _mask(item, width, height)) for item in chosen]
    return list(_softened(params, _combined(params, hard)))


def _chosen(
    params: RegionParams, detections: Sequence[Detection], width: int, height: int
) -> Sequence[Detection]:
    def wanted(item: Detection) -> bool:
        part = _box(item, width, height).area / (width * height)
        in_range = part > 0 and params.min_area <= part <= params.max_area
        return in_range and (not params.classes or item.label in params.classes)

    keys = {
        "confidence": lambda item: -item.score,
        "area": lambda item: -_box(item, width, height).area,
        "left_to_right": lambda item: item.left,
    }
    kept = sorted(filter(wanted, detections), key=keys[params.order])
    return kept[: params.top_k or None]


def _combined(params: RegionParams, hard: Sequence[Hard]) -> Sequence[Hard]:
    if params.mask_mode == "separate" or not hard:
        return hard
    merged = masks.merge([mask for _, _, mask in hard])
    if params.mask_mode == "invert":
        merged = masks.invert(merged)
    return [("+".join(label for label, _, _ in hard), min(s for _, s, _ in hard), merged)]


def _softened(params: RegionParams, hard: Sequence[Hard]) -> Iterator[Found]:
    for label, score, mask in hard:
        moved = masks.offset(mask, params.offset_x, params.offset_y)
        soft = masks.blur(masks.dilate(moved, params.dilate), params.blur)
        box = masks.mask_box(soft)
        if box is not None:
            yield Found(label, score, soft, box)


def _box(item: Detection, width: int, height: int) -> Box:
    return Box.around(item.left, item.top, item.right, item.bottom).clip(width, height)


def _mask(item: Detection, width: int, height: int) -> Mask:
    """What the detector says that it covers, else its box."""
    if item.mask is not None and item.mask.any():
        return item.mask.astype(np.float32)
    return masks.box_mask(_box(item, width, height), width, height)
