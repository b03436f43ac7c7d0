"""LUTs are interpolated as the mathematics says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninefold.imaging.lut import CubeLut, apply_lut
from ninefold.imaging.types import Floats, Pixels

from .strategies import flat, images, noise, quick, scene


def grid(size: int) -> Floats:
    """Identity cube, indexed blue, green, red."""
    steps = np.linspace(0, 1, size, dtype=np.float32)
    blue, green, red = np.meshgrid(steps, steps, steps, indexing="ij")
    return np.stack([red, green, blue], axis=-1)


def curves(size: int) -> Floats:
    """Identity curves."""
    return np.repeat(np.linspace(0, 1, size, dtype=np.float32)[:, None], 3, axis=1)


@quick
@given(images(), st.integers(2, 20))
def test_the_identity_changes_nothing(pixels: Pixels, size: int) -> None:
    assert np.array_equal(apply_lut(pixels, CubeLut(grid(size))), pixels)
    assert np.array_equal(apply_lut(pixels, CubeLut(curves(size))), pixels)
    assert apply_lut(pixels, CubeLut(1 - grid(size)), 0) is pixels


@quick
@given(images(), st.integers(2, 9), st.integers(0, 1000))
def test_an_affine_table_is_exact(pixels: Pixels, size: int, seed: int) -> None:
    matrix = np.random.default_rng(seed).random((3, 3)) / 3
    table = (grid(size) @ matrix).astype(np.float32)
    expected = pixels @ matrix
    assert np.abs(apply_lut(pixels, CubeLut(table)) - expected).max() < 0.51


def test_channels_are_not_mixed_up() -> None:
    pixels = noise(30, 20)
    swapped = CubeLut(np.ascontiguousarray(grid(5)[..., [1, 2, 0]]))
    assert np.array_equal(apply_lut(pixels, swapped), pixels[..., [1, 2, 0]])
    table = curves(9)
    table[:, 1] = 1 - table[:, 1]
    inverted_green = apply_lut(pixels, CubeLut(table))
    assert np.array_equal(inverted_green[..., 1], 255 - pixels[..., 1])
    assert np.array_equal(inverted_green[..., ::2], pixels[..., ::2])


def test_a_smooth_grade_comes_close_to_its_function() -> None:
    pixels = scene(60, 40)
    graded = apply_lut(pixels, CubeLut(grid(33) ** np.float32(1.3)))
    assert np.abs(graded - 255 * (pixels / 255) ** 1.3).max() < 1


def test_greys_stay_grey_where_the_grey_line_does() -> None:
    rng = np.random.default_rng(0)
    table = rng.random((5, 5, 5, 3), dtype=np.float32)
    for index in range(5):
        table[index, index, index] = index / 4
    greys = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    assert np.array_equal(apply_lut(greys, CubeLut(table)), greys)


def test_the_domain_is_stretched_and_clamped() -> None:
    lut = CubeLut(grid(3), domain_min=(0.2, 0.2, 0.2), domain_max=(0.6, 0.6, 0.6))
    assert (apply_lut(flat(2, 2, 51, 102, 153), lut) == (0, 128, 255)).all()
    assert (apply_lut(flat(2, 2, 0, 204, 255), lut) == (0, 255, 255)).all()
    wide = CubeLut(curves(2), domain_max=(2.0, 2.0, 2.0))
    assert (apply_lut(flat(2, 2, 100, 200, 50), wide) == (50, 100, 25)).all()


def test_half_an_inversion_is_grey() -> None:
    half = apply_lut(noise(9, 9), CubeLut(1 - grid(4)), 0.5)
    assert half.min() >= 127
    assert half.max() <= 128


def test_amounts_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="LUT amount"):
        apply_lut(noise(4, 4), CubeLut(grid(2)), 2)
