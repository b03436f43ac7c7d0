"""Fitting a watermark to a picture that drowns it.

The picture's own contents are the noise that the reader meets, and the embedder knows them. So it
reads the mark as `finding` will, at the place where it lies, and follows the gradient of the coded
bits back to the pixels: first of those that are wrong and can be set right with little. Gradient
ascent, on a few copies of the picture and on crops of each at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import compress
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ninefold.imaging.filters import gaussian_blur
from ninefold.imaging.types import Floats, Pixels
from ninefold.imaging.watermark.carriers import (
    CARRIERS,
    DATA,
    PILOT_VALUES,
    PILOTS,
    Complex,
    data_values,
    soft_bits,
)
from ninefold.imaging.watermark.plane import even_out, resampled
from ninefold.imaging.watermark.spectrum import (
    put,
    repeated,
    spectrum_of,
    unscaled_tile,
    values_at,
    whitened,
    whitening_gradient,
)

# Levels (0..255) of root mean square over the whole image, step by step. The last is PSNR 40.2 dB.
_POWERS = (1.3, 1.7, 2.1, 2.5, 2.5, 2.5, 2.5)
# How far a step goes, by the mark's power.
_STEP = 0.7
# A mark is enough where the mean of its bits is so many of their standard deviations in every crop
# of every copy. At less than the second, a copy is given up from this step on: it costs the others.
_ENOUGH, _HOPELESS, _PATIENCE = 1.0, 0.15, 2
# What is left of a mark by usual compression, and where it is brightened or darkened by so much.
_LEFT, _LEFT_SHIFTED, _SHIFT = 0.4, 0.7, 38
# Shares of pixels that such a copy may keep: with more it is as good as the picture itself.
_KEPT = (0.1, 0.9)
# What is left of the sides in a crop.
_CROPPED = 0.75
# The agreement of pilots by which a place is found, and over which range it is steered.
_AGREEMENT, _AGREEMENT_RANGE = 0.35, 0.1
# So far around a pixel (sigma) a step has the strength that the shape asks for, and how many times
# that it may have at single pixels: narrow gaps, as between lines of text, hold more.
_AROUND, _PEAK = 8.0, 4.0
# Pixels of the shorter side that are enough to see where a copy is cut off.
_DETAIL = 512

_Window = tuple[slice, slice]


@dataclass(frozen=True, slots=True)
class _View:
    """A copy of the picture in which the mark is to be read."""

    plane: Floats
    #: The share of the mark that is left, for every pixel.
    left: Floats


@dataclass(frozen=True, slots=True)
class _Reading:
    """How well a mark is read in one view."""

    #: By how much a change of the mark, at every pixel, furthers what is read.
    gradient: Floats
    #: Mean of the bits by their standard deviation: of the whole, and the least of all crops.
    margin: float
    least: float


def fitted(mark: Floats, shape: Floats, pixels: Pixels, plane: Floats, coded: Floats) -> Floats:
    """The mark, in levels over the plane, changed and made stronger until it can be read.

    Its strength around every pixel stays in relation to `shape`.
    """
    views = list(_views(pixels, plane))
    for step, power in enumerate(_POWERS):
        readings = [_read(view, mark, coded) for view in views]
        if min(reading.least for reading in readings) >= _ENOUGH:
            break
        if step == _PATIENCE:
            kept = [i == 0 or reading.margin >= _HOPELESS for i, reading in enumerate(readings)]
            views, readings = [*compress(views, kept)], [*compress(readings, kept)]
        gradient = sum(reading.gradient for reading in readings)
        direction = _of_power(_levelled(gradient * shape) * shape, _STEP * power)
        mark = _of_power(mark + direction, power)
    return mark


def root_mean_square(values: Floats) -> float:
    """Of all values; never quite 0."""
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64)))) + 1e-9


def margin_of(right: Floats) -> float:
    """The mean of coded bits, positive where they are right, by their standard deviation."""
    return float(right.mean() / (right.std() + 1e-9))


def _of_power(values: Floats, power: float) -> Floats:
    return values * np.float32(power / root_mean_square(values))


def _levelled(values: Floats) -> Floats:
    """Values of the same strength everywhere."""
    even = _of_power(values, 1.0)
    around: Floats = np.sqrt(np.maximum(gaussian_blur(np.square(even), _AROUND), 1e-6))
    levelled: Floats = np.clip(even / around, -_PEAK, _PEAK)
    return levelled


def _views(pixels: Pixels, plane: Floats) -> Iterator[_View]:
    """The picture itself, then those brighter and darker copies that cut off a part of it."""
    yield _View(plane, np.full_like(plane, _LEFT))
    image = Image.fromarray(pixels)
    small = np.asarray(image.reduce(max(1, min(image.size) // _DETAIL))).astype(np.int16)
    for shift in (_SHIFT, -_SHIFT):
        shifted = small + shift
        kept = ((shifted > 0) & (shifted < 255)).astype(np.uint8)
        if _KEPT[0] <= kept.mean() <= _KEPT[1]:
            seen = resampled(shifted.clip(0, 255).astype(np.uint8), plane.shape[::-1])
            left = resampled(kept * 255, plane.shape[::-1])
            yield _View(seen, left * np.float32(_LEFT_SHIFTED / 255))


def _read(view: _View, mark: Floats, coded: Floats) -> _Reading:
    seen = view.plane + view.left * mark
    even = even_out(seen)
    gradient, margins = np.zeros_like(seen), []
    for window in _windows(*seen.shape):
        part = np.zeros_like(seen)
        part[window] = even.values[window]
        tile, margin = _read_spectrum(spectrum_of(part), coded)
        gradient[window] += repeated(tile, *seen.shape)[window]
        margins.append(margin)
    return _Reading(even.gradient(gradient) * view.left, margins[0], min(margins))


def _read_spectrum(spectrum: Complex, coded: Floats) -> tuple[NDArray[np.float64], float]:
    """The gradient of what is read by a tile's pixels, and the margin of the bits."""
    even = whitened(spectrum)
    right = soft_bits(values_at(even, *DATA.T)) * coded
    pilots = (values_at(even, *PILOTS.T) * np.conj(PILOT_VALUES)).real
    missing = (_AGREEMENT - pilots.mean()) / np.float32(_AGREEMENT_RANGE)
    wanted = [PILOT_VALUES * _sigmoid(missing), data_values(coded * _sigmoid(-right))]
    gradient = whitening_gradient(spectrum, put(np.concatenate(wanted), CARRIERS))
    return unscaled_tile(gradient), margin_of(right)


def _sigmoid(values: Any) -> Any:
    """From 0 to 1, by a root alone, which every processor rounds alike."""
    return (1 + values / np.sqrt(1 + values * values)) / 2


def _windows(height: int, width: int) -> Iterator[_Window]:
    """The whole and the crops at its corners."""
    yield slice(0, height), slice(0, width)
    down, across = round(_CROPPED * height), round(_CROPPED * width)
    for top in (0, height - down):
        for left in (0, width - across):
            yield slice(top, top + down), slice(left, left + across)
