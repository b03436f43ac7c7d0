"""Filling a masked place from what is around it."""

import numpy as np

from ninefold.imaging.arrays import check_mask, check_pixels, describe, to_bytes
from ninefold.imaging.filters import gaussian_blur
from ninefold.imaging.masks import paste
from ninefold.imaging.types import Mask, Pixels

#: Sigmas in pixels, the widest first: near the edge the neighbours count, deep inside the far ones.
_SIGMAS = (64.0, 16.0, 4.0, 1.0)
#: Less known colour than this under a blur tells nothing.
_LEAST = 1e-3


def fill_inside(pixels: Pixels, mask: Mask) -> Pixels:
    """Colours from outside of the mask, smoothly continued into it; outside nothing changes.

    Normalised convolution (Knutsson and Westin, 1993) with ever narrower Gaussians. Where the mask
    covers everything, its pixels become mid-grey. Raises ValueError for other arrays and sizes.
    """
    check_pixels(pixels)
    check_mask(mask)
    if mask.shape != pixels.shape[:2]:
        raise ValueError(f"expected a mask of the image's size, got {describe(mask)}")
    known = np.float32(1) - mask
    total = float(known.sum())
    planes = pixels.astype(np.float32)
    mean = (planes * known[..., None]).sum(axis=(0, 1)) / total if total >= 1 else 128.0
    filled = np.empty_like(planes)
    filled[...] = mean
    for sigma in _SIGMAS:
        weight = gaussian_blur(known, sigma)
        near = weight > _LEAST
        for channel in range(3):
            blurred = gaussian_blur(planes[..., channel] * known, sigma)
            filled[..., channel][near] = blurred[near] / weight[near]
    return paste(pixels, to_bytes(filled), mask)
