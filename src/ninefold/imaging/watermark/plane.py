"""Images of any size at one scale, their contents evened out, so that a watermark stands out."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ninefold.imaging.arrays import luma
from ninefold.imaging.filters import gaussian_blur
from ninefold.imaging.types import Floats, Pixels
from ninefold.imaging.watermark.carriers import TILES

#: Pixels of the plane along the side of a square with the image's area, and along a tile.
SIDE = 320
TILE = SIDE // TILES
# What is broader than this (sigma, in pixels of the plane) belongs to the picture.
_COARSE = 2.0
# Around each pixel, the level is measured this far; the least is what flat areas hold.
_AROUND, _FLOOR, _MOST = 1.5, 1.0, 2.0
# Where only a few pixels of the surroundings are active, the eye takes them for flat.
_SEEN_AROUND = 5.0


def plane_size(width: int, height: int) -> tuple[int, int]:
    """Width and height of the plane of an image."""
    factor = SIDE / math.sqrt(width * height)
    return max(1, round(width * factor)), max(1, round(height * factor))


def plane_of(pixels: Pixels) -> Floats:
    """The luma of an image, resampled to about SIDE x SIDE pixels of its own aspect."""
    return resampled(pixels, plane_size(pixels.shape[1], pixels.shape[0]))


def resampled(pixels: Pixels, size: tuple[int, int]) -> Floats:
    """The luma of an image at this width and height."""
    # Halving by whole numbers first is as good, and many times faster, for large images.
    small = Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)
    return luma(np.asarray(small))


def fine_part(plane: Floats) -> Floats:
    """What a plane shows beside its coarse parts, where the watermark lies."""
    return plane - gaussian_blur(plane, _COARSE)


@dataclass(frozen=True, slots=True)
class Evened:
    """A plane's fine part, evened out, and what it was divided by."""

    values: Floats
    strength: Floats

    def gradient(self, gradient: Floats) -> Floats:
        """The gradient by the plane of what has this one by `values`, the strength held fixed."""
        inside = np.abs(self.values) < _MOST
        return fine_part(np.where(inside, gradient / self.strength, np.float32(0)))


def evened(plane: Floats) -> Floats:
    """The fine part, divided by its own strength around each pixel, and clipped.

    So neither edges nor rough areas, whose contents are much stronger than a watermark, drown what
    all others say.
    """
    return even_out(plane).values


def even_out(plane: Floats) -> Evened:
    """The same with the strength."""
    fine = fine_part(plane)
    strength = gaussian_blur(np.square(fine), _AROUND)
    strength += np.float32(_FLOOR * _FLOOR)
    np.sqrt(strength, out=strength)
    return Evened(np.clip(fine / strength, -_MOST, _MOST), strength)


def activity(plane: Floats) -> Floats:
    """How rough an area looks, in levels: near 0 where it is flat but for a few edges.

    The power mean of the fine part's size with exponent 1/4. Roots alone, which every processor
    rounds alike.
    """
    roots = np.sqrt(np.sqrt(np.abs(fine_part(plane))))
    mean = np.maximum(gaussian_blur(roots, _SEEN_AROUND), 0)
    return np.square(np.square(mean))
