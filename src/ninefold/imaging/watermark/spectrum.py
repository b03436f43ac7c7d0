"""A plane's values at the carriers, and how sure each of them is.

A spectrum is an array of (2 MOST_WAVES + 1) x (MOST_WAVES + 1): waves down from -MOST_WAVES on,
across from 0 on; what is across below 0 is the conjugate of its opposite.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ninefold.imaging.types import Floats
from ninefold.imaging.watermark.carriers import MOST_WAVES, Complex, Integers
from ninefold.imaging.watermark.plane import TILE

_DOWN = np.arange(-MOST_WAVES, MOST_WAVES + 1)
_ACROSS = np.arange(MOST_WAVES + 1)
# OpenBLAS starts threads above four times 65,536 products; of complex numbers, above half of it.
_MOST_PRODUCTS = 1 << 15
# Pixels are taken at their middles.
_TO_MIDDLES: Complex = np.exp(-1j * math.pi / TILE * np.add.outer(_DOWN, _ACROSS)).astype(
    np.complex64
)


def spectrum_at(plane: Floats, down: float, across: float) -> Complex:
    """The spectrum for tiles of `down` x `across` times TILE pixels; the image's corner is 0."""
    height, width = plane.shape
    right = _waves_along(width, across)[MOST_WAVES:]
    half = _product(plane, np.concatenate([right.real, right.imag]).T)
    rows = half[:, : MOST_WAVES + 1] + 1j * half[:, MOST_WAVES + 1 :]
    spectrum: Complex = _product(_waves_along(height, down), rows)
    return spectrum


def _product(left: NDArray[Any], right: NDArray[Any]) -> NDArray[Any]:
    """The matrix product, in pieces so small that BLAS starts no threads for them.

    Its threads wait for each other by spinning, which takes many times as long as the product
    where other processes are at work.
    """
    rows, inner = left.shape
    size = max(1, _MOST_PRODUCTS // (inner * right.shape[1]))
    padded = np.zeros((-(-rows // size) * size, inner), left.dtype)
    padded[:rows] = left
    product: NDArray[Any] = padded.reshape(-1, size, inner) @ right
    return product.reshape(-1, right.shape[1])[:rows]


def spectrum_of(plane: Floats) -> Complex:
    """The same for tiles of TILE pixels, by a Fourier transform whose sums have a fixed order."""
    height, width = plane.shape
    down, across = -(-height // TILE), -(-width // TILE)
    padded = np.zeros((down * TILE, across * TILE), np.float64)
    padded[:height, :width] = plane
    folded = padded.reshape(down, TILE, across, TILE).sum(axis=(0, 2))
    return (np.fft.rfft2(folded)[_DOWN[:, None], _ACROSS] * _TO_MIDDLES).astype(np.complex64)


def tile_of(spectrum: Complex) -> Floats:
    """TILE x TILE pixels of a spectrum, of mean square 1."""
    tile = unscaled_tile(spectrum)
    return (tile / math.sqrt(np.mean(np.square(tile)))).astype(np.float32)


def unscaled_tile(spectrum: Complex) -> NDArray[np.float64]:
    """TILE x TILE pixels of a spectrum; up to a factor, its gradient by the pixels."""
    whole = np.zeros((TILE, TILE // 2 + 1), np.complex128)
    whole[_DOWN[:, None], _ACROSS] = spectrum * np.conj(_TO_MIDDLES)
    return np.fft.irfft2(whole, (TILE, TILE))


def repeated(tile: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    """A tile over a plane."""
    return np.tile(tile, (-(-height // TILE), -(-width // TILE)))[:height, :width]


def put(values: Complex, carriers: Integers) -> Complex:
    """The spectrum that has `values` at `carriers` (N x 2) and nothing else."""
    spectrum = np.zeros((len(_DOWN), len(_ACROSS)), np.complex64)
    down, across = carriers.T
    spectrum[down + MOST_WAVES, across] = values
    on_axis = across == 0  # whose opposites are in the spectrum, too
    spectrum[MOST_WAVES - down[on_axis], 0] = np.conj(values[on_axis])
    return spectrum


def values_at(spectrum: Complex, down: Integers, across: Integers) -> Complex:
    """What a spectrum holds at so many waves down and across, the latter from 0 on."""
    values: Complex = spectrum[down + MOST_WAVES, across]
    return values


def whitened(spectrum: Complex) -> Complex:
    """Every ring of frequencies at the same level, and no value above it.

    So no frequency that the picture is strong in, such as that of a weave, outweighs the others.
    """
    even: Complex = (spectrum / np.maximum(*_sizes(spectrum))).astype(np.complex64)
    return even


def whitening_gradient(spectrum: Complex, gradient: Complex) -> Complex:
    """The gradient by a spectrum of what has this one by `whitened` of it, levels held fixed.

    Of values above the level nothing but their phase is left.
    """
    level, size = _sizes(spectrum)
    unit = spectrum / (size + 1e-9)
    turning = gradient - (gradient * np.conj(unit)).real * unit
    allowed = np.where(size > level, turning, gradient)
    before: Complex = (allowed / np.maximum(level, size)).astype(np.complex64)
    return before


def _sizes(spectrum: Complex) -> tuple[NDArray[Any], NDArray[Any]]:
    """The level of every value's ring, and its own size."""
    size = np.sqrt(np.square(spectrum.real) + np.square(spectrum.imag))
    roots = np.bincount(_RING.ravel(), np.sqrt(size).ravel()) / _RING_SIZE
    smooth = np.convolve(np.pad(roots, 1, mode="edge"), (0.25, 0.5, 0.25), "valid")
    return np.square(smooth)[_RING] + 1e-9, size


_RING: Integers = np.rint(np.hypot(*np.meshgrid(_DOWN, _ACROSS, indexing="ij"))).astype(np.intp)
_RING_SIZE: NDArray[np.intp] = np.bincount(_RING.ravel())


@lru_cache(maxsize=4)
def _waves_along(length: int, scale: float) -> Complex:
    places = (np.arange(length) + 0.5) / (TILE * scale)
    turns: Complex = np.exp(-2j * math.pi * np.outer(_DOWN, places)).astype(np.complex64)
    return turns
