"""Which frequencies carry the watermark, and what each of them carries.

The mark is a tile that repeats over the whole image. A tile's side is a quarter of the side of a
square with the image's area, so any piece of half the image's sides holds whole tiles. A repeated
tile has power at multiples of one frequency alone, the carriers: each is a pair (down, across) of
whole numbers of waves per tile. One in `_PILOT_EVERY` is a pilot, whose phase is known, by which
scale and offset are found; the others carry two coded bits each, in their real and imaginary part.

The choice is public and the same everywhere: it comes from SHA-256.
"""

from __future__ import annotations

import hashlib
import math

import numpy as np
from numpy.typing import NDArray

from ninefold.imaging.types import Floats
from ninefold.imaging.watermark.code import CODED_BITS

Complex = NDArray[np.complex64]
Integers = NDArray[np.intp]

#: Tiles along the side of a square with the image's area.
TILES = 4
#: Waves per tile: the longest are seen as blotches, the shortest are lost at half size.
_LEAST_WAVES, MOST_WAVES = 4, 22
_PILOT_EVERY = 5
_KEY = b"ninefold watermark 1"
_HALF = math.sqrt(0.5)


def _digest(use: str, *numbers: int) -> bytes:
    return hashlib.sha256(b"%s %s %s" % (_KEY, use.encode(), repr(numbers).encode())).digest()


def _choose() -> tuple[Integers, Integers]:
    """Pilots and data carriers, N x 2 each, ordered by frequency; one of each pair of opposites."""
    reach = range(-MOST_WAVES, MOST_WAVES + 1)
    points = [
        (down, across)
        for across in range(MOST_WAVES + 1)
        for down in reach
        if (across > 0 or down > 0) and _LEAST_WAVES**2 <= down**2 + across**2 <= MOST_WAVES**2
    ]
    points.sort(key=lambda point: (point[0] ** 2 + point[1] ** 2, _digest("order", *point)))
    pilots, data = [], []
    for first in range(0, len(points), _PILOT_EVERY):
        group = points[first : first + _PILOT_EVERY]
        pilot = min(group, key=lambda point: _digest("pilot", *point))
        pilots.append(pilot)
        data += [point for point in group if point is not pilot]
    return np.array(pilots), np.array(data)


PILOTS, DATA = _choose()
#: Both, one after the other.
CARRIERS: Integers = np.concatenate([PILOTS, DATA])
#: Of size 1, one for each pilot.
PILOT_VALUES: Complex = np.array(
    [
        complex(*(_HALF if digest[0] & bit else -_HALF for bit in (1, 2)))
        for digest in (_digest("phase", *point) for point in PILOTS.tolist())
    ],
    np.complex64,
)
# Each coded bit is sent several times, at frequencies of every height, under changing signs.
_ORDER = sorted(range(CODED_BITS), key=lambda bit: _digest("bit", bit))
#: The coded bit of each part, the real and imaginary parts of DATA in turn.
BIT_OF: Integers = np.array([_ORDER[part % CODED_BITS] for part in range(2 * len(DATA))])
_SIGNS: Floats = np.array(
    [1 - 2 * (_digest("sign", part)[0] & 1) for part in range(2 * len(DATA))], np.float32
)


def data_values(coded: Floats) -> Complex:
    """What the data carriers are for coded bits; each of size 1 where these are 1 and -1."""
    parts = (coded[BIT_OF] * _SIGNS).reshape(-1, 2) * np.float32(_HALF)
    values: Complex = (parts[:, 0] + 1j * parts[:, 1]).astype(np.complex64)
    return values


def soft_bits(values: Complex) -> Floats:
    """The coded bits that measured values of the data carriers speak for, summed over repeats."""
    return np.bincount(BIT_OF, parts_of(values) * _SIGNS, CODED_BITS).astype(np.float32)


def parts_of(values: Complex) -> Floats:
    """The real and imaginary parts of values in turn."""
    return np.stack([values.real, values.imag], axis=1).ravel()
