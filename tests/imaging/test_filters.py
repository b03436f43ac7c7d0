"""Fast filters agree with slow ones."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninefold.imaging.filters import (
    box_widths,
    convolve_valid,
    gaussian_blur,
    gaussian_kernel,
    maximum_filter,
)
from ninefold.imaging.types import Floats

from .strategies import quick, sides


def plane(width: int, height: int, seed: int = 0) -> Floats:
    """Uniform noise, 0..1."""
    return np.random.default_rng(seed).random((height, width), dtype=np.float32)


@quick
@given(sides, sides, st.integers(0, 9))
def test_the_maximum_is_that_of_the_window(width: int, height: int, radius: int) -> None:
    values = plane(width, height)
    padded = np.pad(values, radius, constant_values=-np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (2 * radius + 1, 2 * radius + 1))
    assert np.array_equal(maximum_filter(values, radius), windows.max(axis=(2, 3)))


@quick
@given(sides, sides, st.floats(0.1, 12))
def test_a_flat_plane_stays_flat(width: int, height: int, sigma: float) -> None:
    values = np.full((height, width), 0.6, dtype=np.float32)
    np.testing.assert_allclose(gaussian_blur(values, sigma), 0.6, atol=1e-5)


@pytest.mark.parametrize("sigma", [0.7, 3.9, 4.1, 8.0, 20.0])
def test_a_point_spreads_as_a_gaussian(sigma: float) -> None:
    values = np.zeros((301, 301), dtype=np.float32)
    values[150, 150] = 1
    spread = gaussian_blur(values, sigma)
    distance = np.arange(-150, 151)
    profile = spread.sum(axis=0, dtype=np.float64)
    assert profile.sum() == pytest.approx(1, abs=1e-4)
    assert math.sqrt((profile * distance**2).sum()) == pytest.approx(sigma, rel=0.05)
    np.testing.assert_allclose(spread, spread.T, atol=1e-7)
    np.testing.assert_allclose(spread, spread[::-1, ::-1], atol=1e-7)


def test_bands_leave_no_trace() -> None:
    values = plane(700, 900)
    tall = gaussian_blur(values, 2)
    part = gaussian_blur(np.ascontiguousarray(values[300:600]), 2)
    np.testing.assert_allclose(tall[320:580], part[20:280], atol=1e-6)


def test_convolution_is_valid_only() -> None:
    kernel = gaussian_kernel(1, 2)
    out = convolve_valid(plane(9, 7), kernel)
    assert out.shape == (3, 5)
    window = np.outer(kernel, kernel)
    assert out[0, 0] == pytest.approx(float((plane(9, 7)[:5, :5] * window).sum()), abs=1e-6)


@quick
@given(st.floats(4, 100))
def test_box_widths_are_odd_and_near_the_sigma(sigma: float) -> None:
    widths = box_widths(sigma)
    assert all(width % 2 == 1 for width in widths)
    variance = sum((width**2 - 1) / 12 for width in widths)
    assert math.sqrt(variance) == pytest.approx(sigma, rel=0.05)
