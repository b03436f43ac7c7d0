"""Adding the watermark."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PIL import Image

from ninefold.imaging.arrays import check_pixels, check_range, row_bands
from ninefold.imaging.types import Floats, Pixels
from ninefold.imaging.watermark.carriers import DATA, PILOT_VALUES, PILOTS, data_values
from ninefold.imaging.watermark.code import encode
from ninefold.imaging.watermark.plane import TILE, activity, plane_of

#: Pixels of the shorter side, and how many times the longer may be as long.
LEAST_SIDE, MOST_ASPECT = 256, 4
# Levels (0..255) of root mean square: on flat areas, at most, and over the whole image.
_FLAT, _MOST, _WHOLE = 0.5, 3.2, 2.3
# By how much of what an area shows the mark may grow.
_MOST_SHARE = 1.0


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
    plane = plane_of(pixels)
    mark = _pattern(identifier, *plane.shape)
    mark *= _amplitudes(plane) * np.float32(strength)
    return _added(pixels, mark)


def _pattern(identifier: bytes, height: int, width: int) -> Floats:
    """The repeated tile over a plane, of mean square 1."""
    tile = _tile(bytes(identifier))
    down, across = -(-height // TILE), -(-width // TILE)
    return np.tile(tile, (down, across))[:height, :width].copy()


@lru_cache(maxsize=8)
def _tile(identifier: bytes) -> Floats:
    spectrum = np.zeros((TILE, TILE // 2 + 1), np.complex64)
    carriers = np.concatenate([PILOTS, DATA])
    values = np.concatenate([PILOT_VALUES, data_values(encode(identifier))])
    down, across = carriers.T
    spectrum[down % TILE, across] = values
    on_axis = across == 0  # whose opposites are in the spectrum, too
    spectrum[-down[on_axis] % TILE, 0] = np.conj(values[on_axis])
    tile: Floats = np.fft.irfft2(spectrum, (TILE, TILE)).astype(np.float32)
    tile *= np.float32(TILE * TILE / np.sqrt(2 * len(carriers)))
    return tile


def _amplitudes(plane: Floats) -> Floats:
    """How strong the mark is to be at every pixel, in levels of root mean square.

    It grows with the activity there as far as the whole allows, and is never below `_FLAT`.
    """
    active = activity(plane)
    low, high = 0.0, _MOST_SHARE
    for _ in range(12):
        share = (low + high) / 2
        if _root_mean_square(_amplitude(active, share)) > _WHOLE:
            high = share
        else:
            low = share
    return _amplitude(active, low)


def _amplitude(active: Floats, share: float) -> Floats:
    wanted: Floats = np.float32(_FLAT) + np.float32(share) * active
    return np.minimum(wanted, np.float32(_MOST))


def _root_mean_square(values: Floats) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))


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
