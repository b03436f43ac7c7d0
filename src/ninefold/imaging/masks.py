"""Making, shaping and using masks (H x W float32, 0..1)."""

from collections.abc import Sequence

import numpy as np

from ninefold.imaging.arrays import (
    check_mask,
    check_pixels,
    check_range,
    describe,
    luma,
    row_bands,
    spread,
    to_bytes,
)
from ninefold.imaging.boxes import Box
from ninefold.imaging.filters import gaussian_blur, maximum_filter
from ninefold.imaging.types import Mask, Pixels

# Less than this cannot move any 8-bit value by half a level.
_INVISIBLE = 1 / 512
_FAINT = 1 / 16


def box_mask(box: Box, width: int, height: int) -> Mask:
    """One inside the box, zero elsewhere; the box may reach outside the image."""
    mask = np.zeros((height, width), dtype=np.float32)
    mask[box.clip(width, height).slices] = 1
    return mask


def mask_from_pixels(pixels: Pixels) -> Mask:
    """White takes part, black does not: luma / 255."""
    check_pixels(pixels)
    # Weights that sum to one may still pass it by a rounding.
    mask: Mask = np.minimum(luma(pixels) * np.float32(1 / 255), np.float32(1))
    return mask


def paints(mask: Mask) -> bool:
    """Whether a mask asks for anything: more than the noise of a lossy format's black."""
    check_mask(mask)
    return bool(mask.max() >= _FAINT)


def same_shape(first: tuple[int, int], second: tuple[int, int], slack: float = 0.0) -> bool:
    """Whether two sizes have one aspect ratio, but for what rounding to pixels may take.

    `slack` allows for more, as a part of the ratio.
    """
    ratio = first[0] * second[1] / (first[1] * second[0])
    slack += 0.02 + 1 / min(*first, *second)
    return 1 / (1 + slack) <= ratio <= 1 + slack


def mask_box(mask: Mask) -> Box | None:
    """Smallest box that holds every non-zero pixel, or None where all are zero."""
    check_mask(mask)
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    if not len(columns):
        return None
    return Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)


def dilate(mask: Mask, pixels: int) -> Mask:
    """Grow by a square of `pixels` to each side; negative erodes. The border does not erode."""
    check_mask(mask)
    if pixels < 0:
        return -maximum_filter(-mask, -pixels)
    return maximum_filter(mask, pixels)


def blur(mask: Mask, sigma: float) -> Mask:
    """Gaussian blur by `sigma` pixels; what is too little to show becomes exactly 0, or 1."""
    check_mask(mask)
    check_range("blur", sigma, 0)
    if sigma == 0:
        return mask
    soft = gaussian_blur(mask, sigma)
    soft[soft < _INVISIBLE] = 0
    soft[soft > 1 - _INVISIBLE] = 1
    return soft


def invert(mask: Mask) -> Mask:
    """One minus the mask."""
    check_mask(mask)
    return np.float32(1) - mask


def merge(masks: Sequence[Mask]) -> Mask:
    """The union: the largest value at each pixel. Raises ValueError for none or mixed sizes."""
    if not masks:
        raise ValueError("expected at least one mask, got none")
    merged = masks[0].copy()
    for mask in masks:
        check_mask(mask)
        if mask.shape != merged.shape:
            raise ValueError(
                f"expected masks of one size, got {describe(merged)}, {describe(mask)}"
            )
        np.maximum(merged, mask, out=merged)
    return merged


def offset(mask: Mask, right: int, down: int) -> Mask:
    """Shift by whole pixels (negative: left, up); zeros come in, what leaves is lost."""
    check_mask(mask)
    height, width = mask.shape
    out = np.zeros_like(mask)
    target = Box(right, down, right + width, down + height).clip(width, height)
    source = Box(target.left - right, target.top - down, target.right - right, target.bottom - down)
    if target.area:
        out[target.slices] = mask[source.slices]
    return out


def paste(base: Pixels, patch: Pixels, mask: Mask, box: Box | None = None) -> Pixels:
    """Mix `patch` into `base`: base where the mask is 0, bit for bit; the patch where it is 1.

    With a `box`, patch and mask have its size and only that part of the base changes; without one,
    all three have one size. Raises ValueError for other sizes or a box that leaves the image.
    """
    check_pixels(base, "base")
    check_pixels(patch, "patch")
    check_mask(mask)
    height, width = base.shape[:2]
    place = box or Box(0, 0, width, height)
    if place.clip(width, height) != place:
        raise ValueError(f"expected a box inside the {width} x {height} base, got {place}")
    if not patch.shape[:2] == mask.shape == (place.height, place.width):
        raise ValueError(
            f"expected patch and mask of {place.height} x {place.width}, "
            f"got {describe(patch)} and {describe(mask)}"
        )
    out = base.copy()
    target = out[place.slices]
    for rows in row_bands(place.height, place.width):
        old = target[rows].astype(np.float32).reshape(-1, place.width * 3)
        mixed = patch[rows].reshape(old.shape) - old
        mixed *= spread(mask[rows])
        mixed += old
        target[rows] = to_bytes(mixed).reshape(-1, place.width, 3)
    return out
