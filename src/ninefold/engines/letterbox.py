"""Images fitted into a detector's input, and what it finds there brought back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ninefold.engines.detection import Covered
from ninefold.imaging.types import Pixels

Array = NDArray[np.float32]

#: Ultralytics' grey for what the image does not cover.
PADDING = 114


@dataclass(frozen=True)
class Fit:
    """Where an image lies in a network's input."""

    #: Width and height of the image, and of the input.
    image: tuple[int, int]
    input: tuple[int, int]
    scale: float
    left: int
    top: int
    #: Width and height that the image has there.
    inner: tuple[int, int]

    def to_image(self, corners: Array) -> Array:
        """Corners (N x 4) in pixels of the image, within it."""
        moved = (corners - [self.left, self.top, self.left, self.top]) / self.scale
        found: Array = np.clip(moved, 0, [*self.image, *self.image])
        return found

    def points_to_image(self, points: Array) -> Array:
        """Points (N x 3: x, y, visibility) in pixels of the image."""
        at = (points[:, :2] - [self.left, self.top]) / self.scale
        return np.concatenate([at, points[:, 2:].clip(0, 1)], axis=1)


def letterbox(image: Pixels, height: int, width: int) -> tuple[Array, Fit]:
    """The image as a batch (1, 3, height, width) from 0 to 1, fitted in on grey."""
    from PIL import Image

    scale = min(width / image.shape[1], height / image.shape[0])
    inner = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    fitted = Image.fromarray(image).resize(inner, Image.Resampling.BILINEAR)
    canvas = np.full((height, width, 3), PADDING, np.uint8)
    left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
    canvas[top : top + inner[1], left : left + inner[0]] = np.asarray(fitted)
    batch = canvas.transpose(2, 0, 1)[None].astype(np.float32) / 255
    size = (image.shape[1], image.shape[0])
    fit = Fit(size, (width, height), scale, left, top, inner)
    return np.ascontiguousarray(batch), fit


def covered(coefficients: Array, prototypes: Array, corners: Array, fit: Fit) -> Covered:
    """The image's pixels (height x width) inside `corners` that a sum of prototypes is set at."""
    from PIL import Image

    high, wide = prototypes.shape[1:]
    logits = (coefficients @ prototypes.reshape(len(prototypes), -1)).reshape(high, wide)
    across, down = wide / fit.input[0], high / fit.input[1]
    (width, height), box = fit.image, (fit.left * across, fit.top * down)
    ends = (box[0] + fit.inner[0] * across, box[1] + fit.inner[1] * down)
    enlarged = Image.fromarray(logits.astype(np.float32)).resize(
        (width, height), Image.Resampling.BILINEAR, box=(*box, *ends)
    )
    found = np.asarray(enlarged) > 0
    left, top = np.floor(corners[:2]).astype(int)
    right, bottom = np.ceil(corners[2:]).astype(int)
    inside = np.zeros_like(found)
    inside[top:bottom, left:right] = found[top:bottom, left:right]
    return inside


def suppressed(corners: Array, classes: NDArray[np.int64], overlap: float) -> list[int]:
    """Greedy non-maximum suppression within each class; corners come best first.

    `overlap` is the part of their union from which two boxes are one thing.
    """
    areas = np.prod(corners[:, 2:] - corners[:, :2], axis=1)
    alive = np.ones(len(corners), bool)
    kept: list[int] = []
    for i in range(len(corners)):
        if not alive[i]:
            continue
        kept.append(i)
        common = np.minimum(corners[i, 2:], corners[:, 2:]) - np.maximum(
            corners[i, :2], corners[:, :2]
        )
        shared = np.prod(np.clip(common, 0, None), axis=1)
        union = areas[i] + areas - shared
        alive &= ~((classes == classes[i]) & (shared > overlap * union))
    return kept
