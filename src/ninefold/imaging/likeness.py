"""Measures of two images of one size: difference, PSNR, SSIM."""

import math

import numpy as np

from ninefold.imaging.arrays import check_same_size, luma, row_bands
from ninefold.imaging.filters import convolve_valid, gaussian_kernel
from ninefold.imaging.types import Pixels

_WINDOW_RADIUS = 5
_WINDOW_SIGMA = 1.5
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def mean_absolute_difference(first: Pixels, second: Pixels) -> float:
    """Mean over all values, in levels (0..255)."""
    check_same_size(first, second)
    total = 0
    for rows in row_bands(*first.shape[:2]):
        above = np.maximum(first[rows], second[rows])
        above -= np.minimum(first[rows], second[rows])
        total += int(above.sum(dtype=np.int64))
    return total / first.size


def psnr(first: Pixels, second: Pixels) -> float:
    """Peak signal-to-noise ratio over all values, in dB; infinity for equal images."""
    check_same_size(first, second)
    total = 0
    for rows in row_bands(*first.shape[:2]):
        difference = first[rows].astype(np.int32) - second[rows]
        total += int(np.square(difference).sum(dtype=np.int64))
    return 10 * math.log10(255**2 * first.size / total) if total else math.inf


def ssim(first: Pixels, second: Pixels) -> float:
    """Mean structural similarity of the lumas, at most 1; 1 for equal images.

    Wang et al., "Image quality assessment: from error visibility to structural similarity", 2004:
    11 x 11 Gaussian window of sigma 1.5, whole windows only, population variances. Raises
    ValueError below 11 x 11 pixels.
    """
    check_same_size(first, second)
    height, width = (int(side) - 2 * _WINDOW_RADIUS for side in first.shape[:2])
    if height < 1 or width < 1:
        got = f"{first.shape[1]} x {first.shape[0]}"
        raise ValueError(f"ssim: expected at least 11 x 11 pixels, got {got}")
    kernel = gaussian_kernel(_WINDOW_SIGMA, _WINDOW_RADIUS)
    total = 0.0
    for rows in row_bands(height, width):
        window = slice(rows.start, rows.stop + 2 * _WINDOW_RADIUS)
        a, b = luma(first[window]), luma(second[window])
        # Sum and difference need four filtered planes, where a and b would need five.
        s, d = a + b, a - b
        mean_s, mean_d = (np.square(convolve_valid(plane, kernel)) for plane in (s, d))
        var_s = convolve_valid(np.square(s), kernel) - mean_s
        var_d = convolve_valid(np.square(d), kernel) - mean_d
        above = (mean_s - mean_d + 2 * _C1) * (var_s - var_d + 2 * _C2)
        below = (mean_s + mean_d + 2 * _C1) * (var_s + var_d + 2 * _C2)
        total += float((above / below).sum(dtype=np.float64))
    return total / (height * width)
