"""Colour transfer from a reference image, and the sRGB curve."""

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ninefold.imaging.arrays import (
    blend,
    check_pixels,
    check_range,
    map_planes,
    row_bands,
    to_bytes,
)
from ninefold.imaging.filters import gaussian_blur
from ninefold.imaging.resize import resize, resize_mask
from ninefold.imaging.types import Floats, Pixels

TransferMethod = Literal["statistics", "wavelet"]

WAVELET_SIGMA = 13.06
"""Pixels: five à-trous levels of (1, 2, 1) / 4 have a variance of (1 + 4 + 16 + 64 + 256) / 2."""

# Ottosson, "A perceptual color space for image processing", 2020.
_LINEAR_TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_ROOTS_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
_LMS_TO_LINEAR = np.linalg.inv(_LINEAR_TO_LMS)
_LAB_TO_ROOTS = np.linalg.inv(_ROOTS_TO_LAB)

# A nearly flat image has no spread worth stretching; noise would become the picture.
_FLAT = 1e-3
_LARGEST_STRETCH = 4.0
# Mean and deviation of a million pixels are those of the image.
_SAMPLE_PIXELS = 1 << 20


def _decode(level: float) -> float:
    return level / 12.92 if level <= 0.04045 else ((level + 0.055) / 1.055) ** 2.4


def _encode(light: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


_DECODED = np.array([_decode(value / 255) for value in range(256)], dtype=np.float32)
# 16 bits of light are finer than 8-bit sRGB everywhere, even where its curve is steepest.
_ENCODED = (255 * _encode(np.arange(1 << 16) / 65535)).astype(np.float32)


def srgb_to_linear(pixels: NDArray[np.uint8]) -> Floats:
    """Encoded 0..255 to linear light 0..1 (IEC 61966-2-1); any shape."""
    return _DECODED[pixels]


def linear_to_srgb(light: Floats) -> NDArray[np.uint8]:
    """Linear light, clipped to 0..1, to encoded 0..255; undoes `srgb_to_linear` exactly."""
    out = np.empty(light.shape, dtype=np.uint8)
    source, target = light.reshape(-1), out.reshape(-1)
    for part in row_bands(len(source), 1):
        target[part] = to_bytes(_encoded_levels(source[part]))
    return out


def transfer_colour(
    pixels: Pixels,
    reference: Pixels,
    amount: float = 1.0,
    method: TransferMethod = "wavelet",
    sigma: float = WAVELET_SIGMA,
) -> Pixels:
    """Give `pixels` the colours of `reference`, which may have another size.

    "statistics" matches mean and deviation of each Oklab axis, for any two images (Reinhard et
    al., "Color Transfer between Images", 2001, there in l-alpha-beta). "wavelet" keeps what is
    finer than `sigma` pixels and takes the rest from the reference, for two versions of one
    picture (wavelet reconstruction of StableSR, Wang et al. 2023). `amount` 0..1; at 0 the input
    itself comes back.
    """
    check_pixels(pixels)
    check_pixels(reference, "reference")
    check_range("colour transfer amount", amount, 0, 1)
    check_range("colour transfer sigma", sigma, 1)
    if method not in ("statistics", "wavelet"):
        raise ValueError(f"expected the method statistics or wavelet, got {method!r}")
    if amount == 0:
        return pixels
    if method == "statistics":
        return blend(pixels, _match_statistics(pixels, reference), amount)
    return _match_low_frequencies(pixels, reference, amount, sigma)


def _match_statistics(pixels: Pixels, reference: Pixels) -> Pixels:
    mean, deviation = _oklab_statistics(pixels)
    wanted_mean, wanted_deviation = _oklab_statistics(reference)
    stretch = np.where(deviation > _FLAT, wanted_deviation / np.maximum(deviation, _FLAT), 1.0)
    stretch = np.clip(stretch, 1 / _LARGEST_STRETCH, _LARGEST_STRETCH)
    # One matrix takes cube roots through Oklab, the change there, and back.
    matrix = _LAB_TO_ROOTS @ np.diag(stretch) @ _ROOTS_TO_LAB
    shift = _LAB_TO_ROOTS @ (wanted_mean - stretch * mean)

    def match(planes: Floats, _rows: slice) -> Floats:
        roots = _mix(matrix, _lms_roots(planes.astype(np.uint8)))
        roots += shift.astype(np.float32)[:, None, None]
        return _encoded_levels(_mix(_LMS_TO_LINEAR, roots * roots * roots))

    return map_planes(pixels, match)


def _match_low_frequencies(
    pixels: Pixels, reference: Pixels, amount: float, sigma: float
) -> Pixels:
    height, width = pixels.shape[:2]
    # Nothing finer than sigma is kept of the difference, so a small copy of it is enough.
    factor = max(1, int(sigma // 3))
    small = (math.ceil(width / factor), math.ceil(height / factor))
    before, after = (
        resize(image, *small, "box").astype(np.float32) for image in (pixels, reference)
    )
    planes = np.moveaxis(after - before, -1, 0)
    low = [gaussian_blur(np.ascontiguousarray(plane), sigma / factor) for plane in planes]
    shift = [resize_mask(plane, width, height, "bilinear") for plane in low]

    def add(planes: Floats, rows: slice) -> Floats:
        for plane, change in zip(planes, shift, strict=True):
            plane += np.float32(amount) * change[rows]
        return planes

    return map_planes(pixels, add)


def _oklab_statistics(pixels: Pixels) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of L, a, b over an even grid of at most a million pixels."""
    every = max(1, math.ceil(math.sqrt(pixels.shape[0] * pixels.shape[1] / _SAMPLE_PIXELS)))
    sample = np.moveaxis(pixels[::every, ::every], -1, 0)
    lab = _mix(_ROOTS_TO_LAB, _lms_roots(np.ascontiguousarray(sample)))
    mean: NDArray[np.float64] = lab.mean(axis=(1, 2), dtype=np.float64)
    deviation: NDArray[np.float64] = lab.std(axis=(1, 2), dtype=np.float64)
    return mean, deviation


def _lms_roots(planes: NDArray[np.uint8]) -> Floats:
    # In double precision, since numpy's single-precision root differs between processors.
    return np.cbrt(_mix(_LINEAR_TO_LMS, _DECODED[planes]), dtype=np.float64).astype(np.float32)


def _mix(matrix: NDArray[np.float64], planes: Floats) -> Floats:
    """Matrix product along axis 0, in one fixed order (BLAS may choose another anywhere)."""
    out = np.empty_like(planes)
    for row, weights in zip(out, matrix.astype(np.float32), strict=True):
        np.multiply(planes[0], weights[0], out=row)
        row += planes[1] * weights[1]
        row += planes[2] * weights[2]
    return out


def _encoded_levels(light: Floats) -> Floats:
    steps: Floats = np.clip(light, 0, 1) * np.float32(65535)
    return _ENCODED[np.rint(steps).astype(np.uint16)]
