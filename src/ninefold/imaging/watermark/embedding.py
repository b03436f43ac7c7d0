"""Adding the watermark."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ninefold.imaging.arrays import check_pixels, check_range, row_bands
from ninefold.imaging.types import Floats, Pixels
from ninefold.imaging.watermark.carriers import (
    BIT_OF,
    DATA,
    MOST_WAVES,
    PILOT_VALUES,
    PILOTS,
    Complex,
    data_values,
    soft_bits,
)
from ninefold.imaging.watermark.code import CODED_BITS, encode
from ninefold.imaging.watermark.plane import TILE, activity, evened, plane_of
from ninefold.imaging.watermark.spectrum import put, spectrum_of, tile_of, whitened

#: Pixels of the shorter side, and how many times the longer may be as long.
LEAST_SIDE, MOST_ASPECT = 256, 4
# Levels (0..255) of root mean square over the whole image: at first, and where the picture drowns
# the mark. The second is PSNR 40.4 dB.
_POWER, _MOST_POWER = 1.3, 2.4
# The mark's strength by activity: on flat areas, its growth from where an area is no longer flat,
# and at most. Only their relation counts.
_FLAT, _GROWTH, _QUIET, _MOST = 0.45, 3.0, 0.1, 1.8
# How high single pixels of the tile may be, by its root mean square: repeated peaks would be seen.
_PEAK = 2.2
# Every bit is to speak up by so much of what it does alone; one that the picture contradicts gets
# more of the power, and one that it supports less.
_WANTED, _MOST_WEIGHT, _PASSES = 4.0, 30.0, 4
# What is left of a mark by usual compression, and how far bits are to stand out from each other.
_LEFT, _MARGIN = 0.5, 2.0


def size_problem(width: int, height: int) -> str | None:
    """Why an image of this size cannot hold the watermark; None for one that can."""
    shorter, longer = sorted((width, height))
    if shorter < LEAST_SIDE:
        return (
            f"expected an image of at least {LEAST_SIDE}x{LEAST_SIDE} pixels, got "
            f"{width}x{height}. Make it larger."
        )
    if longer > MOST_ASPECT * shorter:
        return (
            f"expected an image at most {MOST_ASPECT} times as long as wide, got {width}x{height}. "
            "Cut it, or mark its parts."
        )
    return None


def embed(pixels: Pixels, identifier: bytes, strength: float = 1.0) -> Pixels:
    """The image with eight bytes in it; PSNR at least 40 dB up to a `strength` of 1.

    The same change in all three channels, weak on flat areas and stronger on rough ones. Raises
    ValueError for an image that does not fit, another identifier, or a strength outside 0.25..2.
    """
    check_pixels(pixels)
    check_range("watermark strength", strength, 0.25, 2)
    height, width = pixels.shape[:2]
    if (problem := size_problem(width, height)) is not None:
        raise ValueError(problem)
    return _added(pixels, _mark(plane_of(pixels), identifier) * np.float32(strength))


def _mark(plane: Floats, identifier: bytes) -> Floats:
    """The mark over a plane, in levels: as weak as it can be, up to `_MOST_POWER`."""
    coded, shape = encode(identifier), _shape(plane)
    signal = np.concatenate([PILOT_VALUES, data_values(coded)])
    weights = np.ones(len(_GROUPS))
    alone = 0.0
    for number in range(_PASSES + 1):
        mark = _repeated(_tile(signal, weights), *plane.shape) * shape
        power = min(_POWER * (_MOST_POWER / _POWER) ** (number / 2), _MOST_POWER)
        mark *= np.float32(power / _root_mean_square(mark))
        spectrum = spectrum_of(evened(plane + np.float32(_LEFT) * mark))
        if number == _PASSES or _margin(spectrum, coded) >= _MARGIN:
            break
        support = _support(spectrum, signal)
        if not number:
            bare = _support(spectrum_of(evened(plane)), signal)
            alone = max(float(np.mean(support - bare)), 1e-3)
        weights = np.clip(weights + _WANTED - support / alone, 0, _MOST_WEIGHT)
    return mark


def _shape(plane: Floats) -> Floats:
    """How strong the mark is to be at every pixel, in relation to the others."""
    active = np.maximum(activity(plane) - np.float32(_QUIET), 0)
    wanted: Floats = np.float32(_FLAT) + np.float32(_GROWTH) * active
    return np.minimum(wanted, np.float32(_MOST))


_CARRIERS = np.concatenate([PILOTS, DATA])
# Parts of carriers that rise and fall together: those of one coded bit, and three of pilots.
_GROUPS = np.concatenate([CODED_BITS + np.arange(2 * len(PILOTS)) // 3, BIT_OF])
_GROUP_SIZE = np.bincount(_GROUPS)


def _tile(signal: Complex, weights: NDArray[np.float64]) -> Floats:
    """The tile of carriers whose real and imaginary parts have these weights."""
    parts = weights.reshape(-1, 2)
    values = signal.real * parts[:, 0] + 1j * signal.imag * parts[:, 1]
    tile: Floats = tile_of(put(values.astype(np.complex64), _CARRIERS)).clip(-_PEAK, _PEAK)
    return tile


def _repeated(tile: Floats, height: int, width: int) -> Floats:
    return np.tile(tile, (-(-height // TILE), -(-width // TILE)))[:height, :width]


def _support(spectrum: Complex, signal: Complex) -> NDArray[np.float64]:
    """How far a spectrum speaks for the signal, for every part the mean of its group."""
    values = spectrum[_CARRIERS[:, 0] + MOST_WAVES, _CARRIERS[:, 1]]
    parts = np.stack([values.real * signal.real, values.imag * signal.imag], axis=1).ravel()
    means: NDArray[np.float64] = (np.bincount(_GROUPS, parts) / _GROUP_SIZE)[_GROUPS]
    return means


def _margin(spectrum: Complex, coded: Floats) -> float:
    """The mean of the coded bits that are read in a spectrum, by their standard deviation."""
    values = whitened(spectrum)[DATA[:, 0] + MOST_WAVES, DATA[:, 1]]
    right = soft_bits(values) * coded
    return float(right.mean() / (right.std() + 1e-9))


def _root_mean_square(values: Floats) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64)))) + 1e-9


def _added(pixels: Pixels, mark: Floats) -> Pixels:
    """The image and an enlarged mark, band by band."""
    height, width = pixels.shape[:2]
    image, scale = Image.fromarray(mark), mark.shape[0] / height
    out = np.empty_like(pixels)
    for rows in row_bands(height, width, 1 << 18):
        box = (0, rows.start * scale, mark.shape[1], rows.stop * scale)
        size = (width, rows.stop - rows.start)
        enlarged = np.asarray(image.resize(size, Image.Resampling.BICUBIC, box=box))
        change = np.rint(enlarged).astype(np.int16)[..., None]
        np.clip(pixels[rows] + change, 0, 255, out=out[rows], casting="unsafe")
    return out
