"""Measures of two images agree with their definitions."""

import math

import numpy as np
import pytest
from hypothesis import given

from ninefold.imaging.likeness import mean_absolute_difference, psnr, ssim
from ninefold.imaging.types import Pixels

from .strategies import flat, images, noise, quick, scene


def plain_ssim(first: Pixels, second: Pixels) -> float:
    """The paper's formula, window by window."""
    weights = np.array([math.exp(-(x**2) / (2 * 1.5**2)) for x in range(-5, 6)])
    window = np.outer(weights, weights) / weights.sum() ** 2
    a, b = (image @ np.array([0.2126, 0.7152, 0.0722]) for image in (first, second))
    values = []
    for top in range(a.shape[0] - 10):
        for left in range(a.shape[1] - 10):
            x, y = (p[top : top + 11, left : left + 11] for p in (a, b))
            mx, my = (window * x).sum(), (window * y).sum()
            vx, vy = (window * (x - mx) ** 2).sum(), (window * (y - my) ** 2).sum()
            both = (window * (x - mx) * (y - my)).sum()
            light = (2 * mx * my + 6.5025) / (mx**2 + my**2 + 6.5025)
            values.append(light * (2 * both + 58.5225) / (vx + vy + 58.5225))
    return float(np.mean(values))


@quick
@given(images())
def test_an_image_is_like_itself(pixels: Pixels) -> None:
    assert mean_absolute_difference(pixels, pixels) == 0
    assert psnr(pixels, pixels) == math.inf
    if min(pixels.shape[:2]) >= 11:
        assert ssim(pixels, pixels) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("change", ["brighter", "noisy", "another", "inverted"])
def test_ssim_is_the_papers(change: str) -> None:
    first = scene(40, 30)
    rng = np.random.default_rng(1)
    second = {
        "brighter": np.minimum(first, 225) + np.uint8(30),
        "noisy": np.clip(first + rng.normal(0, 25, first.shape), 0, 255).astype(np.uint8),
        "another": scene(40, 30, seed=9),
        "inverted": 255 - first,
    }[change]
    assert ssim(first, second) == pytest.approx(plain_ssim(first, second), abs=1e-4)
    assert ssim(first, second) == pytest.approx(ssim(second, first), abs=1e-6)
    assert ssim(first, second) < 0.995


def test_a_known_difference() -> None:
    first = flat(20, 10, 100, 100, 100)
    second = flat(20, 10, 110, 100, 90)
    assert mean_absolute_difference(first, second) == pytest.approx(20 / 3)
    assert psnr(first, second) == pytest.approx(10 * math.log10(255**2 / (200 / 3)))
    assert mean_absolute_difference(flat(9, 9, 0, 0, 0), flat(9, 9, 255, 255, 255)) == 255
    assert psnr(flat(9, 9, 0, 0, 0), flat(9, 9, 255, 255, 255)) == 0


def test_bad_pairs_are_refused() -> None:
    with pytest.raises(ValueError, match="one size"):
        psnr(noise(10, 10), noise(11, 10))
    with pytest.raises(ValueError, match="11 x 11"):
        ssim(noise(10, 20), noise(10, 20))
