"""Laying a logo or watermark over an image."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ninefold.imaging.alpha import cover, join
from ninefold.imaging.arrays import check_pixels, check_range, describe
from ninefold.imaging.boxes import Box
from ninefold.imaging.masks import paste

Anchor = Literal[
    "top-left", "top", "top-right",
    "left", "centre", "right",
    "bottom-left", "bottom", "bottom-right",
]  # fmt: skip

_PLACES: dict[Anchor, tuple[float, float]] = {
    "top-left": (0, 0), "top": (0.5, 0), "top-right": (1, 0),
    "left": (0, 0.5), "centre": (0.5, 0.5), "right": (1, 0.5),
    "bottom-left": (0, 1), "bottom": (0.5, 1), "bottom-right": (1, 1),
}  # fmt: skip


def apply_overlay(
    base: NDArray[np.uint8],
    overlay: NDArray[np.uint8],
    anchor: Anchor = "bottom-right",
    *,
    scale: float | None = None,
    margin: int = 0,
    opacity: float = 1.0,
) -> NDArray[np.uint8]:
    """Composite an H x W x 4 RGBA overlay (straight alpha) at one of nine places.

    The base is H x W x 3, or x 4 with straight alpha; so is what comes back, and what lies under
    the overlay is covered. `scale` is the overlay's width as a part of the base's (0..1]; None
    keeps its own pixels. Where it would come nearer than `margin` pixels to an edge it shrinks,
    aspect kept. `opacity` 0..1 multiplies its alpha; 0 gives back the base itself. Raises
    ValueError for values out of range or a margin that leaves no room.
    """
    if base.ndim != 3 or base.shape[2] != 4:
        check_pixels(base, "base")
    if overlay.dtype != np.uint8 or overlay.ndim != 3 or overlay.shape[2] != 4 or not overlay.size:
        raise ValueError(f"overlay: expected an H x W x 4 uint8 array, got {describe(overlay)}")
    check_range("overlay opacity", opacity, 0, 1)
    check_range("overlay margin", margin, 0)
    if scale is not None and not 0 < scale <= 1:
        raise ValueError(f"overlay scale: expected more than 0, at most 1, got {scale}")
    if anchor not in _PLACES:
        raise ValueError(f"expected an anchor of {', '.join(_PLACES)}, got {anchor!r}")
    if opacity == 0:
        return base
    box = _place(base, overlay, anchor, scale, margin)
    if (box.height, box.width) != overlay.shape[:2]:
        # Pillow resizes RGBA with its alpha multiplied in, so hidden colours do not bleed out.
        image = Image.fromarray(overlay).resize((box.width, box.height), Image.Resampling.LANCZOS)
        overlay = np.array(image)
    mask = overlay[..., 3] * np.float32(opacity / 255)
    patch = np.ascontiguousarray(overlay[..., :3])
    if base.shape[2] == 3:
        return paste(base, patch, mask, box)
    alpha = base[..., 3].copy()
    alpha[box.slices] = cover(alpha[box.slices], mask)
    # Porter and Duff's "over": the overlay's part of what is to be seen of both.
    part = np.minimum(mask * np.float32(255) / np.maximum(alpha[box.slices], 1), np.float32(1))
    return join(paste(np.ascontiguousarray(base[..., :3]), patch, part, box), alpha)


def _place(
    base: NDArray[np.uint8],
    overlay: NDArray[np.uint8],
    anchor: Anchor,
    scale: float | None,
    margin: int,
) -> Box:
    room_across, room_down = base.shape[1] - 2 * margin, base.shape[0] - 2 * margin
    if room_across < 1 or room_down < 1:
        raise ValueError(f"overlay margin: expected room between the margins, got {margin}")
    height, width = overlay.shape[:2]
    factor = 1.0 if scale is None else scale * base.shape[1] / width
    factor = min(factor, room_across / width, room_down / height)
    width = min(max(1, round(width * factor)), room_across)
    height = min(max(1, round(height * factor)), room_down)
    across, down = _PLACES[anchor]
    left = margin + round((room_across - width) * across)
    top = margin + round((room_down - height) * down)
    return Box(left, top, left + width, top + height)
