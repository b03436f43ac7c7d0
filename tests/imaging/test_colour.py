"""Colours move to the reference, and the sRGB curve is undone exactly."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninefold.imaging.arrays import to_bytes
from ninefold.imaging.colour import (
    TransferMethod,
    linear_to_srgb,
    srgb_to_linear,
    transfer_colour,
)
from ninefold.imaging.likeness import mean_absolute_difference, psnr
from ninefold.imaging.measures import sharpness
from ninefold.imaging.resize import resize
from ninefold.imaging.tone import contrast, sharpen
from ninefold.imaging.types import Pixels

from .strategies import flat, images, noise, quick, scene

METHODS: list[TransferMethod] = ["statistics", "wavelet"]


def tinted(pixels: Pixels) -> Pixels:
    """A warmer, flatter version, all levels inside the range."""
    return to_bytes(contrast(pixels, 0.7) * np.array([1.0, 0.9, 0.75]))


def test_the_srgb_curve() -> None:
    levels = np.arange(256, dtype=np.uint8)
    light = srgb_to_linear(levels)
    assert light[[0, 255]].tolist() == [0, 1]
    assert light[188] == pytest.approx(0.5029, abs=1e-4)
    assert np.array_equal(linear_to_srgb(light), levels)
    assert linear_to_srgb(np.array([[-1.0, 0.5, 9.0]], dtype=np.float32)).tolist() == [
        [0, 188, 255]
    ]


@quick
@given(images(), st.sampled_from(METHODS))
def test_an_image_is_its_own_reference(pixels: Pixels, method: TransferMethod) -> None:
    assert np.array_equal(transfer_colour(pixels, pixels, 1, method), pixels)


@quick
@given(images(), images(), st.sampled_from(METHODS))
def test_no_amount_is_no_change(pixels: Pixels, reference: Pixels, method: TransferMethod) -> None:
    assert transfer_colour(pixels, reference, 0, method) is pixels
    assert transfer_colour(pixels, reference, 1, method).shape == pixels.shape


@pytest.mark.parametrize("method", METHODS)
def test_a_tint_is_taken_back(method: TransferMethod) -> None:
    original = np.clip(resize(scene(40, 30), 200, 150), 40, 215)
    changed = tinted(original)
    restored = transfer_colour(changed, original, 1, method)
    half = transfer_colour(changed, original, 0.5, method)
    before, after = (mean_absolute_difference(image, original) for image in (changed, restored))
    assert after < 0.3 * before
    assert after < mean_absolute_difference(half, original) < before


def test_statistics_match_between_different_pictures() -> None:
    pixels, reference = scene(120, 90, seed=1), tinted(scene(64, 200, seed=2))
    moved = transfer_colour(pixels, reference, 1, "statistics")
    for channel in range(3):
        assert moved[..., channel].mean() == pytest.approx(reference[..., channel].mean(), abs=6)


def test_wavelet_keeps_detail_of_an_upscaled_image() -> None:
    small = scene(80, 60)
    large = tinted(sharpen(resize(small, 320, 240), 1.5, 2))
    moved = transfer_colour(large, small, 1, "wavelet")
    assert psnr(resize(moved, 80, 60, "box"), small) > 30
    assert sharpness(moved) > 0.8 * sharpness(large)


def test_a_flat_image_takes_the_colour_without_noise() -> None:
    pixels, reference = flat(40, 40, 90, 90, 90), noise(40, 40)
    moved = transfer_colour(pixels, reference, 1, "statistics")
    assert np.ptp(moved.reshape(-1, 3), axis=0).max() == 0


def test_bad_arguments_are_refused() -> None:
    pixels = noise(8, 8)
    with pytest.raises(ValueError, match="statistics or wavelet"):
        transfer_colour(pixels, pixels, 1, "adain")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="0 to 1"):
        transfer_colour(pixels, pixels, 1.1)
    with pytest.raises(ValueError, match="reference"):
        transfer_colour(pixels, pixels[..., 0])
