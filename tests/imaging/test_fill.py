from __future__ import annotations

import numpy as np
import pytest

from ninefold.imaging.fill import fill_inside

from ..support import picture


def test_outside_of_the_mask_nothing_changes() -> None:
    pixels = picture(96, 64)
    mask = np.zeros((64, 96), np.float32)
    mask[20:40, 30:60] = 1
    filled = fill_inside(pixels, mask)
    assert np.array_equal(filled[mask == 0], pixels[mask == 0])
    assert not np.array_equal(filled, pixels)


def test_an_even_surrounding_closes_without_a_trace() -> None:
    pixels = np.full((64, 64, 3), (20, 120, 220), np.uint8)
    pixels[20:44, 20:44] = (255, 0, 0)
    mask = np.zeros((64, 64), np.float32)
    mask[20:44, 20:44] = 1
    assert (fill_inside(pixels, mask) == (20, 120, 220)).all()


def test_colours_come_from_the_nearest_side() -> None:
    pixels = np.zeros((40, 120, 3), np.uint8)
    pixels[:, 60:] = 200
    mask = np.zeros((40, 120), np.float32)
    mask[:, 20:100] = 1
    filled = fill_inside(pixels, mask)[20, :, 0]
    assert filled[21] < 20
    assert filled[98] > 180
    assert np.all(np.diff(filled[20:100].astype(int)) >= 0)


def test_a_mask_over_everything_leaves_grey() -> None:
    assert (fill_inside(picture(32, 32), np.ones((32, 32), np.float32)) == 128).all()


def test_sizes_must_agree() -> None:
    with pytest.raises(ValueError, match="expected"):
        fill_inside(picture(32, 32), np.ones((31, 32), np.float32))
