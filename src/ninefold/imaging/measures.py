"""Measures of one image: sharpness, clipping, blankness, seams."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ninefold.imaging.arrays import check_pixels, check_range, luma, row_bands
from ninefold.imaging.types import Floats, Pixels

# Levels added to both gradients, so that rounding in a flat area is not a seam.
_SEAM_FLOOR = 0.5


@dataclass(frozen=True, slots=True)
class Clipping:
    """Parts of the pixels (0..1) whose three channels are all at the bottom, or all at the top."""

    low: float
    high: float


def sharpness(pixels: Pixels) -> float:
    """Variance of the luma's 4-neighbour Laplacian, in squared levels; 0 for a flat image.

    Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy", 2000. Needs 3 x 3 pixels.
    """
    check_pixels(pixels)
    height, width = pixels.shape[:2]
    if height < 3 or width < 3:
        raise ValueError(f"sharpness: expected at least 3 x 3 pixels, got {width} x {height}")
    total = squares = 0.0
    for rows in row_bands(height - 2, width):
        y = luma(pixels[rows.start : rows.stop + 2])
        edges = y[:-2, 1:-1] + y[2:, 1:-1] + y[1:-1, :-2] + y[1:-1, 2:] - 4 * y[1:-1, 1:-1]
        total += float(edges.sum(dtype=np.float64))
        squares += float(np.square(edges).sum(dtype=np.float64))
    count: int = (height - 2) * (width - 2)
    mean = total / count
    return max(0.0, squares / count - mean * mean)


def clipping(pixels: Pixels, low: int = 2, high: int = 253) -> Clipping:
    """Pixels with all channels <= `low`, and with all >= `high` (0..255).

    A pure red is saturated but not clipped, hence all three.
    """
    check_pixels(pixels)
    check_range("low level", low, 0, 255)
    check_range("high level", high, 0, 255)
    dark = bright = 0
    for rows in row_bands(*pixels.shape[:2]):
        red, green, blue = np.moveaxis(pixels[rows], -1, 0)
        dark += int(np.count_nonzero(np.maximum(np.maximum(red, green), blue) <= low))
        bright += int(np.count_nonzero(np.minimum(np.minimum(red, green), blue) >= high))
    count = pixels.shape[0] * pixels.shape[1]
    return Clipping(dark / count, bright / count)


def luma_histogram(pixels: Pixels) -> NDArray[np.int64]:
    """Pixels at each of 256 luma levels."""
    check_pixels(pixels)
    counts = np.zeros(256, dtype=np.int64)
    for rows in row_bands(*pixels.shape[:2]):
        levels = np.rint(luma(pixels[rows])).astype(np.uint8)
        counts += np.bincount(levels.ravel(), minlength=256)
    return counts


def luma_deviation(pixels: Pixels) -> float:
    """Standard deviation of luma, in levels; 0 for a flat image, at most 127.5."""
    parts = _parts(pixels)
    levels = np.arange(256)
    mean = float((parts * levels).sum())
    return float(np.sqrt((parts * (levels - mean) ** 2).sum()))


def blankness(pixels: Pixels) -> float:
    """1 for one flat tone, 0 for all tones alike: one minus the luma's entropy over 8 bits."""
    parts = _parts(pixels)
    parts = parts[parts > 0]
    return float(1 + (parts * np.log2(parts)).sum() / 8)


def seam_strength(
    pixels: Pixels, columns: Sequence[int] = (), rows: Sequence[int] = (), reach: int = 8
) -> float:
    """How much the worst of the given lines stands out: about 1 where none does.

    A line lies before its column or row. For each, the mean luma step across it is divided by the
    mean step between the `reach` neighbours on either side. Lines outside the image are an error;
    without lines the result is 1.
    """
    check_pixels(pixels)
    check_range("reach", reach, 1)
    upright = [_line_strength(pixels, line, reach) for line in columns]
    lying = [_line_strength(pixels.swapaxes(0, 1), line, reach) for line in rows]
    return max([*upright, *lying], default=1.0)


def _line_strength(pixels: Pixels, line: int, reach: int) -> float:
    check_range("seam line", line, 1, pixels.shape[1] - 1)
    first, last = max(line - 1 - reach, 0), min(line + 1 + reach, pixels.shape[1])
    steps: Floats = np.abs(np.diff(luma(pixels[:, first:last]), axis=1)).mean(axis=0)
    at = line - 1 - first
    around = np.delete(steps, at)
    usual = float(around.mean()) if len(around) else 0.0
    return (float(steps[at]) + _SEAM_FLOOR) / (usual + _SEAM_FLOOR)


def _parts(pixels: Pixels) -> NDArray[np.float64]:
    counts = luma_histogram(pixels)
    parts: NDArray[np.float64] = counts / counts.sum()
    return parts
