from __future__ import annotations

import time

import numpy as np
import pytest

from ninefold.core.errors import ModelError
from ninefold.core.progress import SilentProgress
from ninefold.imaging.types import Pixels
from ninefold.testing import fake_engines

from .conftest import from_image, text

QUIET = SilentProgress()


def test_failing_a_few_times_then_working() -> None:
    engines = fake_engines(fail_on="text_to_image", fail_times=2)
    for _ in range(2):
        with pytest.raises(ModelError, match="asked to fail"):
            engines.diffusion.run(text(), QUIET)
    assert engines.diffusion.run(text(), QUIET).image.any()


def test_failing_on_one_call_with_an_error_of_choice(picture: Pixels) -> None:
    engines = fake_engines(fail_on=("upscale", "detect"), error=RuntimeError)
    assert engines.diffusion.run(from_image(picture), QUIET).image.any()
    with pytest.raises(RuntimeError):
        engines.upscaling.upscale("2x", picture)
    with pytest.raises(RuntimeError):
        engines.detection.detect("detector", picture, 0.5)


def test_unknown_calls_are_reported() -> None:
    with pytest.raises(ValueError, match="inpaint"):
        fake_engines(fail_on="everything")


def test_finds_a_face_and_a_house_by_content(picture: Pixels) -> None:
    engines = fake_engines()
    found = engines.detection.detect("detector", picture, 0.5)
    assert [item.label for item in found] == ["face", "house"]
    assert found != engines.detection.detect("detector", 255 - picture, 0.5)


def test_paints_quickly() -> None:
    engines = fake_engines()
    engines.diffusion.run(text(), QUIET)
    start = time.perf_counter()
    for seed in range(20):
        engines.diffusion.run(text(seed=seed), QUIET)
    assert time.perf_counter() - start < 1.0


def test_repeats_pixels() -> None:
    pixels = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    made = fake_engines().upscaling.upscale("2x", pixels)
    assert np.array_equal(made[::2, ::2], pixels)
