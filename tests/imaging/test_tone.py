"""Tone changes what it names, and nothing at its neutral value."""

import hashlib
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given

from ninefold.imaging import tone
from ninefold.imaging.arrays import luma
from ninefold.imaging.measures import luma_deviation, sharpness
from ninefold.imaging.types import Pixels

from .strategies import flat, images, noise, quick, scene

ALL: list[Callable[[Pixels], Pixels]] = [
    tone.brightness,
    tone.gamma,
    tone.contrast,
    tone.saturation,
    tone.sharpen,
    tone.film_grain,
]


def chroma(pixels: Pixels) -> float:
    """Mean distance between the largest and the smallest channel."""
    return float((pixels.max(axis=2).astype(int) - pixels.min(axis=2)).mean())


@quick
@given(images())
def test_every_neutral_operation_gives_back_the_input(pixels: Pixels) -> None:
    before = pixels.copy()
    for operation in ALL:
        assert operation(pixels) is pixels
    assert np.array_equal(pixels, before)


@quick
@given(images())
def test_nearly_neutral_is_nearly_nothing(pixels: Pixels) -> None:
    before = pixels.copy()
    for operation in (tone.brightness, tone.gamma, tone.contrast, tone.saturation):
        changed = operation(pixels, 1.0 + 1e-7)
        assert np.array_equal(changed, before)
    assert np.array_equal(tone.sharpen(pixels, 1e-7), before)
    assert np.array_equal(tone.film_grain(pixels, 1e-7), before)


def test_contrast_spreads_about_the_mean() -> None:
    pixels = np.clip(scene(90, 60), 60, 190)
    more, less = tone.contrast(pixels, 1.2), tone.contrast(pixels, 0.5)
    assert luma_deviation(more) == pytest.approx(1.2 * luma_deviation(pixels), rel=0.03)
    assert luma_deviation(less) == pytest.approx(0.5 * luma_deviation(pixels), rel=0.03)
    assert luma(more).mean() == pytest.approx(luma(pixels).mean(), abs=0.5)
    assert luma_deviation(tone.contrast(pixels, 0)) == 0


def test_saturation_keeps_luma() -> None:
    pixels = np.clip(scene(90, 60), 90, 160)
    vivid, grey = tone.saturation(pixels, 1.5), tone.saturation(pixels, 0)
    assert chroma(vivid) == pytest.approx(1.5 * chroma(pixels), rel=0.03)
    assert chroma(grey) == 0
    assert np.abs(luma(vivid) - luma(pixels)).max() < 1
    assert np.abs(luma(grey) - luma(pixels)).max() < 1


def test_brightness_and_gamma() -> None:
    pixels = flat(4, 4, 64, 128, 255)
    assert tone.brightness(pixels, 0.5)[0, 0].tolist() == [32, 64, 128]
    assert tone.brightness(pixels, 3)[0, 0].tolist() == [192, 255, 255]
    assert tone.gamma(pixels, 2)[0, 0].tolist() == [128, 181, 255]


def test_sharpening_adds_no_colour_and_leaves_flats() -> None:
    pixels = scene(120, 80)
    sharp = tone.sharpen(pixels, 0.8, 1.5)
    assert sharpness(sharp) > 1.5 * sharpness(pixels)
    inside = (pixels > 40).all(axis=2) & (pixels < 215).all(axis=2)
    change = sharp.astype(int) - pixels
    assert (change[inside].max(axis=1) == change[inside].min(axis=1)).all()
    even = flat(30, 30, 9, 120, 240)
    assert np.array_equal(tone.sharpen(even, 2, 3), even)


def test_a_threshold_spares_small_differences() -> None:
    pixels = (noise(40, 40) // 64) + 100
    assert np.array_equal(tone.sharpen(pixels, 1, 1, threshold=10), pixels)
    assert not np.array_equal(tone.sharpen(pixels, 1, 1), pixels)


def test_grain_is_grey_seeded_and_as_strong_as_reported() -> None:
    pixels = flat(301, 201, 128, 128, 128)
    grain = tone.film_grain(pixels, 0.5, seed=3)
    assert chroma(grain) == 0
    assert luma_deviation(grain) == pytest.approx(16, rel=0.03)
    assert luma(grain).mean() == pytest.approx(128, abs=0.3)
    assert np.array_equal(grain, tone.film_grain(pixels, 0.5, seed=3))
    assert not np.array_equal(grain, tone.film_grain(pixels, 0.5, seed=4))


def test_large_grain_is_as_strong_but_coarser() -> None:
    pixels = flat(300, 200, 128, 128, 128)
    fine, coarse = tone.film_grain(pixels, 0.5), tone.film_grain(pixels, 0.5, size=4)
    assert luma_deviation(coarse) == pytest.approx(luma_deviation(fine), rel=0.1)
    assert sharpness(coarse) < 0.1 * sharpness(fine)


def test_grain_spares_black_and_white() -> None:
    for level in (0, 255):
        pixels = flat(64, 64, level, level, level)
        assert np.abs(tone.film_grain(pixels, 1).astype(int) - pixels).max() <= 1


def test_grain_has_the_same_bits_everywhere() -> None:
    ramp = (np.arange(67 * 45 * 3) % 256).astype(np.uint8).reshape(45, 67, 3)
    digests = [
        hashlib.sha256(tone.film_grain(ramp, 0.3, 11, size).tobytes()).hexdigest()[:16]
        for size in (1, 3)
    ]
    assert digests == ["ec455465b9f4f110", "8210decc44f22ed8"]


@pytest.mark.parametrize(
    "call",
    [
        lambda p: tone.contrast(p, -1),
        lambda p: tone.saturation(p, float("nan")),
        lambda p: tone.gamma(p, 0),
        lambda p: tone.sharpen(p, 1, -1),
        lambda p: tone.film_grain(p, 1.5),
        lambda p: tone.film_grain(p, 0.5, seed=-1),
        lambda p: tone.contrast(p.astype(np.float32)),
    ],
)
def test_bad_values_are_refused(call: Callable[[Pixels], Pixels]) -> None:
    with pytest.raises(ValueError, match=r"expected .* got"):
        call(noise(8, 8))
