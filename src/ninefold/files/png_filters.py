"""PNG's filters over many rows at once: W3C PNG, third edition, clause 9.

Rows are bytes; `step` is the number of bytes of a pixel, and `above` the row before the first one
(zeros before the first row of an image). Arithmetic is modulo 256. What comes out has the filter's
number before each row.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.uint8]

_SUB = 1
#: Rows that are filtered together: their differences stay in a core's cache.
_BAND_BYTES = 1 << 17


def sub_filtered(rows: Rows, step: int) -> Rows:
    """Every row less what is left of it (filter 1)."""
    filtered = np.empty((len(rows), 1 + rows.shape[1]), np.uint8)
    filtered[:, 0] = _SUB
    filtered[:, 1 : 1 + step] = rows[:, :step]
    np.subtract(rows[:, step:], rows[:, :-step], out=filtered[:, 1 + step :])
    return filtered


def best_filtered(rows: Rows, above: Rows, step: int) -> Rows:
    """Each row by the filter that leaves the least sum of absolute differences (clause 12.7)."""
    filtered = np.empty((len(rows), 1 + rows.shape[1]), np.uint8)
    band = max(1, _BAND_BYTES // rows.shape[1])
    for start in range(0, len(rows), band):
        part = slice(start, start + band)
        filtered[part] = _best(rows[part], above if start == 0 else rows[start - 1], step)
    return filtered


def _best(rows: Rows, above: Rows, step: int) -> Rows:
    up = np.empty_like(rows)
    up[0], up[1:] = above, rows[:-1]
    left, corner = np.zeros_like(rows), np.zeros_like(rows)
    left[:, step:], corner[:, step:] = rows[:, :-step], up[:, :-step]
    average = ((left.astype(np.uint16) + up) >> 1).astype(np.uint8)
    filtered = np.empty((len(rows), 1 + rows.shape[1]), np.uint8)
    least = np.full(len(rows), np.iinfo(np.uint64).max, np.uint64)
    nothing = np.zeros((), np.uint8)
    predictions: tuple[Rows, ...] = (nothing, left, up, average, _paeth(left, up, corner))
    for number, predicted in enumerate(predictions):
        differences: Rows = rows - predicted
        # The magnitude of a signed byte; that of -128 is 128 as an unsigned one.
        sums = np.abs(differences.view(np.int8)).view(np.uint8).sum(axis=1, dtype=np.uint64)
        better = sums < least
        if better.all():
            filtered[:, 0], filtered[:, 1:], least = number, differences, sums
        elif better.any():
            filtered[better, 0], filtered[better, 1:] = number, differences[better]
            least[better] = sums[better]
    return filtered


def _paeth(left: Rows, up: Rows, corner: Rows) -> Rows:
    """Whichever of the three is nearest to left + up - corner; ties go in that order."""
    signed = corner.astype(np.int16)
    from_left, from_up = up - signed, left - signed
    distance = np.abs(from_left + from_up)
    np.abs(from_left, out=from_left)
    np.abs(from_up, out=from_up)
    nearest = np.where(from_up <= distance, up, corner)
    return np.where((from_left <= from_up) & (from_left <= distance), left, nearest)
