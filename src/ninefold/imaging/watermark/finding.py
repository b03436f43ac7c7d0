"""Searching the watermark: scale and offset by the pilots, then the bits."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ninefold.imaging.arrays import check_pixels
from ninefold.imaging.types import Floats, Pixels
from ninefold.imaging.watermark.carriers import (
    DATA,
    PILOT_VALUES,
    PILOTS,
    Complex,
    Integers,
    soft_bits,
)
from ninefold.imaging.watermark.code import decode
from ninefold.imaging.watermark.plane import evened, plane_of
from ninefold.imaging.watermark.spectrum import spectrum_at, values_at, whitened

#: Pixels of the shorter side below which nothing can be found.
LEAST_FOUND_SIDE = 64
# How much larger than in the whole image a tile may be in relation to what is left of it: a crop to
# half the sides makes it 2, a frame of a fifth all around 0.7.
_LEAST_SCALE, _MOST_SCALE, _STEP = 0.7, 2.1, 0.01
#: How many places are decoded in an image, beside the first.
ATTEMPTS = 4
# Offsets are told apart to this part of a tile.
_GRID = 64
_ALL_TURNS = range(8)


@dataclass(frozen=True, slots=True)
class FoundMark:
    """A watermark."""

    identifier: bytes
    #: Coded bits that were corrected.
    errors: int
    #: How far the pilots stand out, in standard deviations of what is no watermark.
    score: float


@dataclass(frozen=True, slots=True, order=True)
class _Place:
    """Where tiles may lie: their size by the plane's, how they are turned, and their offset."""

    score: float
    down: float
    across: float
    turn: int
    #: Down and across, in tiles.
    offset: tuple[float, float]


def find(pixels: Pixels) -> FoundMark | None:
    """The watermark of an image, of which parts may be missing; None where none is found.

    Also in mirrored images and those turned by quarters. Raises ValueError below
    `LEAST_FOUND_SIDE`.
    """
    check_pixels(pixels)
    if min(pixels.shape[:2]) < LEAST_FOUND_SIDE:
        height, width = pixels.shape[:2]
        raise ValueError(
            f"expected an image of at least {LEAST_FOUND_SIDE}x{LEAST_FOUND_SIDE} pixels, got "
            f"{width}x{height}. It is too small to tell."
        )
    plane = evened(plane_of(pixels))
    for place in _places(plane):
        refined = _refined(plane, place)
        values = whitened(spectrum_at(plane, refined.down, refined.across))
        decoded = decode(_soft_bits(values, refined))
        if decoded is not None:
            return FoundMark(decoded.identifier, decoded.errors, refined.score)
    return None


def _places(plane: Floats) -> Iterator[_Place]:
    """Where to look: the image as it was marked first, then what else the pilots speak for."""
    yield _best(plane, 1.0, 1.0)
    steps = range(
        math.ceil(math.log(_LEAST_SCALE) / _STEP), math.floor(math.log(_MOST_SCALE) / _STEP) + 1
    )
    places = [_best(plane, math.exp(step * _STEP), math.exp(step * _STEP)) for step in steps]
    found: list[_Place] = []
    for place in sorted(places, reverse=True):
        if all(abs(math.log(place.down / other.down)) > 2.5 * _STEP for other in found):
            yield place
            found.append(place)
            if len(found) == ATTEMPTS:
                return


def _refined(plane: Floats, place: _Place) -> _Place:
    """The best place nearby, of both directions by themselves."""
    for step in (0.005, 0.0025):
        place = max(
            _best(
                plane,
                place.down * (1 + down * step),
                place.across * (1 + across * step),
                (place.turn,),
            )
            for down in (-1, 0, 1)
            for across in (-1, 0, 1)
        )
    return place


def _best(plane: Floats, down: float, across: float, turns: Sequence[int] = _ALL_TURNS) -> _Place:
    """Of all offsets, and of these turns, the one that the pilots speak for most."""
    spectrum = whitened(spectrum_at(plane, down, across))
    grids = np.zeros((len(turns), _GRID, _GRID // 2 + 1), np.complex64)
    values = np.stack([TURNS[turn].values(spectrum, PILOTS) for turn in turns])
    values *= np.conj(PILOT_VALUES)
    rows, columns = PILOTS.T
    grids[:, rows % _GRID, columns] = values
    on_axis = columns == 0
    grids[:, -rows[on_axis] % _GRID, 0] = np.conj(values[:, on_axis])
    agreement = np.fft.irfft2(grids, (_GRID, _GRID), norm="forward").reshape(len(turns), -1)
    by_turn = agreement.max(axis=1) / np.sqrt(2 * np.square(np.abs(values)).sum(axis=1) + 1e-9)
    best = int(by_turn.argmax())
    row, column = divmod(int(agreement[best].argmax()), _GRID)
    return _Place(float(by_turn[best]), down, across, turns[best], (row / _GRID, column / _GRID))


def _soft_bits(spectrum: Complex, place: _Place) -> Floats:
    """The coded bits at a place, each frequency as sure as the pilots near it are."""
    turn = TURNS[place.turn]
    pilots = turn.values(spectrum, PILOTS) * np.conj(PILOT_VALUES)
    offset = _fine_offset(pilots, place.offset)
    measured = (pilots * _turned(PILOTS, offset)).real
    gain = np.polynomial.Polynomial.fit(_waves(PILOTS), measured, 2)
    data = turn.values(spectrum, DATA) * _turned(DATA, offset)
    return soft_bits(data * np.maximum(gain(_waves(DATA)), 0.05))


def _fine_offset(pilots: Complex, offset: tuple[float, float]) -> tuple[float, float]:
    """The offset nearby that the pilots speak for most, to a 512th of a tile."""
    near = np.arange(-6, 7) / (8 * _GRID)
    rows = np.exp(2j * math.pi * np.outer(offset[0] + near, PILOTS[:, 0])) * pilots
    columns = np.exp(2j * math.pi * np.outer(PILOTS[:, 1], offset[1] + near))
    row, column = divmod(int((rows @ columns).real.argmax()), len(near))
    return offset[0] + float(near[row]), offset[1] + float(near[column])


def _turned(carriers: Integers, offset: tuple[float, float]) -> Complex:
    waves = carriers[:, 0] * offset[0] + carriers[:, 1] * offset[1]
    turned: Complex = np.exp(2j * math.pi * waves).astype(np.complex64)
    return turned


def _waves(carriers: Integers) -> NDArray[np.float64]:
    waves: NDArray[np.float64] = np.hypot(carriers[:, 0], carriers[:, 1])
    return waves


@dataclass(frozen=True)
class _Turn:
    """How an image was turned: carriers of the mark lie at others of the image."""

    swapped: bool
    down: int
    across: int

    def values(self, spectrum: Complex, carriers: Integers) -> Complex:
        """A spectrum's values at where `carriers` (N x 2) are."""
        down, across = carriers[:, 0] * self.down, carriers[:, 1] * self.across
        if self.swapped:
            down, across = across, down
        opposite = across < 0
        sign = np.where(opposite, -1, 1)
        found = values_at(spectrum, down * sign, across * sign)
        values: Complex = np.where(opposite, np.conj(found), found)
        return values


#: As it was marked, mirrored both ways, and the same turned by a quarter.
TURNS = tuple(
    _Turn(swapped, down, across)
    for swapped in (False, True)
    for down in (1, -1)
    for across in (1, -1)
)
