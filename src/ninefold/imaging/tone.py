"""Tone: each function gives back its input, the very array, at its neutral value."""

import math

import numpy as np

from ninefold.imaging.arrays import (
    LUMA_WEIGHTS,
    check_pixels,
    check_range,
    luma,
    map_levels,
    map_planes,
    plane_luma,
)
from ninefold.imaging.filters import gaussian_blur
from ninefold.imaging.types import Floats, Pixels

# Standard deviation, in levels, of full grain at mid grey.
_GRAIN_LEVELS = 32.0


def brightness(pixels: Pixels, factor: float = 1.0) -> Pixels:
    """Multiply encoded values: 0 black, 1 neutral, more than 1 brighter."""
    check_pixels(pixels)
    check_range("brightness", factor, 0)
    if factor == 1:
        return pixels
    return map_levels(pixels, np.arange(256) * factor)


def gamma(pixels: Pixels, exponent: float = 1.0) -> Pixels:
    """`255 * (v / 255) ** (1 / exponent)`: above 1 lifts the middle tones, below 1 lowers them."""
    check_pixels(pixels)
    check_range("gamma", exponent, 0.01, 100)
    if exponent == 1:
        return pixels
    return map_levels(pixels, np.array([255 * (v / 255) ** (1 / exponent) for v in range(256)]))


def contrast(pixels: Pixels, factor: float = 1.0) -> Pixels:
    """Move values away from (above 1) or towards (below 1) the image's mean luma."""
    check_pixels(pixels)
    check_range("contrast", factor, 0)
    if factor == 1:
        return pixels
    # Whole-number sums: the pivot has the same bits whatever order a machine adds in.
    sums = [int(pixels[..., channel].sum(dtype=np.int64)) for channel in range(3)]
    pivot = sum(w * s for w, s in zip(LUMA_WEIGHTS, sums, strict=True)) / (pixels.size // 3)
    return map_levels(pixels, pivot + factor * (np.arange(256) - pivot))


def saturation(pixels: Pixels, factor: float = 1.0) -> Pixels:
    """Move each pixel away from its own luma: 0 grey, 1 neutral, more than 1 more colourful."""
    check_pixels(pixels)
    check_range("saturation", factor, 0)
    if factor == 1:
        return pixels

    def stretch(planes: Floats, _rows: slice) -> Floats:
        grey = plane_luma(planes)
        planes -= grey
        planes *= np.float32(factor)
        planes += grey
        return planes

    return map_planes(pixels, stretch)


def sharpen(
    pixels: Pixels, amount: float = 0.0, radius: float = 1.0, threshold: float = 0.0
) -> Pixels:
    """Unsharp mask on luma alone, so edges gain no colour fringes.

    Adds `amount` (0 neutral, 1 strong) times what a Gaussian of sigma `radius` pixels took from
    the luma, where that is at least `threshold` levels (0..255).
    """
    check_pixels(pixels)
    check_range("sharpness amount", amount, 0)
    check_range("sharpness radius", radius, 0)
    check_range("sharpness threshold", threshold, 0)
    if amount == 0 or radius == 0:
        return pixels
    detail = luma(pixels)
    detail -= gaussian_blur(detail, radius)
    if threshold:
        detail[np.abs(detail) < threshold] = 0
    detail *= np.float32(amount)
    return _add(pixels, detail)


def film_grain(pixels: Pixels, amount: float = 0.0, seed: int = 0, size: float = 1.0) -> Pixels:
    """Add monochrome grain, strongest at mid grey and none in pure black or white.

    `amount` 0..1 (1: a standard deviation of 32 levels at mid grey), `size` the grains' width in
    pixels, 1..16. The same seed gives the same grain on every machine.
    """
    check_pixels(pixels)
    check_range("grain amount", amount, 0, 1)
    check_range("grain size", size, 1, 16)
    check_range("grain seed", seed, 0)
    if amount == 0:
        return pixels
    noise = _noise(pixels.shape[0], pixels.shape[1], seed)
    if size > 1:
        sigma = size / 2
        noise = gaussian_blur(noise, sigma)
        # A Gaussian leaves white noise 1 / (2 sigma sqrt(pi)) of its deviation.
        noise *= np.float32(max(1.0, 2 * sigma * math.sqrt(math.pi)))
    tone = luma(pixels)
    tone *= np.float32(1 / 255)
    noise *= tone
    noise *= 1 - tone
    noise *= np.float32(4 * amount * _GRAIN_LEVELS)
    return _add(pixels, noise)


def _noise(height: int, width: int, seed: int) -> Floats:
    """Nearly normal noise, mean 0, deviation 1: sums of four random bytes (Irwin-Hall).

    numpy promises a bit generator's raw stream for good, but not its normal deviates, whose
    ziggurat also calls the platform's logarithm.
    """
    count = height * width
    raw = np.random.PCG64(seed).random_raw((count + 1) // 2).astype("<u8", copy=False)
    groups = raw.view(np.uint8).reshape(-1, 4)
    sums = groups[:, 0].astype(np.float32)
    for column in range(1, 4):
        sums += groups[:, column]
    noise = sums[:count].reshape(height, width)
    noise -= np.float32(4 * 127.5)
    noise *= np.float32(1 / math.sqrt(4 * (256**2 - 1) / 12))
    return noise


def _add(pixels: Pixels, plane: Floats) -> Pixels:
    def shift(planes: Floats, rows: slice) -> Floats:
        planes += plane[rows]
        return planes

    return map_planes(pixels, shift)
