"""Applying .cube look-up tables."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ninefold.imaging.arrays import blend, check_pixels, check_range, map_planes
from ninefold.imaging.types import Floats, Pixels

Triple = tuple[float, float, float]


@dataclass(frozen=True, slots=True, eq=False)
class CubeLut:
    """A table of colours, equally spaced over a domain of encoded values (0..1 by default).

    `table` is size x 3, one curve a channel, or size x size x size x 3, indexed blue, green, red
    as in the file; its values are encoded RGB, nominally 0..1.
    """

    table: Floats
    title: str = ""
    domain_min: Triple = (0.0, 0.0, 0.0)
    domain_max: Triple = (1.0, 1.0, 1.0)

    @property
    def size(self) -> int:
        """Entries along one axis."""
        return len(self.table)

    @property
    def dimensions(self) -> int:
        """1 for curves, 3 for a cube."""
        return 1 if self.table.ndim == 2 else 3


def apply_lut(pixels: Pixels, lut: CubeLut, amount: float = 1.0) -> Pixels:
    """Map each pixel through the table; `amount` 0..1 mixes with the input, at 0 the input itself.

    Values outside the domain take its edge. A curve is interpolated linearly, a cube
    tetrahedrally, which keeps greys on the cube's own grey line (Kasson et al., "Performing color
    space conversions with three-dimensional linear interpolation", 1995).
    """
    check_pixels(pixels)
    check_range("LUT amount", amount, 0, 1)
    if amount == 0:
        return pixels
    mapped = _apply_curves(pixels, lut) if lut.dimensions == 1 else _apply_cube(pixels, lut)
    return blend(pixels, mapped, amount)


def _positions(lut: CubeLut) -> tuple[NDArray[np.intp], Floats]:
    """For 3 channels x 256 levels: the table entry below, and how far on to the next, 0..1."""
    low, high = (np.array(edge)[:, None] for edge in (lut.domain_min, lut.domain_max))
    at = np.clip((np.arange(256) / 255 - low) / (high - low), 0, 1) * (lut.size - 1)
    below = np.minimum(at.astype(np.intp), lut.size - 2)
    return below, (at - below).astype(np.float32)


def _apply_curves(pixels: Pixels, lut: CubeLut) -> Pixels:
    below, further = _positions(lut)
    levels = np.empty((3, 256), dtype=np.float32)
    for channel in range(3):
        curve, index, part = lut.table[:, channel], below[channel], further[channel]
        levels[channel] = 255 * (curve[index] * (1 - part) + curve[index + 1] * part)

    def look_up(planes: Floats, _rows: slice) -> Floats:
        index = planes.astype(np.uint8)
        return np.stack([levels[channel][index[channel]] for channel in range(3)])

    return map_planes(pixels, look_up)


def _apply_cube(pixels: Pixels, lut: CubeLut) -> Pixels:
    below, further = (values.copy() for values in _positions(lut))
    strides = (1, lut.size, lut.size * lut.size)
    offsets = np.stack([row * stride for row, stride in zip(below, strides, strict=True)])
    offsets, diagonal = offsets.astype(np.int32), sum(strides)
    colours = np.ascontiguousarray(255 * lut.table.reshape(-1, 3).T)

    def look_up(planes: Floats, _rows: slice) -> Floats:
        index = planes.astype(np.uint8)
        red, green, blue = (further[channel][index[channel]] for channel in range(3))
        start = sum(offsets[channel][index[channel]] for channel in range(3))
        largest = np.maximum(np.maximum(red, green), blue)
        smallest = np.minimum(np.minimum(red, green), blue)
        middle = red + green + blue - largest - smallest
        # From the lower corner to the upper one along the axes, the longest way first.
        first = np.where(red == largest, strides[0], np.where(green == largest, *strides[1:]))
        last = np.where(blue == smallest, strides[2], np.where(green == smallest, *strides[1::-1]))
        corners = (start, start + first, start + diagonal - last, start + diagonal)
        weights = (1 - largest, largest - middle, middle - smallest, smallest)
        for channel, colour in enumerate(colours):
            parts = (colour[c] * w for c, w in zip(corners, weights, strict=True))
            planes[channel] = sum(parts)
        return planes

    return map_planes(pixels, look_up)
