"""Separable filters on one float32 plane (H x W); outside the image the edge value goes on."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ninefold.imaging.arrays import row_bands
from ninefold.imaging.types import Floats

# Above this the true kernel has more taps than three running means have passes.
_LARGEST_DIRECT_SIGMA = 4.0


def gaussian_kernel(sigma: float, radius: int) -> Floats:
    """`2 * radius + 1` weights that sum to one."""
    # math.exp, not np.exp: numpy's vector code differs in the last bit between processors.
    weights = [math.exp(-0.5 * (x / sigma) ** 2) for x in range(-radius, radius + 1)]
    return (np.array(weights) / math.fsum(weights)).astype(np.float32)


def box_widths(sigma: float) -> tuple[int, int, int]:
    """Odd widths of three running means that together have nearly this sigma.

    Kovesi, "Fast Almost-Gaussian Filtering", 2010.
    """
    ideal = math.sqrt(12 * sigma * sigma / 3 + 1)
    low = int(ideal) - (int(ideal) % 2 == 0)
    count = round((12 * sigma * sigma - 3 * low * low - 12 * low - 9) / (-4 * low - 4))
    first, second, third = (low if index < count else low + 2 for index in range(3))
    return first, second, third


def convolve_valid(plane: Floats, kernel: Floats) -> Floats:
    """Both axes with one kernel of k taps: H x W gives (H - k + 1) x (W - k + 1)."""
    return _taps_across(_taps_down(plane, kernel), kernel)


def gaussian_blur(plane: Floats, sigma: float) -> Floats:
    """Blur by `sigma` pixels; finite support of at most about 3.5 sigma to each side.

    Up to sigma 4 the sampled Gaussian cut at 3 sigma, above it three running means, whose cost
    does not grow with sigma.
    """
    if sigma <= 0:
        return plane
    if sigma > _LARGEST_DIRECT_SIGMA:
        widths = box_widths(sigma)
        return _in_bands(plane, sum(width // 2 for width in widths), lambda p: _boxes(p, widths))
    radius = max(1, math.ceil(3 * sigma))
    kernel = gaussian_kernel(sigma, radius)
    return _in_bands(plane, radius, lambda padded: convolve_valid(padded, kernel))


def maximum_filter(plane: Floats, radius: int) -> Floats:
    """Largest value in the square of side `2 * radius + 1` around each pixel, inside the image."""
    if radius <= 0:
        return plane
    across = _running_maximum(plane, radius)
    return np.ascontiguousarray(_running_maximum(across.T, radius).T)


def _taps_down(plane: Floats, kernel: Floats) -> Floats:
    height = plane.shape[0] - len(kernel) + 1
    out: Floats = plane[:height] * kernel[0]
    scratch = np.empty_like(out)
    for index, weight in enumerate(kernel[1:], 1):
        np.multiply(plane[index : index + height], weight, out=scratch)
        out += scratch
    return out


def _taps_across(plane: Floats, kernel: Floats) -> Floats:
    width = plane.shape[1] - len(kernel) + 1
    out: Floats = plane[:, :width] * kernel[0]
    scratch = np.empty_like(out)
    for index, weight in enumerate(kernel[1:], 1):
        np.multiply(plane[:, index : index + width], weight, out=scratch)
        out += scratch
    return out


def _in_bands(plane: Floats, radius: int, function: Callable[[Floats], Floats]) -> Floats:
    """`function` on bands of rows with `radius` pixels of context on all sides, repeated edges."""
    height, width = plane.shape
    out = np.empty_like(plane)
    columns = np.clip(np.arange(-radius, width + radius), 0, width - 1)
    # Bands much taller than their context keep the doubly computed rows few.
    for rows in row_bands(height, width, max(1 << 17, 8 * radius * width)):
        lines = np.clip(np.arange(rows.start - radius, rows.stop + radius), 0, height - 1)
        out[rows] = function(plane[lines][:, columns])
    return out


def _boxes(padded: Floats, widths: tuple[int, ...]) -> Floats:
    sums: NDArray[np.float64] = padded.astype(np.float64)
    for width in widths:
        sums = _box_down(sums, width)
    for width in widths:
        sums = _box_across(sums, width)
    sums /= float(math.prod(widths)) ** 2
    return sums.astype(np.float32)


def _box_down(plane: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    total = np.cumsum(plane, axis=0)
    out = total[width - 1 :].copy()
    out[1:] -= total[:-width]
    return out


def _box_across(plane: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    total = np.cumsum(plane, axis=1)
    out = total[:, width - 1 :].copy()
    out[:, 1:] -= total[:, :-width]
    return out


def _running_maximum(plane: Floats, radius: int) -> Floats:
    """Along axis 1, by doubling: windows of 1, 2, 4, ... until two of them cover the whole."""
    span = 2 * radius + 1
    filler = np.full((plane.shape[0], radius), -np.inf, dtype=np.float32)
    best: Floats = np.concatenate([filler, plane, filler], axis=1)
    covered = 1
    while covered * 2 <= span:
        best = np.maximum(best[:, :-covered], best[:, covered:])
        covered *= 2
    rest = span - covered
    return np.maximum(best[:, : best.shape[1] - rest], best[:, rest:]) if rest else best
