"""Styles and textures: other pictures, drawn from the same seeds alike every time."""

from __future__ import annotations

import numpy as np
import pytest

from bench.textures import TEXTURES
from training.scenes import random_scene, render
from training.styles import STYLES
from training.textures import texture


@pytest.mark.parametrize("style", sorted(STYLES))
def test_a_style_draws_the_same_scene_otherwise(style: str) -> None:
    scene = random_scene(3)
    first, second = (np.asarray(render(scene, 64, style=STYLES[style])) for _ in range(2))
    assert np.array_equal(first, second)
    plain = np.asarray(render(scene, 64)).astype(int)
    assert np.abs(first - plain).mean() > 20


def test_textures_for_training_are_reported_by_their_generator() -> None:
    first, second = (texture(48, np.random.default_rng(5)) for _ in range(2))
    assert np.array_equal(first, second)
    assert first.shape == (48, 48, 3)
    assert first.dtype == np.uint8


@pytest.mark.parametrize("name", sorted(TEXTURES))
def test_textures_for_measuring_are_the_same_every_time(name: str) -> None:
    picture = TEXTURES[name](96)
    assert np.array_equal(picture, TEXTURES[name](96))
    assert picture.shape == (96, 96, 3)
    assert picture.std() > 3
