"""Adding the watermark."""

from __future__ import annotations

import numpy as np
from PIL import Image

from ninefold.imaging.arrays import check_pixels, check_range, row_bands
from ninefold.imaging.types import Floats, Pixels
from ninefold.imaging.watermark.carriers import (
    CARRIERS,
    DATA,
    PILOT_VALUES,
    data_values,
    soft_bits,
)
from ninefold.imaging.watermark.code import encode
from ninefold.imaging.watermark.fitting import fitted, margin_of, root_mean_square
from ninefold.imaging.watermark.plane import activity, evened, plane_of
from ninefold.imaging.watermark.spectrum import (
    put,
    repeated,
    spectrum_of,
    tile_of,
    values_at,
    whitened,
)

#: Pixels of the shorter side, and how many times the longer may be as long.
LEAST_SIDE, MOST_ASPECT = 256, 4
# Levels (0..255) of root mean square over the whole image, where the picture bears them.
_POWER = 1.3
# The mark's strength by activity: on flat areas, its growth from where an area is no longer flat,
# and at most. Only their relation counts.
_FLAT, _GROWTH, _QUIET, _MOST = 0.45, 3.0, 0.1, 1.8
# How high single pixels of the tile may be, by its root mean square: repeated peaks would be seen.
_PEAK = 2.2
# What is left of a mark by usual compression, and how far its bits are to stand out then: the mean
# by the standard deviation. A picture with less drowns it.
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
    return _added(pixels, _mark(pixels, identifier) * np.float32(strength))


def _mark(pixels: Pixels, identifier: bytes) -> Floats:
    """The mark over the image's plane, in levels: as weak as it can be."""
    plane, coded = plane_of(pixels), encode(identifier)
    shape = _shape(plane)
    mark = repeated(_tile(coded), *plane.shape) * shape
    mark *= np.float32(_POWER / root_mean_square(mark))
    spectrum = spectrum_of(evened(plane + np.float32(_LEFT) * mark))
    if margin_of(soft_bits(values_at(whitened(spectrum), *DATA.T)) * coded) >= _MARGIN:
        return mark
    return fitted(mark, shape, pixels, plane, coded)


def _shape(plane: Floats) -> Floats:
    """How strong the mark is to be at every pixel, in relation to the others."""
    active = np.maximum(activity(plane) - np.float32(_QUIET), 0)
    wanted: Floats = np.float32(_FLAT) + np.float32(_GROWTH) * active
    return np.minimum(wanted, np.float32(_MOST))


def _tile(coded: Floats) -> Floats:
    values = np.concatenate([PILOT_VALUES, data_values(coded)])
    tile: Floats = tile_of(put(values, CARRIERS)).clip(-_PEAK, _PEAK)
    return tile


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
